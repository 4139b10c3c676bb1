// wire: client protocols on sockets. PostgreSQL's, with pipelining, COPY and replication.
export { PgConnection, tagCount, type CopyBoth, type CopyIn } from './pg/connection.ts';
export type { Result } from './pg/request.ts';
export { describePgError, isTransient, PgError } from './pg/errors.ts';
export { inTransaction, withConnection } from './pg/with-connection.ts';
export { displayTarget, parsePgUrl, type ConnectOptions, type PgAddress } from './pg/url.ts';
export type { Secret } from './pg/secret.ts';
export { longLived } from './pg/session-settings.ts';
