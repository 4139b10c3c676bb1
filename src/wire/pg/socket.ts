// A TCP or TLS socket to a PostgreSQL server, up to the point where the startup message can be sent.
import { readFileSync } from 'node:fs';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type ConnectionOptions } from 'node:tls';
import { MillraceError } from '../../base/index.ts';
import { type ConnectOptions, displayTarget } from './url.ts';

/** The network's errors, which pass; all others of a handshake are about keys and protocols. */
const brokenOff = /^(ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/;

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** What came: the first `size` bytes of `bytes`, which are overwritten by what comes next. */
export type Receive = (bytes: Buffer, size: number) => void;

export interface OpenSocket {
  readonly socket: Socket;
  /** From now on gives out what comes. */
  receive(to: Receive): void;
}

/** A socket reads into the same memory again and again, so that a busy one makes no garbage. */
const readBytes = 1 << 18;

/** Opens the connection and, as sslmode asks, encrypts it. */
export async function openSocket(options: ConnectOptions): Promise<OpenSocket> {
  const open = await openTcp(options);
  if (options.sslMode === 'disable') return open;
  const { socket } = open;
  // A server that is stopped, or something between that swallows what is sent, takes the connection but never answers.
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${options.connectTimeoutMs / 1000} s`)), options.connectTimeoutMs);
  try {
    const answer = await askForTls(open, options);
    if (answer === 'S') {
      const secure = await encrypt(socket, options);
      return { socket: secure, receive: (to) => void secure.on('data', (chunk: Buffer) => to(chunk, chunk.length)) };
    }
    if (options.sslMode === 'prefer') return open;
    socket.destroy();
    throw new MillraceError('TLS_FAILED', 'the server does not offer TLS', { where: displayTarget(options), hint: 'turn ssl on at the server, or use sslmode=prefer' });
  } finally {
    clearTimeout(timer);
  }
}

function openTcp(options: ConnectOptions): Promise<OpenSocket> {
  return new Promise((resolve, reject) => {
    let receiver: Receive = () => undefined;
    const socket = connectTcp({
      host: options.host, port: options.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000,
      onread: {
        buffer: Buffer.allocUnsafeSlow(readBytes),
        callback: (size, bytes) => {
          receiver(bytes as Buffer, size);
          return true;
        },
      },
    });
    const fail = (message: string, cause?: unknown): void => {
      socket.destroy();
      reject(new MillraceError('CONNECT_FAILED', message, { where: displayTarget(options), cause }));
    };
    const timer = setTimeout(() => fail(`no answer within ${options.connectTimeoutMs / 1000} s`), options.connectTimeoutMs);
    const onError = (error: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      fail(error.code === 'ECONNREFUSED' ? 'connection refused' : error.message || String(error.code), error);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve({ socket, receive: (to) => void (receiver = to) });
    });
  });
}

function askForTls({ socket, receive }: OpenSocket, options: ConnectOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error?: unknown): void =>
      reject(new MillraceError('CONNECT_FAILED', error instanceof Error ? error.message : 'the server closed the connection', { where: displayTarget(options) }));
    socket.once('error', fail);
    socket.once('close', fail);
    receive((bytes, size) => {
      socket.off('error', fail);
      socket.off('close', fail);
      receive(() => undefined);
      // Whatever comes with the answer was not sent by the server that is to be trusted (CVE-2021-23222).
      if (size === 1) resolve(String.fromCharCode(bytes[0] as number));
      else fail(new Error('the answer to the request for TLS came with other data'));
    });
    socket.write(sslRequest);
  });
}

function encrypt(socket: Socket, options: ConnectOptions): Promise<Socket> {
  const verifies = options.sslMode === 'verify-ca' || options.sslMode === 'verify-full' || options.sslRootCert !== undefined;
  const tls: ConnectionOptions = {
    socket,
    rejectUnauthorized: verifies,
    ...(isIP(options.host) ? {} : { servername: options.host }),
    ...(options.sslRootCert ? { ca: readFileSync(options.sslRootCert) } : {}),
    ...(options.sslCert ? { cert: readFileSync(options.sslCert) } : {}),
    ...(options.sslKey ? { key: readFileSync(options.sslKey) } : {}),
    // Node would compare the certificate with "localhost" where the host is an address.
    checkServerIdentity: (_, certificate) => (options.sslMode === 'verify-full' ? checkServerIdentity(options.host, certificate) : undefined),
  };
  return new Promise((resolve, reject) => {
    const secure = connectTls(tls);
    const fail = (error: Error): void => {
      secure.destroy();
      socket.destroy();
      reject(new MillraceError(brokenOff.test(String((error as NodeJS.ErrnoException).code)) ? 'CONNECT_FAILED' : 'TLS_FAILED', error.message, { where: displayTarget(options), cause: error }));
    };
    const closed = (): void => fail(Object.assign(new Error('the connection was closed before it was encrypted'), { code: 'ECONNRESET' }));
    secure.once('error', fail);
    secure.once('close', closed);
    secure.once('secureConnect', () => {
      secure.off('error', fail);
      secure.off('close', closed);
      resolve(secure);
    });
  });
}
