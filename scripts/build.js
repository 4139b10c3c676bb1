// Compiles src/ to dist/, which is what the published package ships. Runs as `prepare`, so in plain JavaScript.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';

if (existsSync('node_modules/.bin/tsc') && existsSync('src/index.ts')) {
  rmSync('dist', { recursive: true, force: true });
  execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
}
