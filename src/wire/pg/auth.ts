// SASL SCRAM-SHA-256 (RFC 5802, 7677) and md5 password answers.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { ByteWriter, MillraceError } from '../../base/index.ts';

const deriveKey = promisify(pbkdf2);
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const md5 = (...parts: (string | Buffer)[]): string => parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest('hex');

/** The answer to AuthenticationMD5Password. */
const md5Answer = (user: string, password: string, salt: Buffer): string => `md5${md5(md5(password, user), salt)}`;

/** One SCRAM exchange: `first` opens it, `answer` replies to the server's challenge, `check` proves that the server knows the password too. */
class Scram {
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

/** Answers what the server asks of a session that begins. */
export class Authentication {
  readonly #user: string;
  readonly #password: string | undefined;
  readonly #where: string;
  #scram: Scram | undefined;

  constructor(user: string, password: string | undefined, where: string) {
    this.#user = user;
    this.#password = password;
    this.#where = where;
  }

  /** The body of the answer to an authentication message; undefined when none is wanted. Throws AUTH_FAILED. */
  async answer(body: Buffer): Promise<Buffer | undefined> {
    const kind = body.readInt32BE(0);
    switch (kind) {
      case 0:
        return undefined;
      case 3:
        return new ByteWriter().cstring(this.#secret).take();
      case 5:
        return new ByteWriter().cstring(md5Answer(this.#user, this.#secret, body.subarray(4, 8))).take();
      case 10: {
        if (!body.subarray(4).toString().split('\0').includes('SCRAM-SHA-256')) throw this.#failed('the server asks for an authentication method that is not supported');
        this.#scram = new Scram(this.#secret);
        const first = this.#scram.first();
        return new ByteWriter().cstring('SCRAM-SHA-256').i32(first.length).text(first).take();
      }
      case 11:
        return Buffer.from((await this.#scram?.answer(body.toString('utf8', 4))) ?? '');
      case 12:
        this.#scram?.check(body.toString('utf8', 4));
        return undefined;
      default:
        throw this.#failed(`authentication method ${kind} is not supported`);
    }
  }

  get #secret(): string {
    if (this.#password === undefined) throw new MillraceError('AUTH_FAILED', `the server asks for a password for user "${this.#user}"`, { where: this.#where });
    return this.#password;
  }

  #failed(message: string): MillraceError {
    return new MillraceError('AUTH_FAILED', message, { where: this.#where, retriable: false });
  }
}
