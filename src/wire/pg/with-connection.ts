// A connection of one's own for one piece of work.
import { PgConnection } from './connection.ts';
import { describePgError } from './errors.ts';
import { abandonable } from './session-settings.ts';
import { parsePgUrl, type PgAddress } from './url.ts';

/** Connects, works, closes. The server's errors come as MillraceErrors with the place of the connection. */
export async function withConnection<T>(address: PgAddress, work: (connection: PgConnection) => Promise<T>): Promise<T> {
  const connection = await PgConnection.connect(parsePgUrl(address));
  try {
    return await work(connection);
  } catch (error) {
    throw describePgError(error, connection.where);
  } finally {
    await connection.close();
  }
}

/** Works in one transaction: all or nothing, and no locks for longer than a minute when this process is gone. */
export async function inTransaction<T>(connection: PgConnection, work: () => Promise<T>): Promise<T> {
  await connection.set(abandonable);
  await connection.query('begin');
  try {
    const result = await work();
    await connection.query('commit');
    return result;
  } catch (error) {
    if (!connection.closed) await connection.query('rollback').catch(() => undefined);
    throw error;
  }
}
