// Finds, reads and resolves the project of a folder.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MillraceError } from '../../base/index.ts';
import { type Diagnostic, ProjectError, sortDiagnostics } from './diagnostic.ts';
import { reportIssues } from './problems.ts';
import type { Project } from './project.ts';
import type { Report } from './report.ts';
import { type CodeRule, resolveProject } from './resolve.ts';
import { projectSchema } from './schema.ts';
import { type Env, projectEnv } from './variables.ts';
import { readYaml } from './yaml-file.ts';

export interface LoadOptions {
  /** Where ${NAME} comes from, over the folder's .env. Default: the environment of this process. */
  readonly env?: Env;
}

export interface LoadedProject {
  readonly project: Project;
  readonly warnings: readonly Diagnostic[];
}

/** Reads millrace.yaml or millrace.config.ts. Throws CONFIG_NOT_FOUND, or a ProjectError (CONFIG_*) that carries every problem. */
export async function loadProject(folder: string, options: LoadOptions = {}): Promise<LoadedProject> {
  const root = resolve(folder);
  const env = projectEnv(root, options.env ?? process.env);
  const text = readIfThere(join(root, 'millrace.yaml'));
  if (text === undefined) throw new MillraceError('CONFIG_NOT_FOUND', 'there is no millrace.yaml or millrace.config.ts here', { where: root });
  const { value, report } = readYaml('millrace.yaml', text, env, root);
  return finish(value, report, new Map(), root);
}

export function finish(value: unknown, report: Report, code: ReadonlyMap<string, readonly CodeRule[]>, folder: string): LoadedProject {
  const project = value === undefined ? undefined : validate(value, report, code, folder);
  const diagnostics = sortDiagnostics(report.diagnostics);
  if (report.failed || !project) throw new ProjectError(diagnostics);
  return { project, warnings: diagnostics };
}

function validate(value: unknown, report: Report, code: ReadonlyMap<string, readonly CodeRule[]>, folder: string): Project | undefined {
  const parsed = projectSchema.safeParse(value, { reportInput: true });
  if (parsed.success) return resolveProject(parsed.data, code, report, folder);
  reportIssues(projectSchema, parsed.error.issues, report);
  return undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new MillraceError('CONFIG_NOT_FOUND', `${path} cannot be read`, { cause: error, detail: String(error) });
  }
}
