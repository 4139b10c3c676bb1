// Names of tables as users write them: quoting as in SQL, globs, exclusions.

/** A table's name. `schema` and `name` are the catalog's spelling, without quotes. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

const plain = /^[a-z_][a-z0-9_$]*$/;

/** An identifier as SQL needs it: always quoted, embedded quotes doubled. Use it for SQL text. */
export const quoteIdent = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A string literal for SQL text, safe with any setting of standard_conforming_strings. */
export const quoteLiteral = (text: string): string => {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
};

/** `"schema"."name"` for SQL text. */
export const quoteTable = (table: TableName): string => `${quoteIdent(table.schema)}.${quoteIdent(table.name)}`;

/** An address as SQL takes it, which knows more reserved words. */
export const quoteAddress = (address: string): string => (splitName(address) ?? []).map(({ text }) => quoteIdent(text)).join('.');

/** The address of a table: `public.orders`, with quotes only where SQL would need them (`public."Order.Items"`). It is the key in status and verify. */
export const tableAddress = (table: TableName): string => `${displayIdent(table.schema)}.${displayIdent(table.name)}`;

export const displayIdent = (name: string): string => (plain.test(name) ? name : quoteIdent(name));

/**
 * Splits a dotted name into its parts, honouring double quotes: `shop.public."Order.Items"` → [shop, public, Order.Items].
 * Unquoted parts keep their spelling (no folding to lower case); `*` is allowed in unquoted parts. Undefined when malformed.
 */
export function splitName(text: string): { text: string; quoted: boolean }[] | undefined {
  const parts: { text: string; quoted: boolean }[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      let value = '';
      at += 1;
      for (;;) {
        const end = text.indexOf('"', at);
        if (end < 0) return undefined;
        value += text.slice(at, end);
        if (text[end + 1] !== '"') {
          at = end + 1;
          break;
        }
        value += '"';
        at = end + 2;
      }
      parts.push({ text: value, quoted: true });
    } else {
      const end = text.indexOf('.', at) < 0 ? text.length : text.indexOf('.', at);
      const value = text.slice(at, end);
      if (value === '' || value.includes('"')) return undefined;
      parts.push({ text: value, quoted: false });
      at = end;
    }
    if (at === text.length) return parts;
    if (text[at] !== '.') return undefined;
    at += 1;
  }
}

/** A pattern for tables: `public.*`, `public.orders`, `*.audit_*`, `public."Order.Items"`. `*` matches any run of characters within a part. */
export interface TablePattern {
  readonly text: string;
  readonly exclude: boolean;
  /** Whether it has a `*`, so that it may match many. */
  readonly glob: boolean;
  matches(table: TableName): boolean;
}

/** Reads `schema.name` with globs, a leading `!` for exclusion. Undefined when it is not of that form. */
export function parseTablePattern(text: string): TablePattern | undefined {
  const exclude = text.startsWith('!');
  const parts = splitName(exclude ? text.slice(1) : text);
  if (parts?.length !== 2) return undefined;
  const [schema, name] = parts.map((part) => partMatcher(part.text, part.quoted));
  if (!schema || !name) return undefined;
  return {
    text,
    exclude,
    glob: schema.glob || name.glob,
    matches: (table) => schema.test(table.schema) && name.test(table.name),
  };
}

function partMatcher(text: string, quoted: boolean): { glob: boolean; test(value: string): boolean } {
  if (quoted || !text.includes('*')) return { glob: false, test: (value) => value === text };
  const escaped = text.split('*').map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${escaped.join('.*')}$`, 's');
  return { glob: true, test: (value) => expression.test(value) };
}

/** Whether a list of patterns selects the table: some inclusion matches and no exclusion does, whatever their order. */
export function selects(patterns: readonly TablePattern[], table: TableName): boolean {
  return patterns.some((p) => !p.exclude && p.matches(table)) && !patterns.some((p) => p.exclude && p.matches(table));
}

/** The closest of `names` by edit distance, if one is near enough to be a likely slip. */
export function nearestName(wanted: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((row[j - 1] as number) + 1, (previous[j] as number) + 1, substitute));
    }
    previous = row;
  }
  return previous[b.length] as number;
}

/** `ActorId` → `actor_id`, `HTTPServer2` → `http_server2`. Stable on names that are snake_case already. */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .replace(/[\s.-]+/g, '_')
    .toLowerCase();
}
