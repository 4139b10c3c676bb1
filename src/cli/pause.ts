// `millrace pause`: tells the running process.
import { requireRunning } from '../control/index.ts';
import { printLine, type Command } from './command.ts';

export const command: Command = {
  description: 'The process keeps running and keeps receiving; only this replica stands still, until `millrace resume`. A restart of `millrace up` also ends the pause.',
  arguments: [{ name: 'REPLICA', summary: 'name of the replica' }],
  examples: [['millrace pause warehouse', 'before maintenance of the target']],
  async run({ folder, args, stdout }) {
    const [replica = ''] = args;
    await requireRunning(folder).pause(replica);
    printLine(stdout, `${replica} is paused; next: millrace resume ${replica}`);
    return 0;
  },
};
