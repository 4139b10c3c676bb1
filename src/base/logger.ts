// Structured logs on stderr. ERROR = loss or corruption, WARN = a surprise that was handled, INFO = a change of state, DEBUG = per batch.
import { pino } from 'pino';

export type Fields = Record<string, string | number | boolean | bigint | undefined>;

export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger that adds these fields to every line. */
  with(fields: Fields): Logger;
}

const printable = (fields: Fields): Fields => {
  const out: Fields = {};
  for (const [key, value] of Object.entries(fields)) out[key] = typeof value === 'bigint' ? value.toString() : value;
  return out;
};

function wrap(inner: ReturnType<typeof pino>): Logger {
  return {
    debug: (message, fields = {}) => inner.debug(printable(fields), message),
    info: (message, fields = {}) => inner.info(printable(fields), message),
    warn: (message, fields = {}) => inner.warn(printable(fields), message),
    error: (message, fields = {}) => inner.error(printable(fields), message),
    with: (fields) => wrap(inner.child(printable(fields))),
  };
}

/** JSON lines on stderr, one an event. `level`: trace, debug, info, warn, error, silent. */
export function createLogger(level: string = process.env['MILLRACE_LOG'] ?? 'info'): Logger {
  return wrap(
    pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, pino.destination({ dest: 2, sync: true })),
  );
}

export const silentLogger: Logger = createLogger('silent');
