// Everything that must hold at a source before it can be captured.
import type { ConnectOptions } from '../../../wire/index.ts';
import type { ProjectIds, SourceNames } from '../source/owner.ts';
import { checkClock, checkEncoding, examine, type Finding } from './finding.ts';
import { checkPublication } from './source-publication.ts';
import { checkSourceServer } from './source-server.ts';
import { checkOwner, checkSlots, checkTransactions } from './source-slots.ts';
import { checkTables, type TableQuestions } from './source-tables.ts';

export interface SourceQuestions extends TableQuestions, SourceNames {
  readonly ids: ProjectIds;
  /** From which age on an open writing transaction is reported; default one minute. */
  readonly openForMs?: number;
}

/** Looks at a source without changing it. Throws only when the connection breaks on the way. */
export function diagnoseSource(options: ConnectOptions, asked: SourceQuestions): Promise<Finding[]> {
  return examine(options, async (connection, findings) => {
    const server = await checkSourceServer(connection, findings, asked.slot);
    await checkEncoding(connection, findings);
    await checkClock(connection, findings);
    const tables = await checkTables(connection, findings, server, asked);
    await checkPublication(connection, findings, server, asked.publication, asked.managesPublication, tables);
    const slotIsThere = await checkSlots(connection, findings, asked.slot);
    await checkOwner(connection, findings, asked, asked.ids);
    await checkTransactions(connection, findings, asked.openForMs ?? 60_000, slotIsThere);
  });
}
