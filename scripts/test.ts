// Runs the tests: `npm test` those that npm packages are enough for, `npm run test:all` also *.all.test.ts, which need other programs.
// Arguments that are no options narrow it down to files whose path contains one of them.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { installPrograms } from './install-programs.ts';

const { values, positionals } = parseArgs({ options: { all: { type: 'boolean', default: false } }, allowPositionals: true });
const narrowed = (file: string): boolean => positionals.length === 0 || positionals.some((part) => file.includes(part));
const everything = globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'], { exclude: ['**/node_modules/**'] }).sort();
const needPrograms = everything.filter((file) => file.endsWith('.all.test.ts'));
const files = (values.all ? needPrograms : everything.filter((file) => !needPrograms.includes(file))).filter(narrowed);
if (files.length === 0) {
  console.error('no test file matches');
  process.exit(2);
}
if (values.all) installPrograms();
const outcome = spawnSync(process.execPath, ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files], {
  stdio: 'inherit', env: { ...process.env, MILLRACE_LOG: process.env['MILLRACE_LOG'] ?? 'silent' },
});
process.exit(outcome.status ?? 1);
