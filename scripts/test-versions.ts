// Random databases from each version of PostgreSQL to each, 15 to 18: `npm run test:versions`, about ten minutes. 15 and 18 are there after
// `npm ci`; 16 and 17 are installed beside, in test/versions/node_modules.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'test/versions');

const installed = spawnSync('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund'], { stdio: 'inherit', shell: process.platform === 'win32' });
if (installed.status !== 0) {
  console.error('error: the servers of PostgreSQL 16 and 17 could not be installed\n  next: see what npm said; it needs its registry');
  process.exit(2);
}
// NODE_PATH is where packages are looked for that are not in the project's own node_modules.
const tested = spawnSync(process.execPath, [join(folder, 'pairs.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit', env: { ...process.env, NODE_PATH: join(folder, 'node_modules'), MILLRACE_LOG: process.env['MILLRACE_LOG'] ?? 'silent' },
});
process.exit(tested.status ?? 1);
