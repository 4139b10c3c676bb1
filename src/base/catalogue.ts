// The catalogue of errors. docs/reference/errors.md is generated from it, so `meaning` and `next` are written for users.

export interface CatalogueEntry {
  /** One sentence: what this error says about the world. */
  readonly meaning: string;
  /** What to do next. */
  readonly next: string;
  /** Whether Millrace tries again by itself. */
  readonly retriable: boolean;
}

const entry = (meaning: string, next: string, retriable = false): CatalogueEntry => ({ meaning, next, retriable });

export const catalogue = {
  INTERNAL: entry('Millrace met a state that its authors did not foresee.', 'please report it with the detail printed here'),

  // Command line
  USAGE: entry('The command line names a command, option or value that does not exist.', 'see `millrace --help`'),

  // Configuration
  CONFIG_NOT_FOUND: entry('The project folder has neither millrace.yaml nor millrace.config.ts.', 'run `millrace init`, or name the folder with --project DIR'),
  CONFIG_SYNTAX: entry('The configuration file is not valid YAML (or TypeScript).', 'mend the line that is shown'),
  CONFIG_INVALID: entry('A key is unknown, a value has the wrong form, or names do not fit together.', 'mend the line that is shown; `millrace check` checks again without touching a database'),
  CONFIG_VARIABLE: entry('A ${NAME} has no value in the environment, in .env or in the file it names.', 'set it, or give a default: ${NAME:-default}'),
  TABLE_UNKNOWN: entry('A table pattern or name matches no table of the source.', 'correct the name; `millrace doctor` lists what the source has'),
  COLUMN_UNKNOWN: entry('A rule names a column that the table does not have.', 'correct the name'),
  EXPRESSION_INVALID: entry('A SQL expression of a rule does not parse, or its types do not fit.', 'correct the expression'),
  RULE_INVALID: entry('A rule cannot work for this table.', 'change the rule as the message says'),
  TRANSFORM_FAILED: entry('A transform threw, or returned something that is not a row.', 'mend the transform; the row is kept in the dead letters'),
  NAME_UNKNOWN: entry('No source or replica of the project has this name.', 'use one of the names that are shown'),

  FILE_REFUSED: entry('The system does not let Millrace read or write a file or folder of the project.', 'give the user that runs Millrace the right to it, or free space on its disk'),

  // Connections and servers
  CONNECT_FAILED: entry('The server cannot be reached.', 'check host, port and network; Millrace keeps trying while it runs', true),
  CONNECTION_LOST: entry('An established connection broke.', 'nothing: Millrace reconnects by itself', true),
  AUTH_FAILED: entry('The server refused the user or the password.', 'check the URL; a changed password is read again at the next attempt', true),
  TLS_FAILED: entry('The encrypted connection could not be made or its certificate was not accepted.', 'check sslmode and sslrootcert in the URL'),
  SERVER_ERROR: entry('The server answered with an error that is not handled more precisely.', 'see the detail, which is the server\'s own text'),
  PROTOCOL_VIOLATION: entry('The server sent bytes that do not follow its protocol.', 'please report it; nothing was acknowledged, so nothing is lost'),
  PRIVILEGE_MISSING: entry('The database user lacks a privilege that Millrace needs.', 'run the GRANT that is shown, or `millrace doctor` for all of them'),
  SERVER_TOO_OLD: entry('The server is older than PostgreSQL 15.', 'upgrade the server, or use a replica of it that is newer'),

  // Source
  WAL_LEVEL: entry('The source does not write enough WAL for logical decoding.', 'set wal_level = logical and restart the server: alter system set wal_level = logical'),
  SLOT_LOST: entry('The replication slot is gone, or the server has removed WAL that it still needed.', 'run `millrace resync SOURCE` to make a new slot and read the tables again'),
  SLOT_IN_USE: entry('Another process is connected to the replication slot.', 'stop that process, or give this project its own slot name (sources.NAME.slot)', true),
  SLOT_OF_ANOTHER_PROJECT: entry('Slot and publication of this name belong to another project, whose changes would be lost to it if this one used them.', 'give this source a slot of its own (sources.NAME.slot), or take the place of the other project as the message shows'),
  SLOT_LIMIT: entry('The server has no free replication slot or WAL sender.', 'raise max_replication_slots and max_wal_senders, or drop slots that nobody uses', true),
  SOURCE_CHANGED: entry('The server behind the URL is not the one that the positions belong to.', 'point the URL to the old server, or run `millrace resync SOURCE`'),
  NOT_ADOPTABLE: entry('Replicas cannot go on with this server as it is: changes would be lost to them, or there is nothing to adopt.', 'do what the message shows; `millrace resync SOURCE` reads the tables again'),
  POSITION_GAP: entry('Changes between the stored position and what source and log still hold are gone.', 'run `millrace resync REPLICA` to read the tables again'),
  PUBLICATION_MISSING: entry('The publication does not exist or lacks tables.', 'let Millrace make it (grant CREATE on the database), or create it with the SQL shown'),
  IDENTITY_MISSING: entry('A table has no primary key and no replica identity, so its updates and deletes cannot be applied.', 'alter table T replica identity full, or declare the table append-only: `appendOnly: true`'),

  // Log
  LOG_CORRUPT: entry('A record of the embedded log does not match its checksum.', 'nothing: it is set aside and read again from the source; check the disk'),
  LOG_VERSION: entry('The folder was written by a newer release of Millrace.', 'use that release or a newer one'),
  LOG_DISK: entry('The embedded log, or a transaction in progress, cannot be written to disk.', 'free space on the disk that holds .millrace/; Millrace waits meanwhile', true),
  ALREADY_RUNNING: entry('Another process runs this project.', 'stop it first; its pid is shown'),
  NOT_RUNNING: entry('No process runs this project.', 'start it with `millrace up`'),

  // Target
  TARGET_MISMATCH: entry('The target table does not fit what would be written to it.', 'change the table or the rule; `millrace plan --sql` prints the DDL'),
  TARGET_DDL_REFUSED: entry('A change of the target\'s schema is pending and --no-ddl forbids it.', 'apply the DDL that `millrace plan --sql` prints; Millrace goes on when it is there', true),
  SCHEMA_CHANGED: entry('A table of the source has another shape, and `schemaChanges: fail` lets no table follow by itself.', 'let it follow, and read the table again: `millrace resync REPLICA.TABLE`'),
  INDEX_REFUSED: entry('The target refused to make an index that a rule asks for; the table goes on without it.', 'mend what the message names, or change the rule; it is tried again at the next start, and when the table is read again'),
  FENCED: entry('Another process has taken over this replica.', 'nothing, if that was wanted; else stop the other process'),
  VALUE_INVALID: entry('A value is not one of its column\'s type, so it cannot be written without changing it.', 'mend the transform or the rule that makes the value'),
  ROW_REJECTED: entry('The target refused a row.', 'see it with `millrace dead show ID`, mend the cause, then `millrace dead replay ID`'),
  ROW_MISSING: entry('An update carries only a part of the row, and the target has no row to complete it.', 'run `millrace resync TABLE`, or replay the dead letter after the row is there'),
  TARGET_BUSY: entry('The target refused for a reason that passes: a lock, a timeout, a deadlock, a restart, a full or failing disk.', 'nothing: Millrace tries again', true),
  LETTER_OF_RULE: entry('The letter is of a row that a rule or transform could not make, so there is nothing to apply yet.', 'mend the rule, start `millrace up` again, then `millrace resync` the table'),
  LETTER_UNSURE: entry('The letter moves or deletes a row in such a way that rows which are not its own might change with it.', '`millrace resync` the table'),
  LETTER_UNKNOWN: entry('There is no dead letter with this number, or it is no longer open.', 'list them with `millrace dead list`'),

  // Resync of single rows
  NOT_STREAMING: entry('The replica does not stream, so nothing can be done at a point of its stream.', 'see `millrace status`; `millrace resume REPLICA` if it is paused', true),
  RESYNC_IMPOSSIBLE: entry('Single rows of this table cannot be read again.', 'read the whole table again: `millrace resync REPLICA.TABLE`'),

  // Verify
  VERIFY_IMPOSSIBLE: entry('Source and target could not be compared at one point.', 'see the detail; start the replica with `millrace up` if it is behind'),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;
