// Faults for the soak: what happens to connections, sessions, servers and the process itself, one after the other, by chance.
import type { Random } from '../../src/base/index.ts';
import { commit, committed } from '../support/cuts.ts';
import type { Proxy } from '../support/proxy.ts';
import type { Child, World } from './world.ts';

/** The process that replicates; a fault may put another one in its place. */
export interface Patient {
  readonly world: World;
  readonly random: Random;
  process: Child;
}

/** Brings something about and, where it does not pass by itself, ends it again. */
type Fault = (patient: Patient) => Promise<void>;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Side = 'source' | 'target';
const proxy = ({ world }: Patient, side: Side): Proxy => {
  if (!world.between) throw new Error('a world without proxies');
  return world.between[side];
};

const cut = (side: Side): Fault => async (patient) => proxy(patient, side).cut();

/** Whatever passes first in the next seconds. */
const trapped = (side: Side, trap: Parameters<Proxy['trap']>[0]): Fault => async (patient) => {
  const at = proxy(patient, side);
  const breaks = patient.random.chance(0.5) ? 'cut' : 'client';
  await Promise.race([at.trap({ ...trap, breaks, delivers: patient.random.chance(0.5) }), sleep(5000)]);
  at.disarm();
};

const frozen = (side: Side): Fault => async (patient) => {
  proxy(patient, side).freeze();
  await sleep(patient.random.between(500, 4000));
  proxy(patient, side).thaw();
};

const slow = (side: Side): Fault => async (patient) => {
  proxy(patient, side).bytesPerSec = 200_000;
  await sleep(patient.random.between(1000, 4000));
  proxy(patient, side).bytesPerSec = undefined;
};

const away = (side: Side): Fault => async (patient) => {
  const at = proxy(patient, side);
  at.refuses = true;
  at.cut();
  await sleep(patient.random.between(500, 3000));
  at.refuses = false;
};

const terminated = (side: Side): Fault => ({ world, random }) => world.terminate(side, random.chance(0.5) ? 1 : 0.4);

const killed = (side: Side): Fault => async ({ world, random }) => {
  await (random.chance(0.7) ? world[side].kill9() : world[side].stop());
  await sleep(random.between(0, 2000));
  await world[side].start();
};

const processKilled: Fault = async (patient) => {
  const { world, random } = patient;
  patient.process.child.kill('SIGKILL');
  await patient.process.exited;
  // The disk is lost only while the source still has everything, which is the normal case.
  if (random.chance(0.3)) world.forgetFolder();
  patient.process = world.up();
};

const processStopped: Fault = async (patient) => {
  const begun = performance.now();
  patient.process.child.kill('SIGTERM');
  const { code, signal, stderr } = await patient.process.exited;
  // One that has just been started does not listen to signals yet, and has said nothing.
  if (code !== 0 && stderr !== '') throw new Error(`SIGTERM ended the project with ${code ?? signal}\n${stderr}`);
  if (performance.now() - begun > 12_000) throw new Error(`SIGTERM took ${Math.round(performance.now() - begun)} ms\n${stderr}`);
  patient.process = patient.world.up();
};

/** Those that the process lives through. */
export const outer: Readonly<Record<string, Fault>> = {
  'source cut': cut('source'), 'target cut': cut('target'),
  'stream cut': trapped('source', { toward: 'client', bytes: 20_000, session: 'START_REPLICATION' }),
  'acknowledgement cut': trapped('source', { toward: 'server', pattern: 'd\0\0\0&r' }),
  'rows cut': trapped('target', { toward: 'server', bytes: 5000, session: 'set epoch = epoch + 1' }),
  'COMMIT cut': trapped('target', { toward: 'server', pattern: commit }),
  'answer to COMMIT cut': trapped('target', { toward: 'client', pattern: committed }),
  'source frozen': frozen('source'), 'target frozen': frozen('target'),
  'source slow': slow('source'), 'target slow': slow('target'),
  'source away': away('source'), 'target away': away('target'),
  'source sessions terminated': terminated('source'), 'target sessions terminated': terminated('target'),
  'source killed': killed('source'), 'target killed': killed('target'),
};

/** Those that it does not. */
export const deadly: Readonly<Record<string, Fault>> = { 'process killed': processKilled, 'process stopped': processStopped };
