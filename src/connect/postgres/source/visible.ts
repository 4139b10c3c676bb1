// A commit is sent as soon as it is in the log: for a moment the catalog may not show yet what the transaction did to it.
import type { Clock } from '../../../base/index.ts';
import type { PgConnection } from '../../../wire/index.ts';

/** The full number is the one with these 32 bits that is nearest to the newest transaction's. */
const sql = `with s as (select pg_catalog.pg_current_snapshot() as s), m as (select s, pg_catalog.pg_snapshot_xmax(s)::text::int8 as m from s),
  c as (select s, m, (m >> 32 << 32) + $1::int8 as c from m)
  select pg_catalog.pg_visible_in_snapshot((case when c - m > 2147483648 then c - 4294967296 when m - c > 2147483648 then c + 4294967296 else c end)::text::xid8, s)::text as seen from c`;

const everyMs = 5;
const waitMsMax = 5000;

/** Waits until others see a transaction that has committed; a commit that waits for a synchronous standby may take longer, and is not waited for. */
export async function untilVisible(control: PgConnection, xid: number, clock: Clock): Promise<void> {
  for (let waitedMs = 0; waitedMs < waitMsMax; waitedMs += everyMs) {
    if ((await control.rows<{ seen: string }>(sql, [String(xid)]))[0]?.seen === 'true') return;
    await clock.sleep(everyMs);
  }
}
