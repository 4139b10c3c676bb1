// Benchmarks: `npm run bench -- [CASE…] [--quick] [--json] [--save NAME]`. Everything is a ratio against a baseline in the same run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { installPrograms } from '../scripts/install-programs.ts';
import type { BenchOptions, Figure, Report } from './report.ts';
import { figureLine } from './report.ts';

const cases: Readonly<Record<string, () => Promise<{ run(options: BenchOptions, report: Report): Promise<void> }>>> = {
  sink: () => import('./cases/sink.ts'),
  capture: () => import('./cases/capture.ts'),
  catchup: () => import('./cases/catchup.ts'),
  snapshot: () => import('./cases/snapshot.ts'),
  latency: () => import('./cases/latency.ts'),
  verify: () => import('./cases/verify.ts'),
  tables: () => import('./cases/tables.ts'),
  idle: () => import('./cases/idle.ts'),
  memory: () => import('./cases/memory.ts'),
  envelopes: () => import('./cases/envelopes.ts'),
};

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, save: { type: 'string' } }, allowPositionals: true,
});
const chosen = positionals.length === 0 ? Object.keys(cases) : positionals;
for (const name of chosen) {
  if (cases[name]) continue;
  console.error(`error: there is no case "${name}"\n  next: choose from ${Object.keys(cases).join(', ')}`);
  process.exit(2);
}
installPrograms();
const figures: Figure[] = [];
for (const name of chosen) {
  const { run } = await (cases[name] as NonNullable<(typeof cases)[string]>)();
  await run({ quick: values.quick }, (figure) => {
    const whole = { case: name, ...figure };
    figures.push(whole);
    console.log(values.json ? JSON.stringify({ ...whole, baseline: whole.baseline ?? null, ratio: whole.ratio ?? null, reach: whole.reach ?? null, holds: whole.holds ?? null }) : figureLine(whole));
  });
}
if (values.save !== undefined) {
  mkdirSync('bench/results', { recursive: true });
  const machine = { date: new Date().toISOString(), node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, quick: values.quick };
  writeFileSync(`bench/results/${values.save}.json`, `${JSON.stringify({ machine, figures }, null, 2)}\n`);
}
process.exit(figures.some((figure) => figure.holds === false) ? 1 : 0);
