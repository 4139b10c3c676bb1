// Millrace inside another program: `run` of the package's door.
import type { Logger } from '../base/index.ts';
import { type LoadOptions, type Project, type ProjectDefinition, resolveDefinition } from './project/index.ts';
import type { Running, RunOptions } from './status.ts';
import { run } from './supervise/run.ts';

export interface LibraryOptions extends RunOptions, LoadOptions {
  /** Where .env, transforms and .millrace/ are; default: the current folder. Only for what defineProject returned. */
  readonly folder?: string;
  /** Default: JSON lines on stderr, as MILLRACE_LOG says. */
  readonly logger?: Logger;
}

/**
 * Runs what `defineProject` returned, or the `project` that `loadProject` read, in this process. Returns as soon as everything is started;
 * call `stop` of the result before the program ends. Throws a ProjectError when the project is wrong, ALREADY_RUNNING when another process
 * runs it. Troubles with servers do not throw: they show in `status()` and are tried again where that may help.
 */
export async function runProject(project: ProjectDefinition | Project, options: LibraryOptions = {}): Promise<Running> {
  const { folder, env, ...rest } = options;
  const where = { ...(folder === undefined ? {} : { folder }), ...(env === undefined ? {} : { env }) };
  const resolved = isResolved(project) ? project : (await resolveDefinition(project, where)).project;
  return run(resolved, rest);
}

const isResolved = (project: ProjectDefinition | Project): project is Project => Array.isArray(project.sources);
