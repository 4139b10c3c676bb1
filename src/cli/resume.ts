// `millrace resume`: tells the running process.
import { requireRunning } from '../control/index.ts';
import { printLine, type Command } from './command.ts';

export const command: Command = {
  arguments: [{ name: 'REPLICA', summary: 'name of the replica' }],
  examples: [['millrace resume warehouse', 'it catches up from where it was paused']],
  async run({ folder, args, stdout }) {
    const [replica = ''] = args;
    await requireRunning(folder).resume(replica);
    printLine(stdout, `${replica} goes on`);
    return 0;
  },
};
