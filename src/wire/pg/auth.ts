// SASL SCRAM-SHA-256 (RFC 5802, 7677) and md5 password answers.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { MillraceError } from '../../base/index.ts';

const deriveKey = promisify(pbkdf2);
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const md5 = (...parts: (string | Buffer)[]): string => parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest('hex');

/** The answer to AuthenticationMD5Password. */
export const md5Answer = (user: string, password: string, salt: Buffer): string => `md5${md5(md5(password, user), salt)}`;

/** One SCRAM exchange: `first` opens it, `answer` replies to the server's challenge, `check` proves that the server knows the password too. */
export class Scram {
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString('base64');
  #serverSignature: Buffer | undefined;

  constructor(password: string) {
    this.#password = password.normalize('NFKC');
  }

  first(): string {
    return `n,,${this.#bare()}`;
  }

  #bare(): string {
    return `n=*,r=${this.#nonce}`;
  }

  async answer(challenge: string): Promise<string> {
    const parts = new Map(challenge.split(',').map((part) => [part[0], part.slice(2)] as const));
    const [nonce, salt, rounds] = [parts.get('r'), parts.get('s'), Number(parts.get('i'))];
    if (!nonce?.startsWith(this.#nonce) || !salt || !(rounds > 0)) throw new MillraceError('PROTOCOL_VIOLATION', 'malformed SCRAM challenge');
    const salted = await deriveKey(this.#password, Buffer.from(salt, 'base64'), rounds, 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const withoutProof = `c=biws,r=${nonce}`;
    const exchange = `${this.#bare()},${challenge},${withoutProof}`;
    const signature = hmac(storedKey, exchange);
    const proof = clientKey.map((byte, i) => byte ^ (signature[i] as number));
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), exchange);
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`;
  }

  check(final: string): void {
    const given = Buffer.from(/^v=([^,]+)/.exec(final)?.[1] ?? '', 'base64');
    const expected = this.#serverSignature;
    if (!expected || given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new MillraceError('AUTH_FAILED', 'the server could not prove that it knows the password', { retriable: false });
    }
  }
}
