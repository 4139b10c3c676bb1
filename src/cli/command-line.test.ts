import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import type { Command } from './command.ts';
import { runCommandLine } from './command-line.ts';
import { commands } from './commands.ts';
import { buildProgram, commandName, type Invocation } from './program.ts';
import { cliReference } from './reference.ts';

async function line(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await runCommandLine(argv, { stdout, stderr, env: {}, cwd: '/nowhere', signalFor: () => new AbortController().signal });
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
}

/** Parses only. */
async function parse(name: string, loaded: Command, argv: readonly string[]): Promise<Invocation> {
  let invocation: Invocation | undefined;
  const program = buildProgram({ version: '0', stdout: new PassThrough(), stderr: new PassThrough(), name, loaded, onInvoke: (it) => (invocation = it) });
  await program.parseAsync([...argv], { from: 'user' });
  assert.ok(invocation, argv.join(' '));
  return invocation;
}

test('help lists every command with its summary; no arguments mean help', async () => {
  const { code, out } = await line('--help');
  assert.equal(code, 0);
  for (const { name, summary } of commands) assert.ok(new RegExp(`^  ${name} +${summary.slice(0, 30).replace(/[`(]/g, '.')}`, 'm').test(out), `${name}\n${out}`);
  assert.equal((await line()).out, out);
  assert.match((await line('--version')).out, /^\d+\.\d+\.\d+\n$/);
});

test('what does not exist is a usage error with the nearest name, on stderr, exit code 2, and no stack', async () => {
  const unknown = await line('vrify');
  assert.deepEqual(unknown, { code: 2, out: '', err: 'error[USAGE]: unknown command "vrify"\n  next: did you mean `millrace verify`?\n' });
  const far = await line('frobnicate');
  assert.match(far.err, /next: see `millrace --help`/);
  const option = await line('status', '--jsn');
  assert.equal(option.code, 2);
  assert.equal(option.err, "error[USAGE]: unknown option '--jsn'\n  next: did you mean --json?\n");
  assert.equal((await line('up', '--until', 'tomorrow')).code, 2);
  assert.match((await line('pause')).err, /^error\[USAGE\]: missing required argument 'REPLICA'\n {2}next: millrace pause --help\n$/);
  assert.equal((await line('pause', 'a', 'b')).code, 2);
});

test('errors of a command are printed by their code, with the next step', async () => {
  const { code, out, err } = await line('pause', 'warehouse', '--project', '/nowhere');
  assert.deepEqual([code, out], [2, '']);
  assert.match(err, /^error\[NOT_RUNNING\]: no process runs this project\n {2}at \/nowhere\/.millrace\/run.json\n {2}next: start it with `millrace up`\n$/);
});

test('--project stands before or after the command', async () => {
  assert.equal(commandName(['--project', 'up', 'status']), 'status');
  assert.equal(commandName(['--project=x', 'up']), 'up');
  assert.equal(commandName(['--help']), undefined);
  const { command } = await import('./up.ts');
  for (const argv of [['--project', 'x', 'up'], ['up', '--project', 'x'], ['up', '--project=x']]) assert.equal((await parse('up', command, argv)).project, 'x');
  const { options, args } = await parse('up', command, ['up', '--only', 'a', 'b', '--no-ddl']);
  assert.deepEqual([options['only'], options['ddl'], args], [['a', 'b'], false, []]);
  assert.equal((await parse('up', command, ['up'])).options['ddl'], true);
});

describe('every command', () => {
  for (const { name, load } of commands) {
    test(`${name}: help names its parts, and its examples parse`, async () => {
      const { command } = await load();
      const help = await line(name, '--help');
      assert.equal(help.code, 0);
      for (const option of command.options ?? []) assert.ok(help.out.includes(option.flags), option.flags);
      assert.ok(command.examples.length > 0);
      for (const [example] of command.examples) {
        assert.ok(help.out.includes(example), example);
        const words = (example.split(/ [>|] /)[0] ?? '').split(' '); // the rest is the shell's
        assert.deepEqual(words.slice(0, 2), ['millrace', name], example);
        await parse(name, command, words.slice(1));
      }
      if (command.options?.some((option) => option.flags === '--json')) assert.ok(command.json, 'the shape of --json is described');
    });
  }

  test('the reference page has them all', async () => {
    const page = await cliReference();
    for (const { name } of commands) assert.ok(page.includes(`\n## millrace ${name}\n`), name);
  });
});
