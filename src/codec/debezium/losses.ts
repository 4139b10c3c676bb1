// What a Debezium topic has lost or written wrongly, and the connector's setting that mends it: the words of `tail --describe`.

export interface LossEntry {
  /** One sentence. */
  readonly says: string;
  /** The setting that mends it from then on, or what else to do. */
  readonly mend: string;
  /** Whether the value is left out (never applied), has been restored exactly, or may have been changed before it came. */
  readonly effect: 'refused' | 'restored' | 'possible';
}

const refused = (says: string, mend: string): LossEntry => ({ says, mend, effect: 'refused' });
const restored = (says: string, mend: string): LossEntry => ({ says, mend, effect: 'restored' });
const possible = (says: string, mend: string): LossEntry => ({ says, mend, effect: 'possible' });

const noSetting = 'no setting of Debezium keeps it: read this table from PostgreSQL directly, or leave the column out with `drop`';

export const losses = {
  // Values that cannot be what the source had, or whose form cannot be told.
  malformed: refused('the value is not one of its announced type', 'look at the record that is shown'),
  unavailable: refused('a row with a new key carries the placeholder of an unchanged large value, and the row under its old key did not come before it', 'alter table … replica identity full'),
  intervalNumeric: refused('an interval is a number of microseconds in which a month has 30.4375 days, which cannot be taken apart again', 'interval.handling.mode=string'),
  timestampRange: refused('a timestamp is outside the range of PostgreSQL: it wrapped around when it was written', 'time.precision.mode=isostring'),
  dateRange: refused('a date is outside the range of PostgreSQL', 'look at the record that is shown'),
  varbit: refused('a bit varying does not say how many bits it has', noSetting),
  enumArray: refused('an array of an enum comes as null whatever it holds', noSetting),
  javaObject: refused('an array with more than one dimension comes as addresses of Java objects', noSetting),
  binaryUnknown: refused('the value is bytes as text, and hex cannot be told from base64', 'say which one, or use binary.handling.mode=bytes'),
  keyLost: refused('a change has no key, in a topic whose other records have one: the connector took the key from a table that had changed since', 'message.key.columns, so that the key does not depend on the table as it is now'),
  keyMissing: refused('an update or delete has neither a key nor the old row', 'alter table … replica identity full, or message.key.columns'),

  // Told by the form of the value, and put right.
  negativeScale: restored('a numeric with a negative scale is announced with a scale beyond 1000', 'nothing: it is read as what it was'),
  infinityDate: restored('an infinite date or timestamp comes as a number or year that no table can hold', 'nothing: it is read as infinity'),
  infinityName: restored('an infinite numeric comes under a name that PostgreSQL does not read', 'nothing: it is read as Infinity'),

  // Not to be told from the values.
  numericSpecial: possible('NaN and ±Infinity of a numeric come as null', 'decimal.handling.mode=string'),
  numericScale: possible('a numeric without a declared scale loses its trailing zeros', 'decimal.handling.mode=string'),
  nullDefault: possible('a null in a column with a default comes as the default', 'value.converter.replace.null.with.default=false'),
  numericDouble: possible('a numeric is rounded to a double', 'decimal.handling.mode=string'),
  milliseconds: possible('times are cut to milliseconds', 'time.precision.mode=adaptive_time_microseconds'),
  nanoseconds: possible('timestamps outside 1677-09-21 to 2262-04-11 come as null', 'time.precision.mode=microseconds'),
  timetz: possible('a time with time zone is moved to UTC, its own offset is lost', noSetting),
  midnight24: possible('24:00 comes as 00:00', 'time.precision.mode=adaptive_time_microseconds'),
  arrayShape: possible('elements of arrays with more than one dimension come as null, and lower bounds are lost', noSetting),
  polygonRing: possible('a polygon comes closed, so that one which repeats its first point at its end loses that point', noSetting),
  bits: possible('bit varying comes like bit, without saying how many bits it has: it is read as bit', noSetting),
  shapeChanged: possible('columns changed within the topic: rows from before have no value in a new column, and a renamed column is a new one', 'read the table again at the source (a new snapshot) after such a change'),
  truncates: possible('a TRUNCATE is not in the topic', 'skipped.operations=none'),
  snapshotOnly: possible('only rows of a snapshot are there: the changes of a partitioned table are in the topics of its partitions', 'alter publication … set (publish_via_partition_root = true)'),
  columnAbsent: possible('a column of the table is not in the records: a generated one, or one whose type the connector does not know', 'include.unknown.datatypes=true, if it is not generated'),
} as const satisfies Record<string, LossEntry>;

export type LossCode = keyof typeof losses;

export interface Loss {
  readonly code: LossCode;
  /** Empty: of rows, or of the topic. */
  readonly column: string;
  /** Values that it was seen in; 0: it follows from the settings alone. */
  count: number;
  /** The first such value as it came, cut to a line. */
  readonly sample: string;
}

/** Counts losses by code and column. */
export class Losses {
  readonly #all = new Map<string, Loss>();

  add(code: LossCode, column: string, count = 1, sample = ''): void {
    const key = `${code} ${column}`;
    const known = this.#all.get(key);
    if (known) known.count += count;
    else this.#all.set(key, { code, column, count, sample: sample.length > 60 ? `${sample.slice(0, 57)}...` : sample });
  }

  get list(): readonly Loss[] {
    return [...this.#all.values()];
  }
}
