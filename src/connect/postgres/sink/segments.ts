// Cuts the steps of a commit into segments. Within one, every folded table is independent of the others; a TRUNCATE ends a segment, and so
// does a table whose rows begin to have another layout.
import { isDeepStrictEqual } from 'node:util';
import { assert } from '../../../base/index.ts';
import { Op, tableAddress, type TableName } from '../../../data/index.ts';
import type { TableStep, TableTruncate, TableWrite } from '../../../flow/index.ts';
import type { Table } from './apply.ts';
import { Fold } from './fold.ts';
import { type Layout, makeLayout, sameLayout } from './layout.ts';
import type { Letter } from './letter-rows.ts';
import { type OrderedRow, type OrderedWrite, inOrder } from './ordered.ts';
import { cutAtRejects } from './rejects.ts';
import type { Session } from './session.ts';
import { readTargetShapes, type Shape } from './shape.ts';

export interface Segment {
  readonly tables: readonly Table[];
  readonly ordered: readonly OrderedRow[];
  /** Rows that a rule rejected, behind all the others. */
  readonly rejects: readonly Letter[];
  readonly truncate?: TableTruncate;
}

/**
 * Tables are read again when they were read longer ago than this: a foreign key or trigger that somebody adds at the target has to be seen
 * also where nothing fails (a cascade under a role that cannot switch it off). Catching each change would take a query a commit.
 */
const shapeAgeMsMax = 60_000;

/** The target's tables as they were read, and the layouts made of them. */
export class Layouts {
  readonly #now: () => number;
  #outdated = false;
  #shapes = new Map<string, { shape: Shape; readAtMs: number }>();
  #layouts = new Map<string, { write: TableWrite; layout: Layout }[]>();

  /** @param now Milliseconds of a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Forgets everything: after an error, or when somebody has changed a table. */
  clear(): void {
    this.#outdated = false;
    this.#shapes.clear();
    this.#layouts.clear();
  }

  /** Tables are not as they were read: the next `load` reads them again. */
  outdate(): void {
    this.#outdated = true;
  }

  /**
   * Reads the tables of writes in a form that is new (the target may have got the column that it brings just now), and those that were read
   * longer ago than `ageMsMax`. Says whether a table is not as it was.
   */
  async load(session: Session, steps: readonly TableStep[], ageMsMax = shapeAgeMsMax): Promise<boolean> {
    if (this.#outdated) this.clear();
    const wanted = new Map<string, TableName>();
    for (const step of steps) {
      if (step.kind !== 'rows') continue;
      for (const write of step.writes) {
        const address = tableAddress(write.target);
        if (write.rows?.length === 0 || wanted.has(address)) continue;
        const known = this.#shapes.get(address);
        if (!known || !this.#known(write) || this.#now() - known.readAtMs >= ageMsMax) wanted.set(address, write.target);
      }
    }
    const readAtMs = this.#now();
    const shapes = await readTargetShapes(session.connection, [...wanted.values()]);
    let changed = false;
    for (const [i, address] of [...wanted.keys()].entries()) {
      const [known, shape] = [this.#shapes.get(address), shapes[i] as Shape];
      if (known && !isDeepStrictEqual(known.shape, shape)) {
        this.#layouts.delete(address);
        changed = true;
      }
      this.#shapes.set(address, { shape, readAtMs });
    }
    return changed;
  }

  #known(write: TableWrite): Layout | undefined {
    return this.#layouts.get(tableAddress(write.target))?.find((other) => sameLayout(other.write, write))?.layout;
  }

  /** Whether the layouts of all writes are known, so that nothing has to be read for them. */
  knows(steps: readonly TableStep[]): boolean {
    return steps.every((step) => step.kind !== 'rows' || step.writes.every((write) => write.rows?.length === 0 || this.#known(write) !== undefined));
  }

  /** Whether a layout is one of those in use: not made of a shape that has been found out of date. */
  holds(layout: Layout): boolean {
    return this.#layouts.get(layout.address)?.some((known) => known.layout === layout) ?? false;
  }

  shape(table: TableName): Shape {
    const known = this.#shapes.get(tableAddress(table));
    assert(known, 'the shape of a table was not loaded');
    return known.shape;
  }

  get(write: TableWrite, replicaRole: boolean): Layout {
    const found = this.#known(write);
    if (found) return found;
    const address = tableAddress(write.target);
    const known = this.#layouts.get(address) ?? [];
    this.#layouts.set(address, known);
    const layout = makeLayout(write, this.shape(write.target), replicaRole);
    // Only the form of the write is compared later; its rows are not kept.
    const empty = { ...write.batch, count: 0, after: { bytes: Buffer.alloc(0), offsets: new Uint32Array(1) }, before: { bytes: Buffer.alloc(0), offsets: new Uint32Array(1) } };
    known.push({ write: { ...write, batch: empty }, layout });
    if (known.length > 8) known.shift();
    return layout;
  }
}

/** @param load Rows of a snapshot: always folded, since their order says nothing; `fresh` ones go into an empty table. */
export function segmentsOf(given: readonly TableStep[], layouts: Layouts, replicaRole: boolean, load?: 'fresh' | 'merge'): Segment[] {
  const segments: Segment[] = [];
  let tables = new Map<string, Table>();
  let ordered: OrderedWrite[] = [];
  let rejects: Letter[] = [];
  const { steps, rejects: rejected, starts } = cutAtRejects(given);
  const cut = (truncate?: TableTruncate): void => {
    const left = ordered.filter(({ layout }) => !appends(layout, ordered, replicaRole));
    for (const { layout, write } of ordered) {
      if (left.some((other) => other.layout === layout)) continue;
      const key = `${layout.address} ${layout.id}`;
      const table = tables.get(key) ?? { fold: new Fold(layout.keyFields, layout.fieldCount), layout };
      table.fold.add(write, load === 'fresh');
      tables.set(key, table);
    }
    ordered = left;
    if (tables.size > 0 || ordered.length > 0 || rejects.length > 0 || truncate) {
      segments.push({ tables: [...tables.values()], ordered: inOrder(ordered), rejects, ...(truncate ? { truncate } : {}) });
    }
    tables = new Map();
    ordered = [];
    rejects = [];
  };
  for (const [index, step] of steps.entries()) {
    if (step.kind === 'truncate') {
      cut(step.truncate);
      continue;
    }
    if (starts.has(index)) cut();
    for (const write of step.writes) {
      if (write.rows?.length === 0) continue;
      const layout = layouts.get(write, replicaRole);
      if (layout.path === 'ordered' && !load) {
        ordered.push({ step: index, layout, write });
        continue;
      }
      let table = tables.get(layout.address);
      if (table && table.layout !== layout) {
        cut();
        table = undefined;
      }
      if (!table) tables.set(layout.address, (table = { fold: new Fold(layout.keyFields, layout.fieldCount), layout }));
      table.fold.add(write, load === 'fresh');
    }
    rejects.push(...(rejected.get(index) ?? []));
  }
  cut();
  return segments;
}

/** Changes that went into segments. */
export const rowsOf = (segments: readonly Segment[]): number =>
  segments.reduce((sum, { tables, ordered, rejects }) => sum + ordered.length + rejects.length + tables.reduce((rows, { fold }) => rows + fold.changes, 0), 0);

/** Rows without a key that are only added need no order: they go by COPY. */
function appends(layout: Layout, ordered: readonly OrderedWrite[], replicaRole: boolean): boolean {
  if (layout.key.length > 0 || (layout.shape.dependent && !replicaRole)) return false;
  return ordered.every(({ layout: { address }, write: { batch, rows } }) =>
    address !== layout.address || (rows ? rows.every((row) => isAdded(batch.ops[row])) : batch.ops.every(isAdded)));
}

const isAdded = (op: number | undefined): boolean => op === Op.insert || op === Op.read;
