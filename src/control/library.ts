// Millrace inside another program: `run` of the package's door.
import type { Logger } from '../base/index.ts';
import type { ProjectDefinition } from './project/api.ts';
import { type LoadOptions, resolveDefinition } from './project/load.ts';
import type { Project } from './project/project.ts';
import type { Running, RunOptions } from './status.ts';
import { run } from './supervise/run.ts';

export interface LibraryOptions extends RunOptions, LoadOptions {
  /** Where .env, transforms and .millrace/ are; default: the current folder. Only for what defineProject returned. */
  readonly folder?: string;
  /** Default: JSON lines on stderr, as MILLRACE_LOG says. */
  readonly logger?: Logger;
}

/** See actions.ts. */
export async function runProject(project: ProjectDefinition | Project, options: LibraryOptions = {}): Promise<Running> {
  const { folder, env, ...rest } = options;
  const where = { ...(folder === undefined ? {} : { folder }), ...(env === undefined ? {} : { env }) };
  const resolved = isResolved(project) ? project : (await resolveDefinition(project, where)).project;
  return run(resolved, rest);
}

const isResolved = (project: ProjectDefinition | Project): project is Project => Array.isArray(project.sources);
