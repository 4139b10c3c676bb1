// From what a file says to the project: names and patterns read, defaults filled in, references checked.
import { nearestName, parseTablePattern, quoteIdent, splitName, type TablePattern } from '../../data/index.ts';
import type { Added, IndexRule, Mask, ReplicaSpec, TableRule } from '../../replica/index.ts';
import { parsePgUrl, type PgAddress } from '../../wire/index.ts';
import { slotName } from '../names.ts';
import { type Around, resolveAddress } from './address.ts';
import type { Project, SourceSpec } from './project.ts';
import type { Path, Report } from './report.ts';
import { parseSize, type ProjectConfig, type RuleConfig } from './schema.ts';

/** A rule that does not stand in the file's `tables` mapping but was made by `table(…)`. */
export interface CodeRule {
  readonly from: string;
  readonly rule: RuleConfig;
  /** Its path in the report. */
  readonly path: Path;
  readonly report: Report;
}

/** `code`: rules by replica. Problems go to the report; the project is complete as far as they allow. */
export function resolveProject(config: ProjectConfig, code: ReadonlyMap<string, readonly CodeRule[]>, report: Report, around: Around): Project {
  const { folder } = around;
  const sources = Object.entries(config.sources).map(([name, source]) => resolveSource(name, source, report, around));
  if (sources.length === 0) report.error(['sources'], 'there is no source', { at: 'key' });
  refuseSharedSlots(sources, report);
  const names = sources.map((source) => source.name);
  const replicas = Object.entries(config.replicas).map(([name, replica]) => {
    if (names.includes(name)) report.error(['replicas', name], `"${name}" is the name of a source already`, { at: 'key', hint: 'names are unique in a project' });
    return new ReplicaResolver(name, replica, names, report, around).resolve(code.get(name) ?? []);
  });
  return {
    folder, sources, replicas, bus: config.bus,
    limits: {
      walKeptBytes: parseSize(config.limits.walKept) as number, memoryBytes: parseSize(config.limits.memory) as number,
      readers: config.limits.readers, readBytesPerSec: parseSize(config.limits.readBytesPerSec ?? ''), snapshotMs: config.limits.snapshotMinutes * 60_000,
    },
    serve: resolveServe(config.serve, report),
  };
}

/** Names that differ in what a slot's name cannot have. */
function refuseSharedSlots(sources: readonly SourceSpec[], report: Report): void {
  const taken = new Map<string, string>();
  for (const source of sources) {
    const key = `${serverOf(source.url)} ${slotName(source)}`;
    const other = taken.get(key);
    if (other === undefined) taken.set(key, source.name);
    else report.error(['sources', source.name], `the sources "${other}" and "${source.name}" would use one replication slot, ${slotName(source)}`, { at: 'key', hint: 'give one of them a `slot:` of its own' });
  }
}

function serverOf(url: PgAddress): string {
  try {
    const { host, port } = parsePgUrl(url);
    return `${host}:${port}`;
  } catch {
    return ''; // reported elsewhere
  }
}

function resolveSource(name: string, source: ProjectConfig['sources'][string], report: Report, around: Around): SourceSpec {
  const path = ['sources', name];
  checkName(name, path, 'source', report);
  const url = resolveAddress(source.postgres, [...path, 'postgres'], report, around);
  const tables = readPatterns(source.tables, [...path, 'tables'], report);
  needsInclusion(source.tables, [...path, 'tables'], 'public.*', report);
  const columns = Object.entries(source.columns ?? {}).flatMap(([text, columns]) => {
    const pattern = readPattern(text, [...path, 'columns', text], report, 'key');
    needsInclusion(columns, [...path, 'columns', text], '*', report);
    return pattern ? [{ tables: pattern, columns }] : [];
  });
  return {
    name, url, tables, columns, appendOnly: readPatterns(source.appendOnly ?? [], [...path, 'appendOnly'], report), place: report.placeOf(path),
    ...(source.slot === undefined ? {} : { slot: source.slot }), ...(source.publication === undefined ? {} : { publication: source.publication }),
  };
}

/** A pattern with its source, when it names one. */
interface Address {
  readonly source: string | undefined;
  readonly pattern: TablePattern;
}

class ReplicaResolver {
  readonly #name: string;
  readonly #config: ProjectConfig['replicas'][string];
  readonly #sources: readonly string[];
  readonly #report: Report;
  readonly #path: Path;
  readonly #around: Around;

  constructor(name: string, config: ProjectConfig['replicas'][string], sources: readonly string[], report: Report, around: Around) {
    this.#name = name;
    this.#config = config;
    this.#sources = sources;
    this.#report = report;
    this.#around = around;
    this.#path = ['replicas', name];
  }

  resolve(code: readonly CodeRule[]): ReplicaSpec {
    checkName(this.#name, this.#path, 'replica', this.#report);
    const url = resolveAddress(this.#config.postgres, [...this.#path, 'postgres'], this.#report, this.#around);
    const { transactions, parallel } = this.#config;
    if (parallel > 1 && transactions === 'atomic') {
      this.#report.error([...this.#path, 'parallel'], 'several sessions cannot commit at the same moment, so that transactions of the source would be seen in parts', {
        hint: 'write `transactions: split` too, if that is wanted, or leave `parallel` out',
      });
    }
    const from = this.#from();
    const own = from.map((each) => each.source);
    const rules = Object.entries(this.#config.tables ?? {}).flatMap(([text, value]) => {
      const path = [...this.#path, 'tables', text];
      const list = Array.isArray(value) ? value : [value];
      const rules = list.map((rule) => (typeof rule === 'string' ? { ...emptyRule, to: rule } : rule));
      return rules.flatMap((rule, i) => this.#rule(text, rule, own, Array.isArray(value) ? [...path, i] : path, this.#report, path));
    });
    const made = code.flatMap((each) => this.#rule(each.from, each.rule, own, each.path, each.report, each.path));
    return { name: this.#name, from, url, names: this.#config.names, rules: [...rules, ...made], onBadRow: this.#config.onBadRow, schemaChanges: this.#config.schemaChanges, existing: this.#config.existing, parallel };
  }

  #from(): { source: string; tables: TablePattern[] }[] {
    const path = [...this.#path, 'from'];
    const entries = Array.isArray(this.#config.from) ? this.#config.from : [this.#config.from];
    const found = new Map<string, TablePattern[]>();
    entries.forEach((entry, i) => {
      const at = Array.isArray(this.#config.from) ? [...path, i] : path;
      const exclude = entry.startsWith('!');
      const parts = splitName(exclude ? entry.slice(1) : entry);
      const source = parts?.[0]?.text ?? '';
      if (parts?.length === 1 && !exclude) {
        if (this.#known(source, at, this.#report)) push(found, source, parseTablePattern('*.*') as TablePattern);
      } else if (parts?.length === 3) {
        if (!this.#known(source, at, this.#report)) return;
        const pattern = readPattern((exclude ? '!' : '') + joinParts(parts.slice(1)), at, this.#report);
        if (pattern) push(found, source, pattern);
      } else if (parts?.length === 2 && this.#sources.length > 0) {
        this.#report.error(at, `"${entry}" does not say of which source`, { hint: `write ${exclude ? '!' : ''}${this.#sources[0]}.${exclude ? entry.slice(1) : entry}` });
      } else {
        this.#report.error(at, `"${entry}" is neither a source nor a table of one`, { hint: 'write a source\'s name, or source.schema.table' });
      }
    });
    for (const [source, patterns] of found) {
      if (patterns.every((pattern) => pattern.exclude)) {
        this.#report.error(path, `only exclusions are listed for the source "${source}", so nothing is taken`, { hint: `add "${source}" to the list` });
      }
    }
    return [...found].map(([source, tables]) => ({ source, tables }));
  }

  #known(source: string, at: Path, report: Report): boolean {
    if (this.#sources.includes(source)) return true;
    const near = nearestName(source, this.#sources);
    const hint = near === undefined ? (this.#sources.length > 0 ? `the sources are ${this.#sources.join(', ')}` : undefined) : `did you mean "${near}"?`;
    report.error(at, `there is no source "${source}"`, { hint });
    return false;
  }

  #rule(text: string, rule: RuleConfig, own: readonly string[], path: Path, report: Report, keyPath: Path): TableRule[] {
    const at = { at: 'key' } as const;
    const address = readAddress(text, keyPath, report);
    if (!address) return [];
    if (address.pattern.exclude) {
      report.error(keyPath, 'a rule cannot be an exclusion', { ...at, hint: `leave tables out with "${text}" in \`from\`` });
      return [];
    }
    const source = address.source ?? (own.length === 1 ? own[0] : undefined);
    if (source === undefined) {
      if (own.length > 1) report.error(keyPath, `"${text}" does not say of which source`, { ...at, hint: `write ${own[0]}.${text}` });
      return [];
    }
    if (!own.includes(source)) {
      if (!this.#sources.includes(source)) {
        const near = nearestName(source, own);
        report.error(keyPath, `there is no source "${source}"`, { ...at, hint: near === undefined ? undefined : `did you mean "${near}"?` });
      } else if (own.length > 0) {
        report.error(keyPath, `the replica takes nothing from the source "${source}"`, { ...at, hint: `add ${source} to \`from\`` });
      }
      return [];
    }
    const to = rule.to === undefined ? undefined : readTarget(rule.to, typeof this.#config.tables?.[text] === 'string' ? path : [...path, 'to'], report);
    return [{
      source, tables: address.pattern,
      ...(to === undefined ? {} : { to }),
      drop: (rule.drop ?? []).map(columnName),
      rename: mapNames(rule.rename, columnName),
      mask: mapNames(rule.mask, resolveMask),
      add: mapNames(rule.add, resolveAdded),
      ...(rule.key === undefined ? {} : { key: rule.key.map(columnName) }),
      ...(rule.where === undefined ? {} : { where: rule.where as NonNullable<TableRule['where']> }),
      ...(rule.row === undefined ? {} : { row: rule.row as NonNullable<TableRule['row']> }),
      ...(rule.schemaChanges === undefined ? {} : { schemaChanges: rule.schemaChanges }),
      ...(rule.existing === undefined ? {} : { existing: rule.existing }),
      ...(rule.indexes === undefined ? {} : { indexes: rule.indexes.map(resolveIndex) }),
      deletes: rule.deletes, meta: rule.meta, guard: rule.guard, appendOnly: rule.appendOnly, place: report.placeOf(keyPath),
    }];
  }
}

const emptyRule: RuleConfig = { deletes: 'hard', meta: false, guard: false, appendOnly: false };

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

const mapNames = <A, B>(record: Readonly<Record<string, A>> | undefined, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record ?? {}).map(([name, value]) => [columnName(name), change(value)]));

/** A column's name as the catalog spells it: quotes as in SQL are allowed, and needed by none. */
const columnName = (text: string): string => /^"(?:[^"]|"")+"$/.test(text) ? text.slice(1, -1).replaceAll('""', '"') : text;

function resolveMask(mask: NonNullable<RuleConfig['mask']>[string]): Mask {
  if (mask === null || mask === 'null') return { kind: 'null' };
  if (mask === 'hash') return { kind: 'hash', salt: '' };
  return 'hash' in mask ? { kind: 'hash', salt: mask.hash } : { kind: 'fixed', value: mask.fixed };
}

function resolveAdded(added: NonNullable<RuleConfig['add']>[string]): Added {
  if (added === null || typeof added !== 'object') return { kind: 'constant', value: added };
  if ('sql' in added) return { kind: 'sql', sql: added.sql };
  return { kind: 'constant', value: added.value, ...(added.type === undefined ? {} : { type: added.type }) };
}

function resolveIndex(index: NonNullable<RuleConfig['indexes']>[number]): IndexRule {
  if (typeof index === 'string') return { on: index, unique: false };
  const { on, using, where, unique } = index;
  return { on, unique, ...(using === undefined ? {} : { using }), ...(where === undefined ? {} : { where }) };
}

/** `schema.table` or `source.schema.table`. */
function readAddress(text: string, path: Path, report: Report): Address | undefined {
  const exclude = text.startsWith('!') ? '!' : '';
  const parts = splitName(text.slice(exclude.length));
  if (parts?.length !== 3) {
    const pattern = readPattern(text, path, report, 'key');
    return pattern && { source: undefined, pattern };
  }
  const pattern = readPattern(exclude + joinParts(parts.slice(1)), path, report, 'key');
  return pattern && { source: parts[0]?.text, pattern };
}

const joinParts = (parts: readonly { text: string; quoted: boolean }[]): string => parts.map((part) => (part.quoted ? quoteIdent(part.text) : part.text)).join('.');

const readPatterns = (texts: readonly string[], path: Path, report: Report): TablePattern[] =>
  texts.flatMap((text, i) => readPattern(text, [...path, i], report) ?? []);

function readPattern(text: string, path: Path, report: Report, at: 'key' | 'value' = 'value'): TablePattern | undefined {
  const pattern = parseTablePattern(text);
  if (!pattern) {
    const parts = splitName(text.replace(/^!/, ''));
    const hint = parts?.length === 1 ? `write public.${text.replace(/^!/, '')} if that is its schema`
      : parts ? 'write schema.table; a name with dots stands in double quotes: public."Order.Items"' : 'write schema.table, with * for any characters';
    report.error(path, `"${text}" is not a table pattern`, { hint, at });
    return undefined;
  }
  const parts = splitName(text.replace(/^!/, '')) ?? [];
  const bare = parts.filter((part) => !part.quoted && /[^a-z0-9_$*]/.test(part.text));
  if (bare.length > 0) {
    const written = parts.map((part) => (part.quoted || bare.includes(part) ? quoteIdent(part.text) : part.text)).join('.');
    report.warning(path, `"${bare[0]?.text}" is read as it stands; SQL would need quotes`, { hint: `write ${pattern.exclude ? '!' : ''}${written}`, at });
  }
  return pattern;
}

function readTarget(text: string, path: Path, report: Report): { schema: string; name: string } | undefined {
  const parts = splitName(text);
  const [schema, name] = parts ?? [];
  if (parts?.length !== 2 || !schema || !name || text.startsWith('!')) {
    report.error(path, `"${text}" is not a target table`, { hint: 'write schema.table; * as a part stands for the source\'s own' });
    return undefined;
  }
  const mixed = parts.find((part) => !part.quoted && part.text.includes('*') && part.text !== '*');
  if (mixed) report.error(path, `"${mixed.text}": * stands for a whole schema or table name here`, { hint: 'write schema.* or *.table' });
  return { schema: schema.text, name: name.text };
}

function needsInclusion(patterns: readonly string[], path: Path, example: string, report: Report): void {
  if (patterns.every((pattern) => pattern.startsWith('!'))) {
    report.error(path, 'only exclusions are listed, so nothing is taken', { at: 'key', hint: `add "${example}"` });
  }
}

function checkName(name: string, path: Path, what: string, report: Report): void {
  if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(name)) return;
  report.error(path, `"${name}" is not a name for a ${what}`, { at: 'key', hint: 'use letters, digits, _ and -; names are parts of addresses such as shop.public.orders' });
}

function resolveServe(serve: ProjectConfig['serve'], report: Report): Project['serve'] {
  const path = ['serve', 'http'];
  if (serve.http === undefined || report.isUnknown(path)) return {};
  const text = String(serve.http);
  const [, bracketed, bare, digits] = /^(?:\[([0-9a-fA-F:]+)\]:|([^:[\]\s]*):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    report.error(path, `"${text}" is not an address to serve at`, { hint: 'write host:port, for example 127.0.0.1:8686' });
    return {};
  }
  return { http: { host: bracketed ?? (bare || '127.0.0.1'), port } };
}
