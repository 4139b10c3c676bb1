// docs/reference/expressions.md, from the tables that the binder uses.
import { families } from './functions/index.ts';
import { operators } from './operators/index.ts';
import type { Routine } from './routine.ts';
import { typeName } from './types.ts';

const intro = `# SQL expressions

<!-- Generated from src/expr; change it there. -->

A rule's \`where\` and \`add\`, and a hook's \`when\`, are SQL expressions over one row, in PostgreSQL's own grammar and with its typing rules:

\`\`\`yaml
where: status <> 'draft' and total > 0
add:
  total: cents / 100.0
  country: upper(address ->> 'country')
\`\`\`

An expression names columns of the table (\`status\`, \`"ActorId"\`); a hook's condition names them as \`before.status\` and \`after.status\`. It is
checked before anything runs: an unknown column, a type that does not fit or a wrong literal is an error with the line and a caret.
In \`where\` and \`when\`, NULL counts as not true.

Only functions whose result depends on nothing but their arguments can be used: no \`now()\`, no \`random()\`, no subqueries, no aggregates.

## Where this differs from PostgreSQL

- **Text is ordered by code points** (collation "C"), whatever the collation of the database, in \`<\`, \`between\`, \`greatest\`, …
- \`lower\`, \`upper\` and ILIKE follow Unicode (ICU's root locale), \`initcap\` knows ASCII letters only.
- **Regular expressions** are the subset in which PostgreSQL and JavaScript agree; the pattern is best a literal. Classes (\`\\d\`, \`\\w\`, \`\\s\`,
  \`[[:alpha:]]\`) mean ASCII characters. Refused: back-references, look-around, \`(?i)\` and other embedded options, \`\\y\` \`\\m\` \`\\M\`
  \`\\A\` \`\\Z\`, collating elements, and letters beyond ASCII in \`~*\`.
- Dates and times are read from text in ISO style only (\`2024-03-01 10:00:00+02\`), and the time zone is UTC. \`at time zone\` takes 'UTC' only.
- A \`json\` column is taken as \`jsonb\`. Trailing zeros of numbers in JSON (1.50) are not kept.
- Powers of \`numeric\` take whole exponents up to 100000. The last digit of a \`float8\` power can differ where the result is not exact.
- A LIKE pattern that ends with its escape character is an error for every row.
- An array's lower bounds are always 1.
- What PostgreSQL has changed over time follows version 18: subtracting infinite timestamps gives an infinite interval (older servers than
  17 fail), a JSON null casts to NULL (older than 18 fail).
- Of other types (ranges, network addresses, composite types, …) columns can be passed on, tested for NULL, and cast to text.

## Syntax

\`and\` \`or\` \`not\` · \`is [not] null\` · \`is [not] true | false | unknown\` · \`is [not] distinct from\` · \`[not] between [symmetric]\` ·
\`[not] in (…)\` · \`= any (array)\`, \`<> all (array)\` · \`[not] like | ilike … [escape]\` · \`case\` · \`coalesce\` · \`nullif\` ·
\`greatest\` · \`least\` · \`cast(x as type)\`, \`x::type\` · \`array[…]\`, \`tags[1]\` · \`extract(year from x)\` · \`position(a in x)\` ·
\`substring(x from 2 for 3)\` · \`trim(both ' ' from x)\` · \`overlay(x placing y from 2)\` · \`date '2024-03-01'\`, \`interval '1 day'\`

Types: \`smallint\` \`integer\` \`bigint\` \`numeric(p,s)\` \`real\` \`double precision\` \`text\` \`varchar(n)\` \`char(n)\` \`name\` \`boolean\`
\`date\` \`time\` \`timestamp\` \`timestamptz\` \`interval\` \`uuid\` \`bytea\` \`json\` \`jsonb\` \`oid\`,
arrays of them, and the enum types of the table's columns.
`;

/** Routines of one name and meaning stand in one row. */
function rows(list: readonly Routine[], call: (one: Routine) => string): string[] {
  const grouped = new Map<string, { calls: Set<string>; results: Set<string>; doc: string }>();
  for (const one of list) {
    const key = `${one.name} ${one.doc}`;
    const group = grouped.get(key) ?? { calls: new Set<string>(), results: new Set<string>(), doc: one.doc };
    group.calls.add(call(one));
    group.results.add(typeName(one.result));
    grouped.set(key, group);
  }
  return [...grouped.values()].map(({ calls, results, doc }) =>
    `| ${[...calls].map((text) => `\`${text.replaceAll('|', '\\|')}\``).join('<br>')} | ${[...results].join(', ')} | ${doc.replaceAll('|',
      '\\|')} |`);
}

const shortNames: Readonly<Record<string, string>> = {
  'timestamp without time zone': 'timestamp', 'timestamp with time zone': 'timestamptz', 'time without time zone': 'time', bpchar: 'char',
    any: 'any', anyarray: 'array', anyelement: 'element', anynonarray: 'any', anyenum: 'enum',
};
const shown = (one: Routine['args'][number]): string => shortNames[typeName(one)] ?? typeName(one);

const functionCall = (one: Routine): string => `${one.name}(${one.args.map(shown).join(', ')}${one.variadic ? ', …' : ''})`;

const words: Readonly<Record<string, string>> = { '~~': 'like', '!~~': 'not like', '~~*': 'ilike', '!~~*': 'not ilike' };
const operatorWord = (one: Routine): string => words[one.name] ?? one.name;

/** Operators by name: for each meaning the types it is for. */
function operatorRows(): string[] {
  const meanings = new Map<string, { name: string; doc: string; types: Set<string> }>();
  for (const one of [...operators.values()].flat()) {
    const key = `${one.name} ${one.args.length} ${one.doc}`;
    const meaning = meanings.get(key) ?? { name: operatorWord(one), doc: one.doc, types: new Set<string>() };
    meaning.types.add([...new Set(one.args.map(shown))].join(' and '));
    meanings.set(key, meaning);
  }
  return [...meanings.values()].map(({ name, doc, types }) => {
    const mixed = [...types].filter((type) => !type.includes(' and ') || ![...types].includes(type.split(' and ')[0] as string));
    return `| \`${name.replaceAll('|', '\\|')}\` | ${doc} | ${mixed.join(', ')} |`;
  });
}

const conversions = `Types convert by themselves as in PostgreSQL: \`integer\` to \`bigint\` to \`numeric\` to \`double precision\`,
\`varchar\` to \`text\`, \`date\` to \`timestamp\`, …`;

/** The reference page of expressions, as Markdown. */
export function expressionsReference(): string {
  const head = '| function | result | what it gives |\n|---|---|---|\n';
  const sections = families.map(([title, list]) => `### ${title}\n\n${head}${rows(list, functionCall).join('\n')}\n`);
  const operatorTable = `## Operators\n\n${conversions}\n\n| operator | what it gives | for |\n|---|---|---|\n${operatorRows().join('\n')}\n`;
  return `${intro}\n${operatorTable}\n## Functions\n\n${sections.join('\n')}`;
}
