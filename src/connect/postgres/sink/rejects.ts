// Rows that a rule rejected, among those that it made: a letter is written behind all rows of its segment, so a row of the same key that
// comes later needs a segment of its own. It meets the letter there, as it would in a later commit.
import { fieldOf, type RowBlock, tableAddress } from '../../../data/index.ts';
import type { RejectedRows, TableStep, TableWrite } from '../../../flow/index.ts';
import { keysOf, keyText, type Letter, rejectLetter, rowOf } from './letter-rows.ts';

export interface CutSteps {
  readonly steps: readonly TableStep[];
  /** Step → letters that come behind its rows. */
  readonly rejects: ReadonlyMap<number, readonly Letter[]>;
  /** Steps that begin a segment. */
  readonly starts: ReadonlySet<number>;
}

interface Event {
  readonly seq: number;
  readonly table: string;
  readonly keys: readonly string[];
  readonly letter: Letter | undefined;
}

type RowsStep = Extract<TableStep, { kind: 'rows' }>;

export function cutAtRejects(given: readonly TableStep[]): CutSteps {
  const steps: TableStep[] = [];
  const rejects = new Map<number, readonly Letter[]>();
  const starts = new Set<number>();
  /** Keys that were rejected in this segment, by table. */
  const open = new Map<string, Set<string>>();
  for (const step of given) {
    if (step.kind === 'truncate') open.clear();
    const touched = step.kind === 'rows' && step.writes.some((write) => write.rejected || open.has(tableAddress(write.target)));
    if (step.kind === 'truncate' || !touched) {
      steps.push(step);
      continue;
    }
    const events = eventsOf(step);
    const cuts = cutsOf(events, open);
    for (const [i, from] of [0, ...cuts].entries()) {
      const to = cuts[i] ?? Infinity;
      if (i > 0) starts.add(steps.length);
      const letters = events.flatMap(({ seq, letter }) => (letter && seq >= from && seq < to ? [letter] : []));
      if (letters.length > 0) rejects.set(steps.length, letters);
      steps.push({ kind: 'rows', writes: cuts.length === 0 ? step.writes : step.writes.map((write) => between(write, from, to)) });
    }
  }
  return { steps, rejects, starts };
}

/** The rows of tables that have rejected ones, in the source's order. */
function eventsOf(step: RowsStep): Event[] {
  const events: Event[] = [];
  for (const write of step.writes) {
    const table = tableAddress(write.target);
    const { batch, rejected } = write;
    for (const row of rowsOf(write)) events.push({ seq: batch.seqs[row] as number, table, keys: keysOfRow(write, row), letter: undefined });
    for (let row = 0; row < (rejected?.batch.count ?? 0); row++) {
      const letter = rejectLetter(write, row);
      const { key, old } = keysOf(letter);
      const keys = [key, old].filter((each) => each !== undefined);
      events.push({ seq: (rejected as RejectedRows).batch.seqs[row] as number, table, keys, letter });
    }
  }
  return events.sort((a, b) => a.seq - b.seq);
}

/** The sequences before which to cut; `open` is brought up to date. */
function cutsOf(events: readonly Event[], open: Map<string, Set<string>>): number[] {
  const cuts: number[] = [];
  for (const { seq, table, keys, letter } of events) {
    const known = open.get(table);
    if (!letter) {
      if (!known || !keys.some((key) => known.has(key))) continue;
      cuts.push(seq);
      open.clear();
    } else if (known) for (const key of keys) known.add(key);
    else open.set(table, new Set(keys));
  }
  return cuts;
}

function keysOfRow({ target, batch, fields }: TableWrite, row: number): string[] {
  if (target.key.length === 0) return [];
  const formats = Array.from(fields, (field) => batch.formats[field] as number);
  const keyOf = (block: RowBlock): string[] => {
    const start = block.offsets[row] as number;
    if (start === block.offsets[row + 1]) return [];
    const values = target.key.map((i) => fieldOf(block.bytes, start, fields[i] as number));
    return values.includes(undefined) ? [] : [keyText({ target, formats }, rowOf(values))];
  };
  return [...keyOf(batch.after), ...keyOf(batch.before)];
}

const rowsOf = ({ batch, rows }: TableWrite): Iterable<number> => rows ?? Array(batch.count).keys();

function between(write: TableWrite, from: number, to: number): TableWrite {
  const { rejected: _, ...rest } = write;
  const rows = [...rowsOf(write)].filter((row) => (write.batch.seqs[row] as number) >= from && (write.batch.seqs[row] as number) < to);
  return { ...rest, rows: Uint32Array.from(rows) };
}
