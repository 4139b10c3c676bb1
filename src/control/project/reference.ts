// What is generated from the schema's declaration: the JSON Schema for editors, and docs/reference/configuration.md.
import { z } from 'zod';
import { projectSchema } from './schema.ts';

/** Where editors find the schema. */
export const SCHEMA_URL = 'https://unpkg.com/millrace/docs/reference/millrace.schema.json';

interface Node {
  type?: string | string[];
  description?: string;
  default?: unknown;
  examples?: unknown[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Node[];
  items?: Node;
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  required?: string[];
}

/** The JSON Schema of millrace.yaml, draft 2020-12. */
export function jsonSchema(): object {
  return { $id: SCHEMA_URL, title: 'millrace.yaml', ...z.toJSONSchema(projectSchema, { io: 'input', unrepresentable: 'any' }) };
}

/** The text of docs/reference/configuration.md. */
export function configurationReference(): string {
  const root = jsonSchema() as Node;
  const lines = [
    '# Configuration', '',
    '<!-- Generated from src/control/project/schema.ts by `npm run docs`; edit it there. -->', '',
    'A project is a folder with a `millrace.yaml`, or with a `millrace.config.ts` that says the same in TypeScript. Every key there is:', '',
    ...section('', root),
    '## Variables', '',
    '`${NAME}`, `${NAME:-default}` and `${file:/path}` stand in any value, not in keys. They are filled in after the YAML is read, from the environment,',
    'from `.env` in the project\'s folder (the environment wins) or from the file (one newline at its end is cut off). `$${` is `${` itself. In a flow mapping',
    '(`{ postgres: "${URL}" }`) and in a flow list they need quotes. In TypeScript, `env(\'NAME\', \'default\')` gives such a text.', '',
    '## Names of tables', '',
    'A table is `schema.table`, in a replica `source.schema.table`; `*` stands for any characters within a part, `!` in front excludes, and exclusions win whatever',
    'their order. A name with dots or capitals stands in double quotes, as in SQL: `\'public."Order.Items"\'` (YAML needs the single quotes around it).', '',
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function section(path: string, node: Node): string[] {
  const lines: string[] = [];
  const deeper: string[] = [];
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    const at = path === '' ? key : `${path}.${key}`;
    const required = node.required?.includes(key) ?? false;
    lines.push(`| \`${key}\` | ${typeText(child)} | ${[required ? 'Required.' : '', sentence(child.description), valuesText(child), defaultText(child), exampleText(child)].filter(Boolean).join(' ')} |`);
    deeper.push(...nested(at, child));
  }
  if (lines.length > 0) lines.unshift(`## ${path === '' ? 'The file' : `\`${path}\``}`, '', '| key | value | |', '|---|---|---|');
  return lines.length > 0 ? [...lines, '', ...deeper] : deeper;
}

/** Sections of what stands within a value: mappings with fixed keys, also as one form of several or as the values of named things. */
function nested(path: string, node: Node): string[] {
  const named = typeof node.additionalProperties === 'object' && valuesText(node) === '' ? nested(`${path}.NAME`, node.additionalProperties) : [];
  if (node.properties) return section(path, node);
  const forms = [...(node.anyOf ?? []), ...(node.items ? [node.items] : [])].flatMap((form) => nested(path, form));
  // A list of rules has the sections of a rule once more.
  const at = forms.findIndex((line, i) => line.startsWith('## ') && forms.indexOf(line) < i);
  return [...named, ...(at < 0 ? forms : forms.slice(0, at))];
}

const sentence = (text: string | undefined): string => (text ?? '').replaceAll('|', '\\|');

/** What the values of a mapping with free names are, when that is said with them. */
const valuesText = (node: Node): string => (typeof node.additionalProperties === 'object' ? sentence(node.additionalProperties.description) : '');

const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``.replaceAll('|', '\\|');

const isEmpty = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

const defaultText = (node: Node): string => (node.default === undefined || isEmpty(node.default) ? '' : `Default: ${code(node.default)}.`);

const exampleText = (node: Node): string => (node.examples?.length ? `Example: ${node.examples.map(code).join(', ')}.` : '');

function typeText(node: Node): string {
  if (node.const !== undefined) return code(node.const);
  if (node.enum) return node.enum.map(code).join(', ');
  if (node.anyOf) return [...new Set(node.anyOf.map(typeText))].join(' or ');
  if (Array.isArray(node.type)) return node.type.map((type) => typeText({ type })).join(' or ');
  if (node.type === 'array') return 'list';
  if (node.type === 'object') return 'mapping';
  return { string: 'text', boolean: 'true or false', number: 'number', integer: 'number', null: '`null`' }[node.type ?? ''] ?? 'any';
}
