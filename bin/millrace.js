#!/usr/bin/env node
// The command. It is plain JavaScript so that a Node that is too old gets a sentence instead of a syntax error.
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';

const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(`error: millrace needs Node 24 or newer; this is ${process.versions.node}`);
  console.error('  next: install Node 24 (npm install --save-dev node@24 puts one into a project)');
  process.exit(2);
}
// A background compiler that wants a garbage collection while the process exits waits for the main thread, which waits for it: for ever.
setFlagsFromString('--no-concurrent-sparkplug');
enableCompileCache?.();
// A clone runs its sources (type stripping); the published package holds only the compiled output.
const source = new URL('../src/cli/main.ts', import.meta.url);
await import(existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href);
