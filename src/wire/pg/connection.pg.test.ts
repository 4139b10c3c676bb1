import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MillraceError } from '../../base/index.ts';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { parsePgUrl, PgConnection, PgError } from '../index.ts';

let cluster: Cluster;
let connection: PgConnection;

before(async () => {
  cluster = await startCluster({ hba: ['host all scram 127.0.0.1/32 scram-sha-256', 'host all md5user 127.0.0.1/32 md5', 'host all plain 127.0.0.1/32 password'] });
  connection = await PgConnection.connect(parsePgUrl(cluster.url()));
});
after(async () => {
  await connection.close();
  await cluster.remove();
});

test('answers come back in the order of the calls, also around an error', async () => {
  const calls = [connection.rows('select 1 as a'), connection.query('select 1/0'), connection.rows('select $1::int + 1 as a', ['41'])];
  const [first, second, third] = await Promise.allSettled(calls);
  assert.deepEqual(first, { status: 'fulfilled', value: [{ a: '1' }] });
  assert.ok(second?.status === 'rejected' && second.reason instanceof PgError && second.reason.code === '22012');
  assert.deepEqual(third, { status: 'fulfilled', value: [{ a: '42' }] });
});

test('a transaction block that failed says ROLLBACK to COMMIT', async () => {
  const calls = [connection.query('begin'), connection.query('select 1/0'), connection.query('select 1'), connection.query('commit')];
  const outcomes = await Promise.allSettled(calls);
  assert.deepEqual(outcomes.map((outcome) => outcome.status), ['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  assert.equal((outcomes[3] as PromiseFulfilledResult<readonly { tag: string }[]>).value[0]?.tag, 'ROLLBACK');
});

test('statements without a Sync of their own are answered together, and fail together behind an error', async () => {
  const run = (name: string, sql: string, sync = false): Promise<unknown> => connection.execute(name, sql, [], { binary: false, sync }).then((result) => result.rows[0]?.[0]?.toString() ?? result.tag);
  assert.deepEqual(await Promise.all([run('b', 'begin'), run('one', 'select 1'), run('c', 'commit')]), ['BEGIN', '1', 'COMMIT']);
  // Nothing else is sent: the end of the turn asks for the answer.
  assert.equal(await run('two', 'select 2'), '2');
  const outcomes = await Promise.allSettled([run('b', 'begin'), run('bad', 'select 1/0'), run('new', 'select 3'), run('c', 'commit', true)]);
  assert.deepEqual(outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as PgError).code : outcome.value)), ['BEGIN', '22012', '25P02', '25P02']);
  await connection.query('rollback');
  assert.equal(await run('new', 'select 3'), '3');
  // What another protocol message follows has its Sync before that.
  const mixed = await Promise.allSettled([run('b', 'begin'), run('bad', 'select 1/0'), connection.query('commit'), run('one', 'select 1')]);
  assert.deepEqual(mixed.map((outcome) => outcome.status), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
});

test('COPY in both directions, small and large rows, and a COPY that is refused', async () => {
  await connection.query('create temp table t (a text)');
  const big = Buffer.from(`${'x'.repeat(3_000_000)}\n`);
  assert.equal(await connection.copyIn('copy t from stdin', [Buffer.from('a\nb\n'), big]), 3);
  const chunks: Buffer[] = [];
  for await (const chunk of connection.copyOut('copy t to stdout')) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), `a\nb\n${big.toString()}`);
  await assert.rejects(connection.copyIn('copy missing from stdin', [Buffer.from('a\n')]), { code: '42P01' });
  assert.deepEqual(await connection.rows('select count(*) from t'), [{ count: '3' }]);
});

test('a named statement is parsed once and survives a failure', async () => {
  const int = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const run = (value: number): Promise<{ rows: readonly (readonly (Buffer | null)[])[] }> =>
    connection.execute('div', 'select 10 / $1', [int(value)], { binary: true, types: [23] });
  assert.equal((await run(5)).rows[0]?.[0]?.toString(), '2');
  await assert.rejects(run(0), { code: '22012' });
  assert.equal((await run(2)).rows[0]?.[0]?.toString(), '5');
});

test('passwords: SCRAM, md5, clear text; a wrong one says so', async () => {
  await connection.query("set password_encryption = 'scram-sha-256'; create role scram login password 'geheim'; create role plain login password 'p@ss'");
  await connection.query("set password_encryption = 'md5'; create role md5user login password 'old'");
  for (const [user, password] of [['scram', 'geheim'], ['md5user', 'old'], ['plain', 'p%40ss']]) {
    const other = await PgConnection.connect(parsePgUrl(`postgres://${user}:${password}@127.0.0.1:${cluster.port}/postgres`));
    assert.deepEqual(await other.rows('select current_user::text as u'), [{ u: user }]);
    await other.close();
  }
  await assert.rejects(
    PgConnection.connect(parsePgUrl(`postgres://scram:wrong@127.0.0.1:${cluster.port}/postgres`)),
    (error: MillraceError) => error.code === 'AUTH_FAILED' && !JSON.stringify(error).includes('wrong'),
  );
  await assert.rejects(PgConnection.connect(parsePgUrl(`postgres://scram@127.0.0.1:${cluster.port}/postgres`)), { code: 'AUTH_FAILED' });
});

test('a terminated session rejects what is outstanding', async () => {
  const other = await PgConnection.connect(parsePgUrl(cluster.url()));
  const waiting = other.query('select pg_sleep(60)');
  await connection.rows('select pg_terminate_backend($1::int)', [String(other.pid)]);
  await assert.rejects(waiting);
  await assert.rejects(other.query('select 1'), { code: 'CONNECTION_LOST' });
  await assert.rejects(PgConnection.connect(parsePgUrl('postgres://a@127.0.0.1:1/b')), { code: 'CONNECT_FAILED' });
});
