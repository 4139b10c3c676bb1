// millrace.d.ts: the tables of the sources as TypeScript types, which make `table(…)` refuse what does not exist.
import { typeCodec } from '../../codec/index.ts';
import type { CatalogTable } from '../../connect/index.ts';
import { baseType, type Column, tableAddress } from '../../data/index.ts';

/** Types of values that a declaration must import. */
const importable = ['CalendarDate', 'Decimal', 'Interval', 'Json', 'JsonNull', 'TimeOfDay', 'Timestamp', 'Unchanged'];

/** The text of millrace.d.ts: one entry a table, by its address with the source in front. */
export function generateTypes(sources: Readonly<Record<string, readonly CatalogTable[]>>): string {
  const entries = Object.entries(sources).flatMap(([source, tables]) => tables.map((table) => tableType(source, table)).toSorted());
  const body = entries.join('\n');
  const imports = importable.filter((name) => new RegExp(`\\b${name}\\b`).test(body.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g, '')));
  return [
    '// Written by `millrace types`; run it again when a table changes.',
    imports.length > 0 ? `import type { ${imports.join(', ')} } from 'millrace';` : "import 'millrace';",
    '',
    "declare module 'millrace' {",
    '  interface Tables {',
    ...(body === '' ? [] : [body]),
    '  }',
    '}',
    '',
  ].join('\n');
}

function tableType(source: string, { relation, toastable }: CatalogTable): string {
  const full = relation.identity === 'full';
  const key = relation.key.map((index) => relation.columns[index]?.name ?? '');
  const columns = relation.columns.map((column) => {
    const unchanged = !full && !key.includes(column.name) && toastable.includes(column.name) && mayBeStoredApart(column);
    const parts = [typeCodec(column.type).jsType, ...(unchanged ? ['Unchanged'] : []), ...(column.notNull ? [] : ['null'])];
    return `        readonly ${property(column.name)}: ${parts.join(' | ')};`;
  });
  return [
    `    ${text(`${source}.${tableAddress(relation)}`)}: {`,
    '      row: {',
    ...columns,
    '      };',
    `      key: ${key.map(text).join(' | ') || 'never'};`,
    `      identity: '${full ? 'full' : 'key'}';`,
    '    };',
  ].join('\n');
}

/** PostgreSQL never stores a value of at most this many bytes out of line (MAXALIGN of a TOAST pointer, heap_toast.c). */
const SMALL_BYTES = 24;

/** Whether a value of the column can be long enough to be stored out of line: numeric(10,2) and varchar(5) cannot. */
export function mayBeStoredApart({ type, typmod }: Column): boolean {
  const base = baseType(type);
  if (typmod < 4 || base.schema !== 'pg_catalog') return true;
  const modifier = typmod - 4;
  if (base.name === 'varchar' || base.name === 'bpchar') return 4 + 4 * modifier > SMALL_BYTES;
  if (base.name !== 'numeric') return true;
  const [precision, scale] = [modifier >> 16, ((modifier & 0x7ff) ^ 1024) - 1024];
  // A header of 8 bytes and 2 for every 4 digits, counted from the point to both sides.
  return 8 + 2 * (Math.ceil(Math.max(0, precision - scale) / 4) + Math.ceil(Math.max(0, scale) / 4)) > SMALL_BYTES;
}

const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`;

const property = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : text(name));
