// The file that `millrace init` writes.
import { SCHEMA_URL } from './reference.ts';

/** The text of a first millrace.yaml, and the lines of .env that hold its URLs. */
export function projectTemplate(answers: { readonly source: string; readonly target: string; readonly tables: readonly string[] }): { yaml: string; env: string[] } {
  const source = databaseName(answers.source, 'source');
  const target = databaseName(answers.target, 'warehouse');
  const replica = target === source ? `${target}_copy` : target;
  const variable = (name: string): string => `${name.toUpperCase()}_URL`;
  const yaml = `# yaml-language-server: $schema=${SCHEMA_URL}
millrace: 1

sources:
  ${source}:
    postgres: \${${variable(source)}}    # its value stands in .env
    tables: [${answers.tables.map((pattern) => JSON.stringify(pattern)).join(', ')}]    # "!public.audit" leaves a table out

replicas:
  ${replica}:
    from: ${source}
    postgres: \${${variable(replica)}}
    # names: snake_case    # ActorId -> actor_id
    # tables:
    #   ${source}.public.*: copy.*    # into another schema
    #   ${source}.public.customers:
    #     to: copy.customers
    #     mask: { email: hash }
`;
  return { yaml, env: [`${variable(source)}=${quoted(answers.source)}`, `${variable(replica)}=${quoted(answers.target)}`] };
}

/** A name for a database made from its URL. */
function databaseName(url: string, otherwise: string): string {
  let path = '';
  try {
    path = decodeURIComponent(new URL(url).pathname.slice(1));
  } catch {
    // Not a URL: the caller refuses it.
  }
  const name = path.toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').replace(/^(\d)/, '_$1');
  return name || otherwise;
}

/** A value as .env needs it. */
const quoted = (value: string): string => (/^[^\s#'"\\]+$/.test(value) ? value : value.includes("'") ? `"${value.replace(/[\\"]/g, '\\$&')}"` : `'${value}'`);
