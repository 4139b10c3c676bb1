// Compares two sets of rows in two databases by hashes: first the sums of all, then per bucket, then the rows of buckets that differ.
//
// A row is its PostgreSQL text under fixed settings, hashed by hashtextextended, which gives the same number on every supported version.
// Rows are found again by their key, or, where there is none, by themselves. Buckets are cut by the hash of the key's text, not by its
// order, since collations differ between servers.
import type { PgConnection } from '../../wire/index.ts';

/** A set of rows: SQL expressions over a FROM. Both sides must list the same columns in the same order, with equal text for equal values. */
export interface Side {
  readonly connection: PgConnection;
  /** What stands behind FROM. */
  readonly from: string;
  readonly where?: string;
  readonly columns: readonly string[];
  /** Expressions that identify a row; empty: rows are compared as a multiset. */
  readonly key: readonly string[];
}

/** A key whose rows differ: PostgreSQL's text of its columns, and whether the right side has it. */
export interface RowKey {
  readonly texts: readonly string[];
  readonly atTarget: boolean;
}

export interface Comparison {
  readonly equal: boolean;
  /** Rows on the left side. */
  readonly rows: number;
  /** Keys whose rows differ or are on one side only, at most `keysMax`: a JSON value each, an array for keys of several columns. */
  readonly differing: readonly unknown[];
  /** The same ones, exactly. Empty where rows have no key. */
  readonly keys: readonly RowKey[];
  /** How many differ in all (exact up to the limit on keys, else at least). */
  readonly differences: number;
}

export interface CompareOptions {
  /** Rows that only the right side has do not count. */
  readonly extraIsFine: boolean;
  readonly keysMax: number;
}

const buckets = 1024;
const bucketsAtOnce = 32;

/** Several left sides together make up the right one. */
export async function compare(lefts: readonly Side[], right: Side, options: CompareOptions): Promise<Comparison> {
  const [left, all] = await Promise.all([total(lefts), total([right])]);
  const { count: rows } = left;
  if (rows === all.count && left.sum === all.sum) return { equal: true, rows, differing: [], keys: [], differences: 0 };
  const [leftSums, rightSums] = await Promise.all([sumByBucket(lefts), sumByBucket([right])]);
  const differ = Array.from({ length: buckets }, (_, bucket) => bucket).filter((bucket) => {
    const [a, b] = [leftSums.get(bucket), rightSums.get(bucket)];
    return a?.count !== b?.count || a?.sum !== b?.sum;
  });
  const found: Difference[] = [];
  let differences = 0;
  for (let at = 0; at < differ.length && found.length < options.keysMax; at += bucketsAtOnce) {
    for (const key of await listDifferences(lefts, right, differ.slice(at, at + bucketsAtOnce), options.extraIsFine)) {
      differences += 1;
      if (found.length < options.keysMax) found.push(key);
    }
  }
  const keys = right.key.length === 0 ? [] : found.map(({ texts, atTarget }) => ({ texts: JSON.parse(texts) as string[], atTarget }));
  return { equal: differences === 0, rows, differing: found.map(({ key }) => JSON.parse(key) as unknown), keys, differences };
}

const rowsOf = (side: Side): string => `${side.from} where ${side.where === undefined ? 'true' : `(${side.where})`}`;
const rowText = (side: Side): string => `row(${side.columns.join(', ')})::text`;
const rowHash = (side: Side): string => `pg_catalog.hashtextextended(${rowText(side)}, 0)`;
const keyText = (side: Side): string => (side.key.length === 0 ? rowText(side) : `row(${side.key.join(', ')})::text`);
const bucketOf = (side: Side): string => `(pg_catalog.hashtextextended(${keyText(side)}, 1) & ${buckets - 1})`;

interface Sum {
  readonly count: number;
  readonly sum: bigint;
}

async function total(sides: readonly Side[]): Promise<Sum> {
  const sums = await Promise.all(sides.map(async (side) => {
    const [row] = await side.connection.rows<{ n: string; sum: string }>(`select count(*) as n, coalesce(sum(${rowHash(side)}), 0) as sum from ${rowsOf(side)}`);
    return { count: Number(row?.n), sum: BigInt(row?.sum ?? 0) };
  }));
  return sums.reduce((a, b) => ({ count: a.count + b.count, sum: a.sum + b.sum }));
}

async function sumByBucket(sides: readonly Side[]): Promise<Map<number, Sum>> {
  const sums = new Map<number, Sum>();
  for (const side of sides) {
    const rows = await side.connection.rows<{ bucket: string; n: string; sum: string }>(
      `select ${bucketOf(side)} as bucket, count(*) as n, sum(${rowHash(side)}) as sum from ${rowsOf(side)} group by 1`,
    );
    for (const row of rows) {
      const bucket = Number(row.bucket);
      const before = sums.get(bucket) ?? { count: 0, sum: 0n };
      sums.set(bucket, { count: before.count + Number(row.n), sum: before.sum + BigInt(row.sum) });
    }
  }
  return sums;
}

interface Difference {
  /** JSON. */
  readonly key: string;
  readonly texts: string;
  readonly atTarget: boolean;
}

async function listDifferences(lefts: readonly Side[], right: Side, wanted: readonly number[], extraIsFine: boolean): Promise<Difference[]> {
  const balance = new Map<string, { texts: string; atTarget: boolean; hashes: Map<string, number> }>();
  const count = ({ key, texts, hash }: Listed, by: number): void => {
    let known = balance.get(key);
    if (!known) balance.set(key, (known = { texts, atTarget: false, hashes: new Map() }));
    if (by < 0) known.atTarget = true;
    known.hashes.set(hash, (known.hashes.get(hash) ?? 0) + by);
  };
  for (const side of lefts) for (const row of await list(side, wanted)) count(row, 1);
  for (const row of await list(right, wanted)) count(row, -1);
  return [...balance].flatMap(([key, { texts, atTarget, hashes }]) => {
    const counts = [...hashes.values()];
    return (extraIsFine ? counts.some((n) => n > 0) : counts.some((n) => n !== 0)) ? [{ key, texts, atTarget }] : [];
  });
}

type Listed = Record<'key' | 'texts' | 'hash', string>;

function list(side: Side, wanted: readonly number[]): Promise<Listed[]> {
  const key = side.key.length === 0 ? `pg_catalog.to_jsonb(${rowText(side)})` : side.key.length === 1 ? `pg_catalog.to_jsonb(${side.key[0]})` : `pg_catalog.jsonb_build_array(${side.key.join(', ')})`;
  const texts = `pg_catalog.jsonb_build_array(${side.key.map((each) => `(${each})::text`).join(', ')})`;
  return side.connection.rows(
    `select ${key}::text as key, ${texts}::text as texts, ${rowHash(side)} as hash from ${rowsOf(side)} and ${bucketOf(side)} in (${wanted.join(', ')})`,
  );
}
