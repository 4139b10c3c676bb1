// Finds the imports of a TypeScript file, as far as this repository writes them: static, type-only, re-exports and dynamic ones.
import { posix } from 'node:path';

export interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Text in comments is not code. Whole-line comments and blocks are enough: that is where this repository has its comments with code in them. */
const withoutComments = (text: string): string => text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '');

const forms = [
  /^(?:import|export)\s+(?:type\s+)?[\w$*{][^;'"()]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^import\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]/g,
];

/** The files that a file imports by a relative path, from the repository's root, each once. Type-only imports count like others. */
export function importsOf(file: SourceFile): string[] {
  const text = withoutComments(file.text);
  const found = forms.flatMap((form) => [...text.matchAll(form)].map((match) => match[1] as string));
  const relative = found.filter((target) => target.startsWith('.'));
  return [...new Set(relative.map((target) => posix.normalize(posix.join(posix.dirname(file.path), target))))];
}

/** The names that a file takes from other files, by the file they come from; `*` stands for all, where it cannot be told. */
export function namesImported(file: SourceFile): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const note = (target: string, names: string): void => {
    if (!target.startsWith('.')) return;
    const path = posix.normalize(posix.join(posix.dirname(file.path), target));
    const known = found.get(path) ?? new Set();
    found.set(path, known);
    for (const name of names.split(',')) known.add(/^\s*(?:type\s+)?([\w$*]+)/.exec(name)?.[1] ?? '');
  };
  const text = withoutComments(file.text);
  for (const [, names = '', target = ''] of text.matchAll(/^(?:import|export)\s+(?:type\s+)?(?:\{([^}]*)\}|[\w$*][^;'"()]*?)\s+from\s*['"]([^'"]+)['"]/gm)) note(target, names || '*');
  const dynamic = /(?:\{([^{}]*)\}\s*=\s*await\s+)?\bimport\(\s*['"]([^'"]+)['"]\s*\)(?:\)?\.(\w+))?/g;
  for (const [, names, target = '', member] of text.matchAll(dynamic)) note(target, names ?? (member === 'then' ? '*' : (member ?? '*')));
  return found;
}

/** Groups of files that import each other in a circle (Tarjan's strongly connected components of more than one file, or one that imports itself). */
export function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const found: string[][] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node) as number);
    stack.push(node);
    onStack.add(node);
    for (const next of graph.get(node) ?? []) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) visit(next);
      if (onStack.has(next)) low.set(node, Math.min(low.get(node) as number, low.get(next) as number));
    }
    if (low.get(node) !== index.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    for (const member of group) onStack.delete(member);
    if (group.length > 1 || graph.get(node)?.includes(node)) found.push(group.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}
