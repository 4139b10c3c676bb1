// Random changes through random rules, applied to a Map, against the rules applied naively to the final rows of the source.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { typeCodec } from '../../codec/index.ts';
import { type Batch, fieldOf, Format, Op, type RowBlock } from '../../data/index.ts';
import type { TableWrite } from '../../flow/index.ts';
import { compileRoutes } from '../index.ts';
import type { TableRule } from '../spec.ts';
import { type Field, makeBatch, makeRelation, makeRule, makeRun, makeSpec, type RowChange } from './testing.ts';

type Row = [id: string, a: string | null, s: string | null];
type Target = Record<string, string | null>;

/** A rule and what it means, written down without any of the code under test. */
interface Case {
  readonly rule: Partial<TableRule>;
  readonly selective: boolean;
  naive(row: Row): Target | null;
}

const hash = (text: string | null): string | null => (text === null ? null : createHash('sha256').update(`salt${text}`).digest('hex'));
const over = (a: string | null): boolean => a !== null && Number(a) > 5;
const cases: readonly Case[] = [
  { rule: {}, selective: false, naive: ([id, a, s]) => ({ id, a, s }) },
  { rule: { drop: ['a'], rename: { s: 't' } }, selective: false, naive: ([id, , s]) => ({ id, t: s }) },
  { rule: { mask: { s: { kind: 'hash', salt: 'salt' }, id: { kind: 'hash', salt: 'salt' } } }, selective: false, naive: ([id, a, s]) => ({ id: hash(id), a, s: hash(s) }) },
  { rule: { mask: { s: { kind: 'fixed', value: '*' }, a: { kind: 'null' } } }, selective: false, naive: ([id]) => ({ id, a: null, s: '*' }) },
  { rule: { add: { b: { kind: 'sql', sql: 'a + id' } } }, selective: false, naive: ([id, a, s]) => ({ id, a, s, b: a === null ? null : String(Number(a) + Number(id)) }) },
  { rule: { where: 'a > 5' }, selective: true, naive: ([id, a, s]) => (over(a) ? { id, a, s } : null) },
  { rule: { where: (row) => row['a'] !== null && (row['a'] as number) > 5, mask: { s: { kind: 'hash', salt: 'salt' } } }, selective: true, naive: ([id, a, s]) => (over(a) ? { id, a, s: hash(s) } : null) },
  { rule: { row: ({ a, ...rest }) => (a === null ? null : { ...rest, twice: BigInt(a as number) * 2n }) }, selective: true, naive: ([id, a, s]) => (a === null ? null : { id, s, twice: String(Number(a) * 2) }) },
  { rule: { where: 'a > 5', row: (row) => row }, selective: true, naive: ([id, a, s]) => (over(a) ? { id, a, s } : null) },
];

/** Applies a write as a target would: rows by key, unchanged values kept. */
function applyTo(table: Map<string, Target>, { batch, fields, target }: TableWrite): void {
  const text = (b: Batch, block: RowBlock, row: number, i: number): string | null | undefined => {
    const bytes = fieldOf(block.bytes, block.offsets[row] as number, fields[i] as number);
    if (!bytes) return bytes;
    return b.formats[fields[i] as number] === Format.text ? bytes.toString() : typeCodec(target.columns[i]?.type as never).toText(bytes);
  };
  for (let row = 0; row < batch.count; row++) {
    const keyOf = (block: RowBlock): string => target.key.map((i) => text(batch, block, row, i)).join();
    const old = batch.before.offsets[row] === batch.before.offsets[row + 1] ? undefined : keyOf(batch.before);
    if (batch.ops[row] === Op.delete) {
      table.delete(old as string);
      continue;
    }
    const key = keyOf(batch.after);
    const known = table.get(old ?? key);
    if (old !== undefined) table.delete(old);
    table.set(key, Object.fromEntries(target.columns.map((column, i) => {
      const value = text(batch, batch.after, row, i);
      if (value === undefined) assert.ok(known, `an unchanged value of ${column.name} for a row that is not there`);
      return [column.name, value === undefined ? (known as Target)[column.name] as string | null : value];
    })));
  }
}

const step = fc.record({ kind: fc.constantFrom('insert', 'update', 'move', 'delete'), id: fc.nat(5), to: fc.nat(5), a: fc.option(fc.nat(10)), s: fc.option(fc.constantFrom('x', 'y', '')), keep: fc.boolean() });

test('what arrives at the target is the rules applied to the final rows', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(cases.length - 1), fc.boolean(), fc.array(step, { maxLength: 40 }), fc.nat(6), async (which, full, steps, cut) => {
    const { rule, naive, selective } = cases[which] as Case;
    const relation = makeRelation('public.t', { id: 'int4', a: 'int4?', s: 'text?' }, ['id'], full ? 'full' : 'default');
    const source = new Map<string, Row>();
    const changes: RowChange[] = [];
    const before = (row: Row): Field[] => (full ? row : [row[0], null, null]);
    for (const { kind, id: number, to: toNumber, a, s, keep } of steps) {
      const [id, to] = [String(number), String(toNumber)];
      const row = source.get(id);
      const values: [string | null, string | null] = [a === null ? null : String(a), s];
      if (kind === 'insert' && !row) {
        source.set(id, [id, ...values]);
        changes.push({ op: 'insert', after: [id, ...values] });
      } else if (row && kind === 'delete') {
        source.delete(id);
        changes.push({ op: 'delete', before: before(row) });
      } else if (row && (kind === 'update' || (kind === 'move' && !source.has(to)))) {
        const newId = kind === 'move' ? to : id;
        // A value that the source does not send can only be told where the row is surely at the target, or under the full identity.
        const unchanged = keep && (full || !selective);
        const after: Row = [newId, values[0], unchanged ? row[2] : values[1]];
        source.delete(id);
        source.set(newId, after);
        changes.push({ op: 'update', after: unchanged ? [newId, values[0], undefined] : after, ...(full || kind === 'move' ? { before: before(row) } : {}) });
      }
    }
    const routes = await compileRoutes(makeSpec([makeRule('public.t', rule)]), 'shop', [relation]);
    assert.deepEqual(routes.problems, []);
    const table = new Map<string, Target>();
    for (const part of [changes.slice(0, cut), changes.slice(cut)]) {
      for (const one of routes.steps(makeRun(makeBatch(relation, part)))) {
        for (const write of one.kind === 'rows' ? one.writes : []) {
          assert.equal(write.rejected, undefined);
          applyTo(table, write);
        }
      }
    }
    const expected = [...source.values()].map(naive).filter((row) => row !== null);
    const sorted = (rows: readonly Target[]): string[] => rows.map((row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();
    assert.deepEqual(sorted([...table.values()]), sorted(expected));
  }), { numRuns: 600 });
});
