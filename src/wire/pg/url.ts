// Connection URLs of PostgreSQL, as libpq reads them (the parts that a network client needs).
import { MillraceError } from '../../base/index.ts';
import type { Secret } from './secret.ts';

export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
const sslModes: readonly string[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | Secret | undefined;
  readonly database: string;
  readonly sslMode: SslMode;
  /** File with the certificate authorities to trust. */
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
  readonly connectTimeoutMs: number;
  /** How long an answer may be outstanding before the server is asked whether it lives; see watch.ts. */
  readonly silenceMsMax?: number;
  /** Settings sent at the start of the session, e.g. application_name. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A database: a URL, and its password if that is not in it or may change. */
export type PgAddress = string | { readonly url: string; readonly password: Secret };

/** Reads postgres://user:password@host:port/database?sslmode=…; throws CONNECT_FAILED for anything else. */
export function parsePgUrl(address: PgAddress): ConnectOptions {
  return typeof address === 'string' ? parseUrl(address) : { ...parseUrl(address.url), password: address.password };
}

function parseUrl(text: string): Omit<ConnectOptions, 'password'> & { readonly password: string | undefined } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new MillraceError('CONNECT_FAILED', 'not a connection URL', { retriable: false, hint: 'write postgres://user:password@host:5432/database' });
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new MillraceError('CONNECT_FAILED', `unknown protocol ${url.protocol}//`, { retriable: false, hint: 'write postgres://user:password@host:5432/database' });
  }
  const query = url.searchParams;
  const sslMode = query.get('sslmode') ?? 'prefer';
  if (!sslModes.includes(sslMode)) {
    throw new MillraceError('TLS_FAILED', `unknown sslmode "${sslMode}"`, { hint: `use one of ${sslModes.join(', ')}` });
  }
  const user = decodeURIComponent(url.username) || query.get('user') || 'postgres';
  const settings: Record<string, string> = { application_name: query.get('application_name') ?? 'millrace' };
  if (query.get('options')) settings['options'] = query.get('options') as string;
  const file = (name: string): string | undefined => query.get(name) ?? undefined;
  const [rootCert, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')];
  return {
    host: decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '') || query.get('host') || '127.0.0.1',
    port: Number(url.port || query.get('port') || 5432),
    user,
    password: decodeURIComponent(url.password) || (query.get('password') ?? undefined),
    database: decodeURIComponent(url.pathname.slice(1)) || user,
    sslMode: sslMode as SslMode,
    ...(rootCert ? { sslRootCert: rootCert } : {}),
    ...(cert ? { sslCert: cert } : {}),
    ...(key ? { sslKey: key } : {}),
    connectTimeoutMs: Number(query.get('connect_timeout') ?? 10) * 1000,
    settings,
  };
}

/** `user@host:port/database`, for messages: never the password. */
export const displayTarget = (options: ConnectOptions): string => `${options.user}@${options.host}:${options.port}/${options.database}`;
