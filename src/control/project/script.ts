// Runs the TypeScript files of a project. They import 'millrace' without having it installed: the name leads to this very program.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { asMillraceError } from '../../base/index.ts';
import { type CallSite, siteIn } from './call-site.ts';
import { type Diagnostic, ProjectError, SourceText } from './diagnostic.ts';
import type { Path, Place, Places } from './report.ts';

const publicApi = new URL(import.meta.url.endsWith('.ts') ? '../../index.ts' : '../../index.js', import.meta.url).href;

const tag = 'millrace-project';
let loads = 0;
let hooked = false;

/** Sees to it that the project's files find 'millrace', and are read as modules whatever their package.json says. */
function hook(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'millrace') return { url: publicApi, shortCircuit: true };
      const found = next(specifier, context);
      const parent = context.parentURL ?? '';
      const load = new URLSearchParams(specifier.split('?')[1] ?? parent.split('?')[1] ?? '').get(tag);
      if (load === null || !found.url.startsWith('file:') || !/\.m?ts$/.test(found.url.split('?')[0] ?? '') || found.url.includes('/node_modules/')) return found;
      // What a project's file imports belongs to the same load, so that an edited file is read anew.
      return { ...found, url: `${found.url.split('?')[0]}?${tag}=${load}`, format: 'module-typescript' };
    },
  });
}

/** The default export of a TypeScript file, run anew at every call. Throws a ProjectError when it does not run. */
export async function importDefault(path: string, folder: string): Promise<unknown> {
  hook();
  loads += 1;
  try {
    const module = (await import(`${pathToFileURL(path).href}?${tag}=${loads}`)) as { default?: unknown };
    return module.default;
  } catch (thrown) {
    throw new ProjectError([importProblem(thrown, path, folder)]);
  }
}

function importProblem(thrown: unknown, path: string, folder: string): Diagnostic {
  const error = asMillraceError(thrown);
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  const site = stack.split('\n').map(siteIn).find((each) => each && !each.file.includes('/node_modules/') && (each.file === path || isWithin(each.file, folder)));
  const code = error.code === 'INTERNAL' ? 'CONFIG_SYNTAX' : error.code;
  const message = `${relative(folder, path)} does not run: ${error.message.replace(fileURLToPath(publicApi), 'millrace').split('\n')[0]}`;
  const place = site ? sitePlace(site, folder) : { file: relative(folder, path) };
  return { severity: 'error', code, message, ...place, ...(error.code === 'INTERNAL' ? {} : { hint: error.hint }) };
}

const isWithin = (file: string, folder: string): boolean => !relative(folder, file).startsWith('..');

/** A call's place with its line. */
export function sitePlace(site: CallSite, folder: string): Place {
  const file = relative(folder, site.file);
  try {
    return new SourceText(file, readFileSync(site.file, 'utf8')).placeAt(site.line, site.column);
  } catch {
    return { file, line: site.line, column: site.column };
  }
}

/** Places of values made by code: those of the calls that made them. */
export class ScriptPlaces implements Places {
  readonly file: string;
  readonly #folder: string;
  readonly #sites = new Map<string, CallSite>();

  constructor(file: string, folder: string) {
    this.file = file;
    this.#folder = folder;
  }

  set(path: Path, site: CallSite | undefined): void {
    if (site) this.#sites.set(JSON.stringify(path), site);
  }

  at(path: Path): Place {
    for (let length = path.length; length >= 0; length--) {
      const site = this.#sites.get(JSON.stringify(path.slice(0, length)));
      if (site) return sitePlace(site, this.#folder);
    }
    return { file: this.file };
  }
}
