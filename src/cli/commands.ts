// The list of commands, in the order of `millrace --help`. Files are loaded only when their command runs: start-up time is felt at every call.
import type { Command } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: 'Start' | 'Run' | 'Repair';
  load(): Promise<{ readonly command: Command }>;
}

const start = (name: string, summary: string, load: CommandEntry['load']): CommandEntry => ({ name, summary, group: 'Start', load });
const run = (name: string, summary: string, load: CommandEntry['load']): CommandEntry => ({ name, summary, group: 'Run', load });
const repair = (name: string, summary: string, load: CommandEntry['load']): CommandEntry => ({ name, summary, group: 'Repair', load });

export const commands: readonly CommandEntry[] = [
  start('demo', 'two throwaway PostgreSQL servers, steady traffic, a live view', () => import('./demo.ts')),
  start('init', 'write a short millrace.yaml', () => import('./init.ts')),
  start('doctor', 'look at both databases and print the SQL that mends what is missing', () => import('./doctor.ts')),
  start('check', 'check the configuration without touching a database', () => import('./check.ts')),
  start('plan', 'show what `up` would do, with the guarantee of every edge', () => import('./plan.ts')),
  start('types', 'write the TypeScript types and the schema file of the sources', () => import('./types.ts')),
  run('up', 'replicate until stopped', () => import('./up.ts')),
  run('status', 'state, rows and lag of every source and replica', () => import('./status.ts')),
  run('tail', 'show the changes of a table as they come', () => import('./tail.ts')),
  run('verify', 'compare source and target at one point', () => import('./verify.ts')),
  run('pause', 'let a replica stop after the transaction it applies', () => import('./pause.ts')),
  run('resume', 'let a paused replica go on', () => import('./resume.ts')),
  repair('resync', 'read tables of a replica again from a new snapshot', () => import('./resync.ts')),
  repair('dead', 'list, show, replay or drop rows that the target refused', () => import('./dead.ts')),
  repair('remove', 'drop the slot and publication that this project made', () => import('./remove.ts')),
];
