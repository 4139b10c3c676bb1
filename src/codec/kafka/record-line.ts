// A record as one line of JSON: what `kcat -J` prints, and a form with names instead of pairs, in which bytes may be base64.
import { MillraceError } from '../../base/index.ts';
import type { KafkaRecord } from './record.ts';

/**
 * Reads `{"topic","partition","offset","ts","key","payload","headers":[name, value, …]}`, or `{"topic","partition","offset","timestamp","key","value",
 * "headers":[{"key","value"}]}`. Beside key and value (payload) may stand `keyEncoding` and `valueEncoding`: "base64". What is missing is null or 0.
 * Throws PROTOCOL_VIOLATION, with `where` as the place.
 */
export function readRecordLine(line: string, where: string): KafkaRecord {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch (error) {
    throw unreadable(where, (error as Error).message);
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read)) throw unreadable(where, 'the line is no JSON object');
  const fields = read as Readonly<Record<string, unknown>>;
  const value = 'payload' in fields ? fields['payload'] : fields['value'];
  if (value === undefined && !('key' in fields)) throw unreadable(where, 'the line has neither key nor payload');
  const number = (name: string): number => (typeof fields[name] === 'number' ? fields[name] : 0);
  return {
    topic: typeof fields['topic'] === 'string' ? fields['topic'] : '',
    partition: number('partition'),
    offset: number('offset'),
    timestampMs: number('ts') || number('timestamp'),
    key: bytesOf(fields['key'], fields['keyEncoding'], where),
    value: bytesOf(value, fields['valueEncoding'] ?? fields['payloadEncoding'], where),
    headers: headersOf(fields['headers'], where),
  };
}

function bytesOf(value: unknown, encoding: unknown, where: string): Buffer | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return Buffer.from(value, encoding === 'base64' ? 'base64' : 'utf8');
  throw unreadable(where, 'key and payload must be strings, so that the digits of their numbers stay as they are');
}

function headersOf(headers: unknown, where: string): KafkaRecord['headers'] {
  if (headers === null || headers === undefined) return [];
  if (!Array.isArray(headers)) throw unreadable(where, 'headers is no array');
  if (headers.every((one) => typeof one === 'object' && one !== null)) {
    return headers.map((one: Readonly<Record<string, unknown>>) => ({ key: String(one['key']), value: bytesOf(one['value'], one['encoding'], where) }));
  }
  return Array.from({ length: headers.length >> 1 }, (_, i) => ({ key: String(headers[i * 2]), value: bytesOf(headers[i * 2 + 1], undefined, where) }));
}

const unreadable = (where: string, detail: string): MillraceError =>
  new MillraceError('PROTOCOL_VIOLATION', 'a line is no record as kcat prints it', { where, detail, hint: 'write the file with `kcat -C -e -J -b BROKER -t TOPIC`' });
