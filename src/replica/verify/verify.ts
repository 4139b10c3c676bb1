// Compares a replica with its sources at one cut: per target table the rows that the rules make of the source against the rows that are there.
//
// Where the rules only choose, rename and route, both sides are summed up in SQL. Where they compute, the source's rows go through the rules
// and into a temporary table of the target, which also makes its casts.
import { COPY_HEADER, COPY_TRAILER } from '../../codec/index.ts';
import { type ActualTable, type PostgresSnapshot, readTargetTable } from '../../connect/index.ts';
import { Format, locateFields, type Position, quoteIdent, quoteTable, type Relation, type Run, tableAddress, writeFields } from '../../data/index.ts';
import { ByteWriter, MillraceError } from '../../base/index.ts';
import type { TableWrite, TargetTable } from '../../flow/index.ts';
import type { CopyIn, PgConnection } from '../../wire/index.ts';
import type { Route } from '../rules/route.ts';
import type { Routes } from '../rules/routes.ts';
import { compare, type RowKey, type Side } from './compare.ts';

/** A source's side: its rows at one cut, and where they go. `snapshot.connection` is the session that holds the cut. */
export interface VerifyPart {
  readonly source: string;
  readonly snapshot: PostgresSnapshot;
  readonly routes: Routes;
}

export interface TableVerdict {
  readonly equal: boolean;
  /** Rows that the source should have at the target. */
  readonly rows: number;
  /** Keys at the target that differ, are missing or are too much. */
  readonly differing: readonly unknown[];
  /** The target table, where it is not named as the source's. */
  readonly target?: string;
}

export interface CompareTables {
  /** Differing keys of a table that are listed. */
  readonly keysMax?: number;
  /** Leaves out the target tables that no chosen source table goes to. */
  readonly chooses?: (source: string, table: string) => boolean;
  /** Hears which rows differ: per source table that goes to a target table, all of that one's. */
  readonly differs?: (source: string, route: Route, keys: readonly RowKey[]) => void;
}

/** The verdict per source table. `target` is a session in a repeatable-read transaction that stands at the same cut; it may write temporary tables. */
export async function compareReplica(parts: readonly VerifyPart[], target: PgConnection, signal: AbortSignal, options: CompareTables = {}): Promise<Record<string, TableVerdict>> {
  const verdicts: Record<string, TableVerdict> = {};
  const byTarget = new Map<string, { part: VerifyPart; relation: Relation; route: Route }[]>();
  for (const part of parts) {
    for (const relation of part.snapshot.relations) {
      for (const route of part.routes.for(relation)) {
        const address = tableAddress(route.target);
        byTarget.set(address, [...(byTarget.get(address) ?? []), { part, relation, route }]);
      }
    }
  }
  let stages = 0;
  const { keysMax = 1000, chooses, differs } = options;
  for (const [address, group] of byTarget) {
    if (chooses && !group.some(({ part, relation }) => chooses(part.source, tableAddress(relation)))) continue;
    const wanted = (group[0] as { route: Route }).route.target;
    const actual = await readTargetTable(target, wanted);
    if (!actual) throw new MillraceError('VERIFY_IMPOSSIBLE', `table ${address} does not exist in the target`, { where: target.where });
    const columns = compared(group.map(({ route }) => route), actual);
    const absent = columns.find((name) => !actual.columns.some((column) => column.name === name));
    if (absent !== undefined) {
      throw new MillraceError('VERIFY_IMPOSSIBLE', `column ${quoteIdent(absent)} of ${address} is not in the target yet`, {
        where: target.where, hint: 'it comes with the next change of a row of its table, or when `millrace up` starts again',
      });
    }
    const lefts: Side[] = [];
    for (const { part, relation, route } of group) {
      lefts.push(isPlain(route) ? sourceSide(part, relation, route, columns, actual) : await stagedSide(part, relation, route, columns, actual, target, (stages += 1), signal));
    }
    const softDeletes = group.some(({ route }) => route.rule?.deletes === 'soft');
    const right: Side = {
      connection: target,
      from: `${actual.relkind === 'p' ? '' : 'only '}${quoteTable(wanted)}`,
      ...(softDeletes ? { where: '_deleted_at is null' } : {}),
      columns: columns.map(quoteIdent),
      key: keyNames(wanted).map((column) => quoteIdent(column)),
    };
    const extraIsFine = group.some(({ route }) => route.rule?.deletes === 'ignore');
    const result = await compare(lefts, right, { extraIsFine, keysMax });
    for (const { part, relation, route } of group) {
      if (!result.equal) differs?.(part.source, route, result.keys);
      const name = parts.length > 1 ? `${part.source}.${tableAddress(relation)}` : tableAddress(relation);
      const before = verdicts[name];
      verdicts[name] = {
        equal: result.equal && (before?.equal ?? true),
        rows: group.length === 1 ? result.rows : await countRows(lefts[group.findIndex((one) => one.relation === relation)] as Side),
        differing: [...(before?.differing ?? []), ...result.differing],
        ...(address === tableAddress(relation) ? {} : { target: address }),
      };
    }
  }
  return verdicts;
}

const keyNames = (table: TargetTable): string[] => table.key.map((i) => table.columns[i]?.name ?? '');

/** Columns that the source determines and the target has as plain columns. What cannot be reproduced (meta columns) is left out. */
function compared(routes: readonly Route[], actual: ActualTable): string[] {
  const generated = new Set(actual.columns.filter((column) => column.generated !== 'no').map((column) => column.name));
  const [first] = routes;
  return (first?.target.columns ?? []).map((column) => column.name).filter((name) => !generated.has(name) && !routes.some((route) => isMeta(route, name)));
}

const making = (route: Route, name: string): Route['columns'][number]['making'] | undefined => route.columns.find((one) => one.column.name === name)?.making;
const isMeta = (route: Route, name: string): boolean => making(route, name)?.kind === 'meta';

/** Whether SQL over the source table says the same as the rules. */
function isPlain(route: Route): boolean {
  return route.rule?.where === undefined && route.rule?.row === undefined && route.columns.every(({ making: how }) => how.kind === 'field' || how.kind === 'meta');
}

function sourceSide(part: VerifyPart, relation: Relation, route: Route, columns: readonly string[], actual: ActualTable): Side {
  const expression = (name: string): string => {
    const how = making(route, name);
    const source = relation.columns[how?.kind === 'field' ? how.field : -1];
    return quoteIdent(source?.name ?? name);
  };
  return {
    connection: part.snapshot.connection,
    from: sourceRows(part, relation),
    columns: columns.map((name) => cast(expression(name), name, route.target, actual)),
    key: keyNames(route.target).map((name) => cast(expression(name), name, route.target, actual)),
  };
}

/** Rows of a partitioned table lie in its partitions; children by inheritance are other tables. */
const sourceRows = (part: VerifyPart, relation: Relation): string => `${part.snapshot.isPartitioned(relation) ? '' : 'only '}${quoteTable(relation)}`;

export const isBuiltIn = (typeText: string): boolean => !typeText.includes('.') && !typeText.includes('"');

/** A value in the target's type, where that differs and is a built-in one, which both sides have: then equal values have equal text. */
function cast(expression: string, name: string, wanted: TargetTable, actual: ActualTable): string {
  const from = wanted.columns.find((column) => column.name === name)?.typeText;
  const to = actual.columns.find((column) => column.name === name)?.typeText;
  return from === undefined || to === undefined || from === to || !isBuiltIn(to) ? expression : `${expression}::${to}`;
}

async function countRows(side: Side): Promise<number> {
  const [row] = await side.connection.rows<{ n: string }>(`select count(*) as n from ${side.from}`);
  return Number(row?.n ?? 0);
}

/** Sends a source's rows through the rules into a temporary table of the target. */
async function stagedSide(
  part: VerifyPart, relation: Relation, route: Route, columns: readonly string[], actual: ActualTable, target: PgConnection, stage: number, signal: AbortSignal,
): Promise<Side> {
  const table = `pg_temp.verify_${stage}`;
  const wanted = route.target.columns;
  let copy: CopyIn | undefined;
  for await (const batch of part.snapshot.read(relation, signal)) {
    const write = route.write(batch, asRun(batch, part.snapshot.position));
    if (!write) continue;
    if (!copy) {
      const definitions = wanted.map((column, i) => `c${i} ${write.batch.formats[write.fields[i] as number] === Format.text ? 'text' : column.typeText}`);
      await target.query(`create temporary table verify_${stage} (${definitions.join(', ')}) on commit drop`);
      copy = target.startCopyIn(`copy ${table} from stdin (format binary)`);
      copy.write(COPY_HEADER);
    }
    copy.write(rowsOf(write));
    await copy.ready();
  }
  if (copy) {
    copy.write(COPY_TRAILER);
    await copy.done();
  } else await target.query(`create temporary table verify_${stage} (${wanted.map((column, i) => `c${i} ${column.typeText}`).join(', ')}) on commit drop`);
  const expression = (name: string): string => {
    const to = actual.columns.find((column) => column.name === name)?.typeText;
    const place = `c${wanted.findIndex((column) => column.name === name)}`;
    return to === undefined ? place : `${place}::${to}`;
  };
  return { connection: target, from: table, columns: columns.map(expression), key: keyNames(route.target).map(expression) };
}

const asRun = (batch: Run['batches'][number], position: Position): Run => ({
  transactions: [{ xid: 0, commit: position, end: position, timeUs: 0n, firstSeq: 0 }], batches: [batch], open: false, position,
});

/** The rows of a write as rows of COPY, in the target's columns. */
function rowsOf(write: TableWrite): Buffer {
  const { batch, fields } = write;
  const out = new ByteWriter(batch.after.bytes.length + 1024);
  const width = batch.formats.length;
  const [starts, lengths] = [new Int32Array(width), new Int32Array(width)];
  const count = write.rows?.length ?? batch.count;
  for (let i = 0; i < count; i++) {
    const row = write.rows?.[i] ?? i;
    const [start, end] = [batch.after.offsets[row] as number, batch.after.offsets[row + 1] as number];
    if (start === end) continue;
    locateFields(batch.after.bytes, start, end, starts, lengths);
    writeFields(out, batch.after.bytes, fields, starts, lengths);
  }
  return out.take();
}
