// The one declaration of what a project's file may say. Types, validation, the JSON Schema for editors and docs/reference/configuration.md
// come from it; the descriptions are written for users.
import { z } from 'zod';

const one = z.union([z.string(), z.number(), z.boolean()]);

/** Sizes count as PostgreSQL's: 1kB is 1024 bytes. */
const units: Record<string, number> = { '': 1, b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40 };

/** `2GB` → bytes; undefined when it is no size. */
export function parseSize(value: string | number): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)$/i.exec(String(value)) ?? [];
  const factor = units[(unit ?? '').toLowerCase().replace('i', '').replace(/^([kmgt])$/, '$1b')];
  const bytes = Math.round(Number(digits) * (factor ?? Number.NaN));
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

const size = z
  .union([z.string(), z.number()])
  .refine((value) => parseSize(value) !== undefined, { error: 'not a size: write for example 512MB or 2GB' })
  .meta({ examples: ['2GB'] });

const identifier = (what: string): z.ZodString =>
  z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, { error: `not a name for a ${what}: use lower-case letters, digits and _, at most 63` });

const patterns = z.array(z.string()).min(1, { error: 'the list is empty' });

const mask = z
  .union([
    z.null(),
    z.enum(['null', 'hash']),
    z.strictObject({ hash: z.string().describe('A salt, put in front of the value before hashing.') }),
    z.strictObject({ fixed: one.describe('The value that stands in every row.') }),
  ], { error: 'must be null, hash, { hash: SALT } or { fixed: VALUE }' })
  .describe('How the value is hidden: `null`; `hash` (SHA-256 in hex, NULL stays NULL; `{ hash: SALT }` with a salt); `{ fixed: VALUE }`.');

const added = z
  .union([
    z.null(),
    one,
    z.strictObject({ sql: z.string().describe('A SQL expression over the columns of the source row.') }),
    z.strictObject({
      value: z.union([z.null(), one]).describe('The constant.'),
      type: z.string().describe('Its SQL type.').optional(),
    }),
  ], { error: 'must be a constant, { sql: EXPRESSION } or { value: CONSTANT, type: TYPE }' })
  .describe('A constant, `{ value, type }`, or `{ sql: EXPRESSION }`.');

const index = z
  .union([
    z.string().min(1, { error: 'it is empty' }),
    z.strictObject({
      on: z.string().min(1, { error: 'it is empty' }).describe('What stands between the parentheses of `CREATE INDEX`.'),
      using: z.string().regex(/^[a-z_][a-z0-9_]*$/, { error: 'not the name of an access method: gin, gist, brin, hash, …' }).describe('The access method. Default: btree.').optional(),
      where: z.string().describe('The condition of a partial index.').optional(),
      unique: z.boolean().describe('Whether no two rows may have equal values.').default(false),
    }),
  ], { error: 'must be columns and expressions as CREATE INDEX has them, or { on: …, using: …, where: …, unique: true }' })
  .describe('What stands between the parentheses of `CREATE INDEX`, or `{ on, using, where, unique }`.');

const schemaChanges = z.enum(['apply', 'freeze', 'fail']);
const existing = z.enum(['refuse', 'keep']);

const ruleShape = {
  to: z.string().describe('Target schema and table. `*` as a part stands for the source\'s own: `sales.*`. Default: the same schema and name.')
    .meta({ examples: ['sales.*'] }).optional(),
  drop: z.array(z.string()).describe('Columns that do not go to the target.').meta({ examples: [['internal_note']] }).optional(),
  rename: z.record(z.string(), z.string()).describe('Source column → target column.').meta({ examples: [{ ts: 'created_at' }] }).optional(),
  mask: z.record(z.string(), mask).describe('Source column → how its value is hidden.').meta({ examples: [{ email: 'hash' }] }).optional(),
  add: z.record(z.string(), added).describe('Target column → how its value is made.')
    .meta({ examples: [{ region: 'eu', total: { sql: 'cents / 100.0' } }] }).optional(),
  key: z.array(z.string()).min(1, { error: 'the list is empty' })
    .describe('Target columns that identify a row. They must come from key columns of the source, unless its replica identity is full. Default: the source\'s key.')
    .meta({ examples: [['id']] }).optional(),
  where: z.string().describe('A SQL condition over the source row. A row that does not match is not at the target; one that stops matching is deleted there.')
    .meta({ examples: ["status <> 'draft'"] }).optional(),
  deletes: z.enum(['hard', 'soft', 'ignore'])
    .describe('What a delete at the source does: `hard` deletes the row, `soft` marks it with the time in `_deleted_at`, `ignore` leaves it.').default('hard'),
  meta: z.boolean().describe('Adds `_source`, `_op` and `_committed_at` to the target table.').default(false),
  guard: z.boolean()
    .describe('For a table that others write too: adds `_source` and `_lsn` (where the row\'s last change committed at the source) to it, and never writes over a row of the same source with a later `_lsn`.').default(false),
  indexes: z.array(index).describe('Indexes of the target table, over its columns. They are made once its rows are there, and never dropped.')
    .meta({ examples: [['customer_id', 'status, created_at desc', { on: 'details', using: 'gin' }]] }).optional(),
  schemaChanges: schemaChanges.describe('What a schema change of the table does. Default: what the replica says.').optional(),
  existing: existing.describe('What a table with rows at the target means when the replica first takes it. Default: what the replica says.').optional(),
  appendOnly: z.boolean().describe('For a table without a key: inserts are appended, an update or delete is an error.').default(false),
};

const ruleSchema = z.strictObject(ruleShape);

/** A rule as `table(…)` in TypeScript gives it: conditions and rows may be functions. */
export const codeRuleSchema = z.strictObject({
  ...ruleShape,
  where: z.union([ruleShape.where.unwrap(), z.custom<(row: never) => boolean>((value) => typeof value === 'function')]).optional(),
  row: z.custom<(row: never) => object | null>((value) => typeof value === 'function', { error: 'must be a function' }).optional(),
});

const ruleOrTarget = z.union([ruleShape.to.unwrap(), ruleSchema]);

const database = z.union([
  z.string(),
  z.strictObject({
    url: z.string().describe('The URL, without a password.'),
    password: z.union([
      z.string(),
      z.strictObject({
        file: z.string().describe('A file whose content is the password.').optional(),
        command: z.array(z.string()).min(1, { error: 'the list is empty' }).describe('A program with its arguments; what it prints is the password, until the server refuses it.').optional(),
      }).refine(({ file, command }) => (file === undefined) !== (command === undefined), { error: 'give either a file or a command' }),
    ], { error: 'must be text, { file: PATH } or { command: [PROGRAM, …] }' })
      .describe('A text (`${NAME}`), `{ file: PATH }`, or `{ command: [PROGRAM, ARGUMENT, …] }`. Read again when connections are made.').optional(),
  }),
], { error: 'must be a URL, or { url: URL, password: … }' });

const source = z.strictObject({
  postgres: database.describe('The database: a URL, or `{ url, password }`. Keep passwords out of the file with `${NAME}`.').meta({ examples: ['${SHOP_URL}'] }),
  tables: patterns.describe('Which tables: `schema.table` with `*`, `!` in front excludes and always wins. Names with capitals or dots are quoted as in SQL.')
    .meta({ examples: [['public.*', '!public.audit']] }).default(['*.*']),
  columns: z.record(z.string(), patterns)
    .describe('Table pattern → which of its columns leave the source (a publication column list): `["*", "!ssn"]`.')
    .meta({ examples: [{ 'public.customers': ['*', '!ssn'] }] }).optional(),
  slot: identifier('replication slot').describe('Name of the replication slot. Default: made from the source\'s name.').optional(),
  publication: identifier('publication').describe('Name of the publication. Default: the name of `slot`; without one, made from the source\'s name.').optional(),
  appendOnly: patterns.describe('Tables without a key whose rows are only ever inserted.').meta({ examples: [['public.events']] }).optional(),
});

const replica = z.strictObject({
  from: z.union([z.string(), patterns])
    .describe('What it takes: a source, tables of one (`source.schema.table`, with `*`), or a list of those. `!` in front excludes.')
    .meta({ examples: ['shop'] }),
  postgres: database.describe('The target database: a URL, or `{ url, password }`.').meta({ examples: ['${WAREHOUSE_URL}'] }),
  names: z.enum(['as-is', 'snake_case']).describe('How tables and columns are called at the target: `snake_case` makes `actor_id` of `ActorId`.').default('as-is'),
  tables: z.record(z.string(), z.union([ruleOrTarget, z.array(ruleOrTarget)]))
    .describe('Table pattern → target, or a rule, or a list of those (one table to several). The source may be left out when `from` names only one. '
      + 'Exact names win over patterns.')
    .meta({ examples: [{ 'shop.public.*': 'sales.*' }] }).optional(),
  transform: z.string().describe('A TypeScript file whose default export is a list of `table(…)`.').meta({ examples: ['./reporting.ts'] }).optional(),
  onBadRow: z.enum(['deadLetter', 'stop']).describe('What happens to a row that the target refuses: it is set aside, or the replica stops.').default('deadLetter'),
  schemaChanges: schemaChanges
    .describe('What a schema change of a source table does: with `apply` the target follows where that is safe; with `freeze` its table keeps the shape that it has; '
      + 'with `fail` the table stops until `millrace resync`. The other tables go on.').default('apply'),
  transactions: z.enum(['atomic', 'split'])
    .describe('Whether what one transaction of the source did is seen at once at the target. With `split` its rows may be committed by several sessions, one shortly after the other, '
      + 'which `parallel` needs; each row\'s own changes keep their order.').default('atomic'),
  parallel: z.int().min(1).max(64)
    .describe('How many sessions write at the same time. More than one needs `transactions: split`: rows are shared by table and key.').default(1),
  existing: existing
    .describe('What rows mean that a target table has before the replica first takes it: they are refused, or with `keep` taken for those of the source, so that nothing is read and only '
      + 'changes from now on come. `millrace resync` reads the table all the same.').default('refuse'),
});

export const projectSchema = z.strictObject({
  millrace: z.literal(1, { error: 'this release reads version 1: write `millrace: 1`' }).describe('The version of this format.'),
  sources: z.record(z.string(), source).describe('The databases whose changes are captured. The key is the source\'s name.'),
  replicas: z.record(z.string(), replica).describe('The databases that are kept equal. The key is the replica\'s name.').default({}),
  bus: z.literal('embedded', { error: 'only `bus: embedded` is in this release' })
    .describe('Where changes stand between source and replica: in the embedded log in `.millrace/`.').default('embedded'),
  limits: z.strictObject({
    walKept: size.describe('How much WAL the source may keep for a replica that is behind, before the embedded log is relied on.').default('2GB'),
    memory: size.describe('How much memory the process may use for rows on their way.').default('1GB'),
    readers: z.number().int().min(1).max(64).describe('How many connections a replica reads snapshots with, and loads them with, at a time.').default(4),
    readBytesPerSec: size.describe('How much the snapshots of a source may read in a second, all together. Default: as much as it gives.')
      .meta({ examples: ['50MB'] }).optional(),
    snapshotMinutes: z.number().positive()
      .describe('How old a snapshot of the source may get while a large table is read, before the rest is read from a newer one (it keeps the server from cleaning up).').default(10),
  }).describe('Bounds on what is kept, and on how it is read.').default({ walKept: '2GB', memory: '1GB', readers: 4, snapshotMinutes: 10 }),
  serve: z.strictObject({
    http: z.union([z.string(), z.number()]).describe('Address of /health, /ready, /metrics and /status. Default: a free loopback port.')
      .meta({ examples: ['127.0.0.1:8686'] }).optional(),
  }).describe('What Millrace serves.').default({}),
});

export type ProjectConfig = z.output<typeof projectSchema>;
export type ProjectInput = z.input<typeof projectSchema>;
export type RuleConfig = z.output<typeof codeRuleSchema>;
export type DatabaseConfig = z.output<typeof database>;
export type SourceInput = z.input<typeof source>;
export type ReplicaInput = z.input<typeof replica>;
