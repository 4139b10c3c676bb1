// Whose slot and publication these are. A slot has no place for a name, so the project that makes the publication writes itself and its slot
// into the publication's comment, and no other project alters that publication or uses that slot.
import { MillraceError } from '../../../base/index.ts';
import { formatLsn, type Lsn, parseLsn, quoteIdent, quoteLiteral } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';

/** What a source uses at its server. `managesPublication` false: somebody else made the publication, and it is only checked. */
export interface SourceNames {
  readonly slot: string;
  readonly publication: string;
  readonly managesPublication: boolean;
}

/** A project's ids: the one that it writes, and all that are known for its own. */
export interface ProjectIds {
  readonly id: string;
  readonly own: ReadonlySet<string>;
  /** Targets that could not be asked; they may know more ids. */
  readonly unasked: readonly string[];
}

/** A publication with the project that is written into its comment. */
export interface Mark {
  readonly publication: string;
  readonly slot: string;
  readonly project: string;
}

const form = /Millrace: project ([0-9a-f]+), slot ([a-z0-9_]+)(?:, since (\{.*\}))?/;

/**
 * From when on the publication has sent a table without a break: its address, or `*` for those that are not named. A table that came back
 * after it had been left out for a while has changes that nobody was sent.
 */
export type Since = ReadonlyMap<string, Lsn>;

/** Of a table that comes into the publication just now, until it is known where that was. */
export const notYet = parseLsn('FFFFFFFF/FFFFFFFF');

/** The comment that says so; what a user wrote there stays. */
export function withMark(comment: string | null, project: string, slot: string, since: Since): string {
  const tables = since.size === 0 ? '' : `, since ${JSON.stringify(Object.fromEntries([...since].map(([table, at]) => [table, formatLsn(at)])))}`;
  return [(comment ?? '').replace(form, '').trim(), `Millrace: project ${project}, slot ${slot}${tables}`].filter((line) => line !== '').join('\n');
}

/** The project and the slot that a comment names. */
export function readMark(comment: string): { project: string; slot: string } | undefined {
  const [, project, slot] = form.exec(comment) ?? [];
  return project === undefined || slot === undefined ? undefined : { project, slot };
}

export function readSince(comment: string | null): Map<string, Lsn> {
  const [, , , tables] = form.exec(comment ?? '') ?? [];
  return new Map(Object.entries(JSON.parse(tables ?? '{}') as Record<string, string>).map(([table, at]) => [table, parseLsn(at)]));
}

/** The marks that concern these names. One whose slot is gone counts no more: nothing goes on from it. */
export async function readMarks(control: PgConnection, names: SourceNames): Promise<Mark[]> {
  const rows = await control.rows<{ name: string; comment: string; slots: string }>(
    `select p.pubname as name, d.description as comment,
       (select coalesce(json_agg(slot_name), '[]') from pg_catalog.pg_replication_slots where database = pg_catalog.current_database())::text as slots
     from pg_catalog.pg_publication p join pg_catalog.pg_description d on d.objoid = p.oid and d.classoid = 'pg_catalog.pg_publication'::regclass`,
  );
  return rows.flatMap(({ name, comment, slots }) => {
    const mark = readMark(comment);
    if (!mark || !(JSON.parse(slots) as string[]).includes(mark.slot)) return [];
    return mark.slot === names.slot || (names.managesPublication && name === names.publication) ? [{ publication: name, ...mark }] : [];
  });
}

/**
 * Works on slot or publication while no other process does, if they are nobody else's; throws SLOT_OF_ANOTHER_PROJECT otherwise. What is
 * not marked yet is for the first who comes.
 */
export async function asOwner<T>(control: PgConnection, names: SourceNames, ids: ProjectIds, work: () => Promise<T>): Promise<T> {
  // Behind a pooler a lock of the session would stay with whoever gets the session next.
  if (control.pooled) return ifNobodyElses(control, names, ids, work);
  const key = `pg_catalog.hashtextextended(${quoteLiteral(`millrace ${names.slot}`)}, 0)`;
  await control.query(`select pg_catalog.pg_advisory_lock(${key})`);
  try {
    return await ifNobodyElses(control, names, ids, work);
  } finally {
    if (!control.closed) await control.query(`select pg_catalog.pg_advisory_unlock(${key})`).catch(() => undefined);
  }
}

async function ifNobodyElses<T>(control: PgConnection, names: SourceNames, ids: ProjectIds, work: () => Promise<T>): Promise<T> {
  const foreign = (await readMarks(control, names)).find((mark) => !ids.own.has(mark.project));
  if (foreign) throw ofAnotherProject(foreign, ids, control.where);
  return work();
}

export function ofAnotherProject({ publication, slot, project }: Mark, ids: ProjectIds, where: string): MillraceError {
  const unasked = ids.unasked.length === 0 ? '' : `; the targets of ${ids.unasked.join(', ')} may know it as this one, but cannot be asked at the moment`;
  return new MillraceError('SLOT_OF_ANOTHER_PROJECT', `replication slot "${slot}" and publication "${publication}" belong to another project`, {
    where, retriable: ids.unasked.length > 0,
    detail: `the comment of the publication names project ${project}, this one is ${ids.id}${unasked}`,
    hint: `give this source a slot of its own: sources.NAME.slot\nor, if the other project is over, take its place: comment on publication ${quoteIdent(publication)} is null;`,
  });
}
