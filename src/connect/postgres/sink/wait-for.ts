// millrace.wait_for(source, lsn, timeout, replica): a function in the target that waits until what the source had committed at an LSN is there, so
// that an application that has just written at the source can read its own write at the replica.
import { PgError, type PgConnection } from '../../../wire/index.ts';

/** A volatile function sees what has committed before each of its statements, under READ COMMITTED only. */
export const waitForSql = `create or replace function millrace.wait_for(source text, lsn pg_catalog.pg_lsn, timeout interval default '10 seconds', replica text default null)
  returns pg_catalog.pg_lsn language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  until timestamptz := clock_timestamp() + timeout;
  reached pg_lsn;
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'a transaction that is % cannot see what is waited for', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state', hint = 'wait before it begins, or use READ COMMITTED';
  end if;
  loop
    select min(p.position::pg_lsn) into reached from millrace.positions p where p.part = source and (replica is null or p.consumer = replica);
    if reached is null then
      raise exception 'no replica in this database reads from source "%"', source using errcode = 'undefined_object';
    elsif reached >= lsn then
      return reached;
    elsif clock_timestamp() >= until then
      raise exception 'the replica of "%" is at %, not yet at %', source, reached, lsn using errcode = 'query_canceled', detail = format('waited for %s', timeout);
    end if;
    perform pg_sleep(0.003);
  end loop;
end $$`;

/** Makes the function. A role that may not make one works without it. */
export async function ensureWaitFor(connection: PgConnection): Promise<void> {
  const [row] = await connection.rows<{ there: string }>(
    "select (to_regprocedure('millrace.wait_for(text, pg_catalog.pg_lsn, interval, text)') is not null)::text as there");
  if (row?.there === 'true') return;
  await connection.query(waitForSql).catch((error: unknown) => {
    // 42501: it may not; 23505, XX000: another process makes it at this moment.
    if (!(error instanceof PgError) || !['42501', '23505', 'XX000'].includes(error.code)) throw error;
  });
}
