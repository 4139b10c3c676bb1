// SQL for where a server's WAL ends.

/**
 * An expression of type pg_lsn: what was written (or inserted, or flushed) last; on a standby, what it has replayed. Everything that a
 * standby shows has been replayed, so that the difference does not matter there.
 */
export const walEndSql = (what: 'written' | 'inserted' | 'flushed' = 'written'): string =>
  `case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn() else pg_catalog.pg_current_wal_${{ written: '', inserted: 'insert_', flushed: 'flush_' }[what]}lsn() end`;
