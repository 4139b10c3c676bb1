// Notices a server that has stopped answering although nothing has closed the connection: a frozen machine, a network that swallows packets.
//
// Silence alone says nothing: a statement may take hours, or wait for a lock. So when an answer is outstanding and nothing has come in for
// `silenceMsMax`, a second connection asks whether the server answers at all. If it does not, twice, or if it does not know the session any
// more, the connection is given up. If it does, the silent session is at work, and what it waits for is told.
import { MillraceError } from '../../base/index.ts';
import { PgError } from './errors.ts';
import type { ConnectOptions } from './url.ts';

const silenceMsMax = 30_000;

/** What is watched, and what is asked about it. */
export interface Watched {
  readonly options: ConnectOptions;
  readonly where: string;
  readonly pid: number;
  readonly bytesIn: number;
  readonly closed: boolean;
  readonly awaitsAnswer: boolean;
  /** Hears what a silent session does at the server; undefined when it has answered. */
  onSlow?: ((reason: string | undefined) => void) | undefined;
  destroy(error: MillraceError): void;
}

interface Asking {
  readonly pid: number;
  rows<T extends Record<string, string | null>>(sql: string, params: readonly string[]): Promise<T[]>;
  destroy(): void;
}

/** Watches until the connection is closed. `connect` makes the second connection. */
export function watch(connection: Watched, connect: () => Promise<Asking>): void {
  const limitMs = connection.options.silenceMsMax ?? silenceMsMax;
  let [heardBytes, heardAtMs, failures, asking, told] = [connection.bytesIn, performance.now(), 0, false, false];
  const heard = (): boolean => !connection.awaitsAnswer || connection.bytesIn !== heardBytes;
  const tell = (reason: string | undefined): void => {
    if (told || reason !== undefined) connection.onSlow?.(reason);
    told = reason !== undefined;
  };
  const look = async (): Promise<void> => {
    const found = await ask(connect, connection);
    if (connection.closed || heard()) return;
    const silent = `the server has not answered for ${Math.round((performance.now() - heardAtMs) / 1000)} s`;
    failures = found.kind === 'mute' ? failures + 1 : 0;
    if (found.kind === 'gone') connection.destroy(lost(connection, `${silent} and does not know this session any more`));
    else if (failures >= 2) connection.destroy(lost(connection, `${silent}, and it does not answer a new connection either`));
    else tell(found.kind === 'works' ? `${silent}: ${found.at}` : undefined);
  };
  const timer = setInterval(() => {
    if (connection.closed) clearInterval(timer);
    if (connection.closed || heard()) {
      [heardBytes, heardAtMs, failures] = [connection.bytesIn, performance.now(), 0];
      tell(undefined);
    } else if (!asking && performance.now() - heardAtMs >= limitMs) {
      asking = true;
      void look().finally(() => (asking = false));
    }
  }, limitMs / 10).unref();
}

const lost = ({ where }: Watched, message: string): MillraceError => new MillraceError('CONNECTION_LOST', message, { where });

/** `idle`: the session waits for us, or the server cannot say. */
type Found = { readonly kind: 'mute' | 'gone' | 'idle' } | { readonly kind: 'works'; readonly at: string };

/** `own` differs behind a pooler: then the numbers that it gives out say nothing. */
const sql = `select pg_catalog.pg_backend_pid()::text as own, a.pid::text as pid, a.wait_event_type as type, a.wait_event as event,
    pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(a.pid), ', ') as blockers
  from (select $1::int4 as wanted) w left join pg_catalog.pg_stat_activity a on a.pid = w.wanted`;

async function ask(connect: () => Promise<Asking>, { pid, options }: Watched): Promise<Found> {
  let asker: Asking | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    asker = await connect();
    const { destroy } = asker;
    timer = setTimeout(() => destroy.call(asker), options.connectTimeoutMs);
    const [row] = await asker.rows<Record<'own' | 'pid' | 'type' | 'event' | 'blockers', string | null>>(sql, [String(pid)]);
    if (!row || Number(row.own) !== asker.pid) return { kind: 'idle' };
    if (row.pid === null) return { kind: 'gone' };
    if (row.type === 'Client') return { kind: 'idle' };
    if (row.blockers) return { kind: 'works', at: `server process ${pid} waits for a lock of ${row.blockers}` };
    return { kind: 'works', at: `server process ${pid} is at work${row.type === null ? '' : ` (${row.type}: ${row.event ?? ''})`}` };
  } catch (error) {
    // Any word of the server is an answer, also a refusal.
    const refused = error instanceof PgError || (error instanceof MillraceError && error.cause instanceof PgError);
    return { kind: refused ? 'idle' : 'mute' };
  } finally {
    clearTimeout(timer);
    asker?.destroy();
  }
}
