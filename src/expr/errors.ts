// Errors of an expression while it runs over a row.

/** What PostgreSQL would have answered for this row: its SQLSTATE and its message. The row is bad, not the expression. */
export class EvaluationError extends Error {
  /** Five characters, e.g. 22012 for a division by zero. */
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.name = 'EvaluationError';
    this.sqlState = sqlState;
  }
}

/** The expression needs a value that the source did not send (an unchanged TOAST value): the table needs REPLICA IDENTITY FULL. */
export class UnchangedValueError extends Error {
  /** The name of the column in the scope. */
  readonly column: string;

  constructor(column: string) {
    super(`the value of "${column}" was not sent, since the update did not change it`);
    this.name = 'UnchangedValueError';
    this.column = column;
  }
}

const fail = (sqlState: string, message: string): never => {
  throw new EvaluationError(sqlState, message);
};

export const divisionByZero = (): never => fail('22012', 'division by zero');
export const outOfRange = (type: string): never => fail('22003', type === 'numeric' ? 'value overflows numeric format' : type.startsWith('float')
  ? 'value out of range: overflow' : `${sqlName[type] ?? type} out of range`);
export const underflow = (): never => fail('22003', 'value out of range: underflow');
export const badInput = (type: string, text: string): never => fail('22P02', `invalid input syntax for type ${sqlName[type] ?? type}: "${text}"`);
export const badDate = (type: string, text: string): never => fail('22007', `invalid input syntax for type ${sqlName[type] ?? type}: "${text}"`);
export const evaluationFailed = fail;

/** Types as PostgreSQL's messages call them. */
const sqlName: Readonly<Record<string, string>> = {
  int2: 'smallint', int4: 'integer', int8: 'bigint', float4: 'real', float8: 'double precision', bool: 'boolean',
  timestamp: 'timestamp', timestamptz: 'timestamp with time zone', varchar: 'character varying', bpchar: 'character',
};

export const typeInMessages = (type: string): string => sqlName[type] ?? type;
