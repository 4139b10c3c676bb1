// Who changes the schema of a target, its tables or ours, waits for others that do.

/** Held to the end of the transaction. The key is "millrace" in ASCII. */
export const lockTargetSql = `select pg_catalog.pg_advisory_xact_lock(${0x6d696c6c72616365n})`;
