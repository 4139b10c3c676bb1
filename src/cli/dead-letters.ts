// Finding the dead letters of a project: each lies in the target of its replica, in millrace.dead_letters.
import { MillraceError } from '../base/index.ts';
import type { Project } from '../control/index.ts';
import { nearestName } from '../data/index.ts';
import type { ReplicaSpec } from '../replica/index.ts';
import { describePgError, parsePgUrl, PgConnection } from '../wire/index.ts';

/** As `dead list --json` and `dead show --json` print it. */
export interface DeadLetter {
  readonly id: string;
  readonly replica: string;
  /** open: waits for a replay; joined: waits behind an open one of the same key. */
  readonly state: string;
  readonly sourceTable: string;
  readonly targetTable: string;
  readonly op: string;
  readonly key: unknown;
  readonly code: string;
  readonly message: string;
  readonly column: string | null;
  readonly position: string;
  readonly at: string;
  readonly row: unknown;
}

const fields = `id::text, state, source_table, target_table, op, key::text, code, message, "column", position,
  to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, "row"::text as row`;
const open = `state in ('open', 'joined')`;

export function chooseReplicas(project: Project, name: string | undefined): readonly ReplicaSpec[] {
  if (name === undefined) return project.replicas;
  const found = project.replicas.filter((replica) => replica.name === name);
  if (found.length > 0) return found;
  const names = project.replicas.map((replica) => replica.name);
  const near = nearestName(name, names);
  throw new MillraceError('NAME_UNKNOWN', `no replica is named "${name}"`, { hint: near ? `did you mean "${near}"?` : `replicas: ${names.join(', ')}` });
}

/** Open letters of replicas, the oldest first. */
export async function listLetters(replicas: readonly ReplicaSpec[]): Promise<DeadLetter[]> {
  const found = await Promise.all(replicas.map((replica) => select(replica, open, [])));
  return found.flat();
}

/** The letter with this number, whatever its state. Throws LETTER_UNKNOWN; USAGE when several replicas have one with it. */
export async function findLetter(replicas: readonly ReplicaSpec[], id: string): Promise<{ letter: DeadLetter; replica: ReplicaSpec }> {
  const found: { letter: DeadLetter; replica: ReplicaSpec }[] = [];
  for (const replica of replicas) for (const letter of await select(replica, 'id = $2::int8', [number(id)])) found.push({ letter, replica });
  const [first] = found;
  if (!first) throw new MillraceError('LETTER_UNKNOWN', `there is no dead letter ${id}`);
  if (found.length > 1) {
    throw new MillraceError('USAGE', `several replicas have a dead letter ${id}`, { hint: `add --replica ${found.map(({ replica }) => replica.name).join(' or --replica ')}` });
  }
  return first;
}

/** Gives a letter up: the change is not applied, and later ones of its key no longer wait for it. */
export async function dropLetter(replica: ReplicaSpec, id: string): Promise<void> {
  const rows = await withTarget(replica, (connection) =>
    connection.rows(
      `update millrace.dead_letters set state = 'dropped', closed_at = pg_catalog.now() where consumer = $1 and id = $2::int8 and ${open} returning id::text`, [replica.name, number(id)],
    ),
  );
  if (rows.length === 0) throw new MillraceError('LETTER_UNKNOWN', `dead letter ${id} is no longer open`);
}

const number = (id: string): string => {
  if (!/^\d{1,18}$/.test(id)) throw new MillraceError('USAGE', `"${id}" is not the number of a dead letter`, { hint: 'list them with `millrace dead list`' });
  return id;
};

async function select(replica: ReplicaSpec, where: string, params: readonly string[]): Promise<DeadLetter[]> {
  return withTarget(replica, async (connection) => {
    const [there] = await connection.rows<{ there: string }>("select (pg_catalog.to_regclass('millrace.dead_letters') is not null)::text as there");
    if (there?.there !== 'true') return [];
    const rows = await connection.rows<Record<string, string>>(`select ${fields} from millrace.dead_letters where consumer = $1 and ${where} order by id`, [replica.name, ...params]);
    return rows.map((row) => ({
      id: row['id'] ?? '', replica: replica.name, state: row['state'] ?? '', sourceTable: row['source_table'] ?? '', targetTable: row['target_table'] ?? '', op: row['op'] ?? '',
      key: JSON.parse(row['key'] ?? 'null') as unknown, code: row['code'] ?? '', message: row['message'] ?? '', column: row['column'] ?? null,
      position: row['position'] ?? '', at: row['at'] ?? '', row: JSON.parse(row['row'] ?? 'null') as unknown,
    }));
  });
}

async function withTarget<T>(replica: ReplicaSpec, work: (connection: PgConnection) => Promise<T>): Promise<T> {
  const connection = await PgConnection.connect(parsePgUrl(replica.url));
  try {
    return await work(connection);
  } catch (error) {
    throw describePgError(error, connection.where);
  } finally {
    await connection.close();
  }
}
