// Runs the examples against real servers, as their README says it, and looks at what is in the target afterwards.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { type Cluster, startCluster } from '../src/cli/demo/cluster.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const command = here('../bin/millrace.js');

describe('the examples', { concurrency: false }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster.remove());

  /** An example in a copy of its folder, with databases of its own on one server. */
  class Example implements AsyncDisposable {
    readonly folder = mkdtempSync(join(tmpdir(), 'millrace-example-'));
    readonly #name: string;
    readonly #clients: pg.Client[] = [];

    constructor(name: string) {
      this.#name = name;
      cpSync(here(name), this.folder, { recursive: true });
    }

    get env(): NodeJS.ProcessEnv {
      return { ...process.env, SHOP_URL: cluster.url(`${this.#name}_shop`), WAREHOUSE_URL: cluster.url(`${this.#name}_warehouse`), MILLRACE_LOG: 'warn' };
    }

    async connect(database?: string): Promise<pg.Client> {
      const client = new pg.Client({ connectionString: cluster.url(database && `${this.#name}_${database}`) });
      await client.connect();
      this.#clients.push(client);
      return client;
    }

    async prepare(): Promise<{ shop: pg.Client; warehouse: pg.Client }> {
      const admin = await this.connect();
      for (const database of ['shop', 'warehouse']) await admin.query(`create database ${this.#name}_${database}`);
      const [shop, warehouse] = [await this.connect('shop'), await this.connect('warehouse')];
      await shop.query(readFileSync(here('shop.sql'), 'utf8'));
      return { shop, warehouse };
    }

    /** Runs a Node program and returns what it prints; fails unless it exits with 0. */
    async node(...args: string[]): Promise<string> {
      const child = spawn(process.execPath, args, { cwd: this.folder, env: { ...this.env, PROJECT_FOLDER: this.folder }, stdio: ['ignore', 'pipe', 'pipe'] });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      assert.equal(code, 0, `${args.join(' ')}\n${stdout}${stderr}`);
      return stdout;
    }

    millrace(...args: string[]): Promise<string> {
      return this.node(command, '--project', this.folder, ...args);
    }

    async [Symbol.asyncDispose](): Promise<void> {
      await this.#clients[0]?.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots');
      for (const client of this.#clients) await client.end();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  const changes = readFileSync(here('changes.sql'), 'utf8');
  const rows = async (client: pg.Client, sql: string): Promise<unknown[][]> => (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;

  test('rules', async () => {
    await using example = new Example('rules');
    const { shop, warehouse } = await example.prepare();
    await example.millrace('types');
    assert.match(await example.millrace('check'), /^ok/);
    await example.millrace('up', '--until', 'caught-up');
    await shop.query(changes);
    await example.millrace('up', '--until', 'caught-up');
    await example.millrace('verify');

    assert.deepEqual(await rows(warehouse, 'select id::int, full_name, region, email = encode(sha256(convert_to($$grace@example.com$$, $$utf8$$)), $$hex$$) from sales.customers order by id'), [
      [1, 'Ada', 'eu', false], [2, 'Grace', 'eu', true], [4, 'Barbara', 'eu', false], [30, 'Alan', 'eu', false],
    ]);
    assert.deepEqual(await rows(warehouse, "select column_name::text from information_schema.columns where table_name = 'customers' order by ordinal_position"),
      [['id'], ['full_name'], ['email'], ['region']]);
    assert.deepEqual(await rows(warehouse, 'select id::int, status::text, total::float8 from sales.orders order by id'), [[2, 'placed', 5], [4, 'placed', 75]]);
    assert.deepEqual(await rows(warehouse, 'select id::int, status::text, _deleted_at is not null, _op, _source from sales.order_history order by id'), [
      [1, 'paid', true, 'delete', 'shop'], [2, 'placed', false, 'update', 'shop'], [3, 'draft', false, 'update', 'shop'], [4, 'placed', false, 'insert', 'shop'],
    ]);
    assert.deepEqual(await rows(warehouse, 'select order_id::int, line_no, product, quantity from sales.order_lines order by 1, 2'), [[3, 1, 'table', 1], [4, 1, 'lamp', 2]]);
    assert.deepEqual(await rows(warehouse, "select to_regclass('sales.audit')"), [[null]]);
  });

  test('transform', async () => {
    await using example = new Example('transform');
    const { shop, warehouse } = await example.prepare();
    await example.millrace('types', '--check');
    assert.match(await example.millrace('check'), /^ok/);
    await example.millrace('up', '--until', 'caught-up');
    await shop.query(changes);
    await example.millrace('up', '--until', 'caught-up');
    await example.millrace('verify');
    assert.deepEqual(await rows(warehouse, 'select id::int, status::text, total::text, large from sales.orders order by id'), [[2, 'placed', '5.00', false], [4, 'placed', '75.00', false]]);
    assert.deepEqual(await rows(warehouse, 'select id::int, name from sales.customers order by id'), [[1, 'Ada'], [2, 'Grace'], [4, 'Barbara'], [30, 'Alan']]);
    assert.deepEqual(await rows(warehouse, 'select count(*)::int from sales.order_lines'), [[2]]);
  });

  test('library', async () => {
    await using example = new Example('library');
    const { shop, warehouse } = await example.prepare();
    const run = (): Promise<string> => example.node('--import', pathToFileURL(here('from-source.ts')).href, here('library/main.ts'));
    assert.match(await run(), /^warehouse: streaming at [0-9A-F]+\/[0-9A-F]+$/m);
    await shop.query(changes);
    await run();
    const count = 'select (select count(*)::int from customers), (select count(*)::int from orders), (select sum(cents)::int from orders)';
    assert.deepEqual(await rows(warehouse, count), await rows(shop, count));
  });
});
