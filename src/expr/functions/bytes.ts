// Hashes and encodings.
import { createHash } from 'node:crypto';
import { evaluationFailed } from '../errors.ts';
import { prepared, routine, type Routine } from '../routine.ts';

const digest = (algorithm: string) => (bytes: Buffer): Buffer => createHash(algorithm).update(bytes).digest();
const md5 = (input: string | Buffer): string => createHash('md5').update(input).digest('hex');

const unknownEncoding = (name: string): never => evaluationFailed('22023', `unrecognized encoding: "${name}"`);

function encoder(name: string): (bytes: Buffer) => string {
  switch (name.toLowerCase()) {
    case 'hex':
      return (bytes) => bytes.toString('hex');
    case 'base64':
      // Lines of 76 characters, after RFC 2045.
      return (bytes) => bytes.toString('base64').replace(/.{76}(?=.)/g, '$&\n');
    case 'escape':
      return (bytes) => [...bytes].map((byte) => (byte === 92 ? '\\\\' : byte === 0 || byte > 127
        ? `\\${byte.toString(8).padStart(3, '0')}` : String.fromCharCode(byte))).join('');
    default:
      return unknownEncoding(name);
  }
}

function decoder(name: string): (text: string) => Buffer {
  switch (name.toLowerCase()) {
    case 'hex':
      return (text) => {
        const digits = text.replace(/[ \n\t\r]/g, '');
        const odd = /[^\da-f]/i.exec(digits);
        if (odd) return evaluationFailed('22023', `invalid hexadecimal digit: "${odd[0]}"`);
        return digits.length % 2 === 1 ? evaluationFailed('22023', 'invalid hexadecimal data: odd number of digits') : Buffer.from(digits, 'hex');
      };
    case 'base64':
      return (text) => {
        const symbols = text.replace(/[ \n\t\r]/g, '');
        const odd = /[^A-Za-z0-9+/=]/.exec(symbols);
        if (odd) return evaluationFailed('22023', `invalid symbol "${odd[0]}" found while decoding base64 sequence`);
        return /^[^=]*={0,2}$/.test(symbols) && symbols.length % 4 === 0 ? Buffer.from(symbols, 'base64') : evaluationFailed('22023',
          'invalid base64 end sequence');
      };
    default:
      return unknownEncoding(name);
  }
}

export const byteFunctions: Routine[] = [
  routine('md5', 'text -> text', md5, 'MD5 of the UTF-8 text, in hexadecimal'),
  routine('md5', 'bytea -> text', md5, 'MD5 in hexadecimal'),
  ...['sha224', 'sha256', 'sha384', 'sha512'].map((name) => routine(name, 'bytea -> bytea', digest(name),
    `${name.toUpperCase().replace('SHA', 'SHA-')}; of text: \`${name}(convert_to(x, 'UTF8'))\``)),
  prepared('encode', 'bytea, text -> text', 1, encoder, 'Bytes as `hex`, `base64` or `escape` text'),
  prepared('decode', 'text, text -> bytea', 1, decoder, 'Bytes of `hex` or `base64` text'),
  routine('length', 'bytea -> int4', (bytes: Buffer) => bytes.length, 'Number of bytes'),
  routine('octet_length', 'bytea -> int4', (bytes: Buffer) => bytes.length, 'Number of bytes'),
  routine('convert_to', 'text, name -> bytea', (text: string, encoding: string) => utf8(text, encoding),
    "Bytes of the text in an encoding, only 'UTF8'"),
];

function utf8(text: string, encoding: string): Buffer {
  return /^utf-?8$/i.test(encoding) ? Buffer.from(text) : evaluationFailed('0A000', `encoding "${encoding}" is not supported, only 'UTF8'`);
}
