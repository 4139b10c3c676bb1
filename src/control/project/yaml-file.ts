// millrace.yaml as values with places.
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type Range, visit, type YAMLError } from 'yaml';
import { hasLiteralPassword, SourceText } from './diagnostic.ts';
import { type Path, type Place, type Places, Report } from './report.ts';
import { type Env, interpolate } from './variables.ts';

export interface YamlFile {
  /** Variables filled in. Undefined when the text is not YAML. */
  readonly value: unknown;
  readonly report: Report;
}

/** Reads the text of a project's file; syntax errors, missing variables and literal passwords are in the report. */
export function readYaml(file: string, text: string, env: Env, folder: string): YamlFile {
  const source = new SourceText(file, text);
  const document = parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: false, version: '1.2', uniqueKeys: true, logLevel: 'error' });
  const places = new YamlPlaces(source, document.contents);
  const report = new Report(places);
  const variables = variablesInFlow(source);
  for (const error of document.errors) {
    // One stray brace makes a dozen errors; those behind it on the same line and beyond say nothing new.
    const earlier = variables.find((variable) => variable.start < error.pos[0]);
    if (earlier) continue;
    report.add({ severity: 'error', code: 'CONFIG_SYNTAX', ...syntaxProblem(error, source, document) });
    if (error.code !== 'DUPLICATE_KEY') break;
  }
  for (const variable of document.errors.some((error) => error.code !== 'DUPLICATE_KEY') ? variables : []) {
    report.add({
      severity: 'error', code: 'CONFIG_SYNTAX', message: `${variable.name} stands in a flow mapping or list without quotes, where YAML reads its braces as its own`,
      ...source.place(variable.start, variable.end), hint: `write "${variable.name}" in double quotes, or one key a line`,
    });
  }
  if (report.failed && document.errors.some((error) => error.code !== 'DUPLICATE_KEY')) return { value: undefined, report };
  visit(document, {
    Scalar(key, node, ancestors) {
      if (typeof node.value !== 'string' || key === 'key' || !node.value.includes('$')) return;
      fillIn(node as { value: string }, pathOf([...ancestors, node]), report, env, folder);
    },
  });
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || !node.range || !hasLiteralPassword(text.slice(node.range[0], node.range[1]))) return;
      report.add({
        severity: 'warning', code: 'CONFIG_INVALID', message: 'a password stands in the file', ...source.place(node.range[0], node.range[1]),
        hint: 'put the URL into .env or the environment and write ${NAME} here',
      });
    },
  });
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) as unknown, report };
  } catch (error) {
    report.add({ severity: 'error', code: 'CONFIG_SYNTAX', message: lower(error instanceof Error ? error.message : String(error)), ...source.place(0) });
    return { value: undefined, report };
  }
}

function fillIn(node: { value: string }, path: Path, report: Report, env: Env, folder: string): void {
  const { text, problems } = interpolate(node.value, env, folder);
  for (const problem of problems) report.error(path, problem.message, { code: 'CONFIG_VARIABLE', hint: problem.hint });
  if (problems.length > 0) report.markUnknown(path);
  report.noteTemplate(path, node.value);
  node.value = text;
}

/** The keys and indexes that lead to the last of `nodes`. */
function pathOf(nodes: readonly unknown[]): Path {
  const path: (string | number)[] = [];
  nodes.forEach((node, i) => {
    const next = nodes[i + 1];
    if (isSeq(node)) path.push(node.items.indexOf(next));
    else if (isMap(node)) path.push(keyText((next as Pair).key));
  });
  return path;
}

const keyText = (key: unknown): string => (isScalar(key) ? String(key.value) : String(key));

function syntaxProblem(error: YAMLError, source: SourceText, document: Document.Parsed): { message: string; hint?: string } & Place {
  const place = source.place(error.pos[0], error.pos[1]);
  if (error.code === 'DUPLICATE_KEY') {
    const name = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^:\s]+))/.exec(source.text.slice(error.pos[0]));
    const key = name?.[1] ?? name?.[2] ?? name?.[3] ?? '';
    return { message: `"${key}" stands here a second time`, ...place, length: Math.max(1, name?.[0].length ?? 1), hint: 'names and keys are unique within their block' };
  }
  const quote = /^Missing closing (["'])quote/.exec(error.message)?.[1];
  if (quote !== undefined) return { message: `not valid YAML: this ${quote} has no closing one`, ...source.place(openQuote(document, error.pos[0]) ?? error.pos[0]) };
  return { message: `not valid YAML: ${lower(error.message)}`, ...place };
}

/** Where the quoted text begins that goes on to `end`: YAML notices only there that it does not close. */
function openQuote(document: Document.Parsed, end: number): number | undefined {
  let start: number | undefined;
  visit(document, {
    Scalar(_, node) {
      if ((node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE') && node.range && node.range[0] <= end && node.range[1] >= end) start = node.range[0];
    },
  });
  return start;
}

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** Variables that stand unquoted within braces or brackets: `{ postgres: ${URL} }`. */
function variablesInFlow(source: SourceText): { name: string; start: number; end: number }[] {
  const found: { name: string; start: number; end: number }[] = [];
  let depth = 0;
  let quote = '';
  for (let at = 0; at < source.text.length; at++) {
    const c = source.text[at] as string;
    const before = source.text[at - 1] ?? '\n';
    if (c === '\n' && quote === '#') quote = '';
    else if (quote !== '') {
      if (c === '\\' && quote === '"') at += 1;
      else if (c === quote) quote = '';
    } else if (c === '#' && /\s/.test(before)) quote = '#';
    else if ((c === '"' || c === "'") && /[\s[{,:]/.test(before)) quote = c;
    else if (c === '$' && source.text[at + 1] === '{') {
      const end = source.text.indexOf('}', at);
      if (end < 0) return found;
      if (depth > 0) found.push({ name: source.text.slice(at, end + 1), start: at, end: end + 1 });
      at = end;
    } else if ((c === '{' || c === '[') && (depth > 0 || /[\s:-]/.test(before))) depth += 1;
    else if ((c === '}' || c === ']') && depth > 0) depth -= 1;
  }
  return found;
}

class YamlPlaces implements Places {
  readonly #source: SourceText;
  readonly #root: unknown;

  constructor(source: SourceText, root: unknown) {
    this.#source = source;
    this.#root = root;
  }

  get file(): string {
    return this.#source.file;
  }

  at(path: Path, what: 'key' | 'value'): Place {
    let node: unknown = this.#root;
    let best: Range | null | undefined = isNode(node) ? node.range : undefined;
    for (const [i, step] of path.entries()) {
      const last = i === path.length - 1;
      if (isAlias(node)) node = node.resolve(this.#root as never);
      if (isMap(node)) {
        const pair: Pair | undefined = node.items.find((each) => keyText(each.key) === String(step));
        if (!pair) break;
        const key = isNode(pair.key) ? pair.key.range : undefined;
        node = pair.value;
        const value = isNode(node) && !(isScalar(node) && node.source === '') ? node.range : undefined;
        // A block is shown by the key in front of it: its own range begins in the middle of its first line.
        best = last && what === 'value' && isScalarOrFlow(node) ? (value ?? key) : (key ?? value);
      } else if (isSeq(node)) {
        node = node.items[Number(step)];
        if (!isNode(node)) break;
        best = node.range;
      } else break;
    }
    return this.#source.place(best?.[0] ?? 0, best?.[1] ?? 1);
  }
}

const isScalarOrFlow = (node: unknown): node is Node => isScalar(node) || isAlias(node) || ((isMap(node) || isSeq(node)) && node.flow === true);
