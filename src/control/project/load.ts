// Finds, reads and resolves the project of a folder.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MillraceError } from '../../base/index.ts';
import type { Around } from './address.ts';
import type { ProjectDefinition } from './api.ts';
import { type ReadDefinition, readDefinition, readTransforms } from './definition.ts';
import { type Diagnostic, ProjectError, sortDiagnostics } from './diagnostic.ts';
import { SCRIPT_FILE, YAML_FILE } from './files.ts';
import { reportIssues, withoutProblems } from './problems.ts';
import type { Project } from './project.ts';
import type { Report } from './report.ts';
import { resolveProject } from './resolve.ts';
import { type ProjectConfig, projectSchema } from './schema.ts';
import { importDefault } from './script.ts';
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
  return settle(await readProject(folder, options));
}

/** The project that `defineProject` returned, for programs that run Millrace as a library. `folder`: where .env, transforms and .millrace/ are. */
export async function resolveDefinition(definition: ProjectDefinition, options: LoadOptions & { readonly folder?: string } = {}): Promise<LoadedProject> {
  const root = resolve(options.folder ?? '.');
  const around = aroundOf(root, options);
  return settle(await resolveRead(readDefinition(definition, 'defineProject', around.env(), root), around));
}

/** A project as far as it could be read, its file and its problems. */
export interface ReadProject {
  readonly config: ProjectConfig | undefined;
  readonly project: Project | undefined;
  readonly report: Report;
}

/** As loadProject, but problems stay in the report, so that more can be added. A script that does not run still throws a ProjectError. */
export async function readProject(folder: string, options: LoadOptions = {}): Promise<ReadProject> {
  const root = resolve(folder);
  const around = aroundOf(root, options);
  const env = around.env();
  const text = readIfThere(join(root, YAML_FILE));
  const script = join(root, SCRIPT_FILE);
  if (existsSync(script)) {
    if (text !== undefined) throw new MillraceError('CONFIG_INVALID', `both ${YAML_FILE} and ${SCRIPT_FILE} are here`, { where: root, hint: 'keep one of them' });
    return resolveRead(readDefinition(await importDefault(script, root), SCRIPT_FILE, env, root), around);
  }
  if (text === undefined) throw new MillraceError('CONFIG_NOT_FOUND', `there is no ${YAML_FILE} or ${SCRIPT_FILE} here`, { where: root });
  return resolveRead({ ...readYaml(YAML_FILE, text, env, root), rules: new Map() }, around);
}

const aroundOf = (folder: string, { env = process.env }: LoadOptions): Around => ({ folder, env: () => projectEnv(folder, env) });

async function resolveRead({ value, report, rules }: ReadDefinition, around: Around): Promise<ReadProject> {
  const parsed = value === undefined ? undefined : projectSchema.safeParse(value, { reportInput: true });
  if (!parsed?.success) {
    if (parsed) reportIssues(projectSchema, parsed.error.issues, report);
    const rest = parsed && projectSchema.safeParse(withoutProblems(value, parsed.error.issues, report));
    if (rest?.success) resolveProject(rest.data, rules, report, around);
    return { config: undefined, project: undefined, report };
  }
  for (const [name, more] of await readTransforms(parsed.data.replicas, report, around.env(), around.folder)) rules.set(name, [...(rules.get(name) ?? []), ...more]);
  return { config: parsed.data, project: resolveProject(parsed.data, rules, report, around), report };
}

function settle({ project, report }: ReadProject): LoadedProject {
  const diagnostics = sortDiagnostics(report.diagnostics);
  if (report.failed || !project) throw new ProjectError(diagnostics);
  return { project, warnings: diagnostics };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new MillraceError('CONFIG_NOT_FOUND', `${path} cannot be read`, { cause: error, detail: String(error) });
  }
}
