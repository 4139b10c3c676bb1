// pgbench drives the source while it replicates: TPC-B, and a script of our own with deletes and key changes. verify is equal at the end, and while it runs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, Scenario, until } from '../support/scenario.ts';

// Each client has rows of its own, so that none is refused a key.
const script = `
\\set a random(1, 400) + :client_id * 1000
\\set b random(1, 400) + :client_id * 1000
\\set n random(1, 100000) * 10 + :client_id
\\set what random(1, 10)
\\if :what <= 3
insert into moving values (:a, 'tag' || pg_current_xact_id(), repeat('x', :n % 5000), now()) on conflict (id) do update set tag = excluded.tag;
\\elif :what <= 5
delete from moving where id = :a;
\\elif :what <= 7
update moving set id = :b where id = :a and not exists (select from moving where id = :b);
\\elif :what = 8
begin;
update moving set id = -:n where id = :a and not exists (select from moving where id = -:n);
update moving set tag = 'through ' || pg_current_xact_id() where id = -:n;
delete from moving where id = -:n and :n % 2 = 0;
commit;
\\else
begin;
savepoint s;
update moving set big = repeat('y', 3000), at = now() where id = :a;
rollback to s;
insert into parts values (:a, :b, :n) on conflict (a, b) do update set n = parts.n + 1;
delete from parts where a = :b and b = :a;
update moving set at = now() where id = :b;
commit;
\\endif
`;

const yaml = `millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
    tables: [public.*]
    appendOnly: [public.pgbench_history]
replicas:
  warehouse:
    from: shop
    postgres: \${WAREHOUSE_URL}
`;

/** Runs pgbench; its connections are made by the environment, not by arguments. */
function pgbench(url: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const { hostname, port, pathname } = new URL(url);
  const child = spawn('pgbench', [...args], {
    stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PGHOST: hostname, PGPORT: port, PGUSER: 'postgres', PGDATABASE: pathname.slice(1), PGSSLMODE: 'disable' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => child.once('error', reject).once('close', (code) => resolve({ code, output })));
}

for (const version of [18, 15] as const) {
  test(`pgbench on PostgreSQL ${version}: equal while it runs and at the end`, async () => {
    const scenario = await Scenario.start({ source: { version }, target: { version } });
    try {
      await scenario.fresh(yaml);
      const file = join(scenario.folder, 'moving.sql');
      writeFileSync(file, script);
      await scenario.db.query(`create table moving (id int primary key, tag text unique, big text, at timestamptz); alter table moving alter big set storage external;
        create table parts (a int, b int, n bigint, primary key (a, b))`);
      const init = await pgbench(scenario.sourceUrl, ['-i', '-q', '-s', '1']);
      assert.equal(init.code, 0, init.output);
      const up = scenario.millrace(['up']);
      try {
        const traffic = Promise.all([pgbench(scenario.sourceUrl, ['-n', '-c', '4', '-T', '8']), pgbench(scenario.sourceUrl, ['-n', '-c', '2', '-T', '8', '--max-tries=20', '-f', file])]);
        await until(async () => (await scenario.copy.rows(`select to_regclass('millrace.tables')::text as t`))[0]?.['t'] !== null, 30_000);
        await until(async () => (await scenario.copy.rows<{ n: string }>(`select count(*) as n from millrace.tables where state = 'done'`))[0]?.n === '6', 30_000);
        const during = await scenario.millrace(['verify', '--json']).outcome;
        assert.equal(during.code, 0, `${during.stdout.slice(0, 2000)}${during.stderr.slice(0, 2000)}`);
        for (const { code, output } of await traffic) assert.equal(code, 0, output);
        // Whatever the last moment looked like: the sums of the branches and the history agree at the target at any time.
        const watcher = await connect(scenario.targetUrl);
        const [sums] = await watcher.rows<{ same: string }>('select ((select coalesce(sum(delta), 0) from pgbench_history) = (select sum(bbalance) from pgbench_branches))::text as same');
        assert.equal(sums?.same, 'true');
        await watcher.close();
        const verified = await scenario.millrace(['verify', '--json']).outcome;
        assert.equal(verified.code, 0, `${verified.stdout.slice(0, 2000)}${verified.stderr.slice(0, 2000)}`);
        const report = JSON.parse(verified.stdout) as { equal: boolean; tables: Record<string, { rows: number }> };
        assert.equal(report.equal, true);
        assert.ok((report.tables['public.pgbench_history']?.rows ?? 0) > 500);
      } finally {
        up.child.kill('SIGTERM');
      }
      const ended = await up.outcome;
      assert.equal(ended.code, 0, ended.stderr.slice(-2000));
      assert.equal((await scenario.copy.rows('select 1 as one from millrace.dead_letters')).length, 0);
      assert.equal((await scenario.millrace(['up', '--until', 'caught-up']).outcome).code, 0);
      assert.equal((await scenario.verify()).equal, true);
    } finally {
      await scenario.remove();
    }
  });
}
