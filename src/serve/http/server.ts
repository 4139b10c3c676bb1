// The HTTP server of a running project: GET /health /ready /metrics /status, and POST /replicas/NAME/pause|resume|resync|rows|hold|release.
//
// It has no login, so it listens on loopback unless `serve.http` says otherwise, and it defends itself against web pages: on loopback the
// Host header must name this machine (a page whose name was rebound to 127.0.0.1 sends its own), there is no CORS, and a POST that a
// browser sends for a page (it carries Origin) is refused.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { asMillraceError, MillraceError } from '../../base/index.ts';
import type { Running } from '../../control/index.ts';
import { routes, type Answer } from './routes.ts';

export interface HttpServer {
  /** http://HOST:PORT, as a client on this machine reaches it. */
  readonly url: string;
  /** From now on requests are answered for this project; before, everything but /health is 503. */
  attach(running: Running): void;
  close(): Promise<void>;
}

/** Listens on an address; default: a free port of 127.0.0.1. Throws CONFIG_INVALID when that is impossible. */
export async function serveHttp({ host, port }: { host: string; port: number } = { host: '127.0.0.1', port: 0 }): Promise<HttpServer> {
  const loopback = host === 'localhost' || host === '::1' || host.startsWith('127.');
  let running: Running | undefined;

  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 5000, maxHeaderSize: 16_384 }, (request, response) => {
    answer(request, loopback, running).then(
      (done) => send(response, done, request.method === 'HEAD'),
      (error: unknown) => send(response, errorAnswer(error), false),
    );
  });
  server.maxConnections = 200;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(new MillraceError('CONFIG_INVALID', `cannot listen on ${host}:${port}`, { where: 'serve.http', detail: error.message, hint: 'choose a free port', cause: error }));
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  const realPort = typeof bound === 'object' && bound ? bound.port : port;
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return {
    url: `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${realPort}`,
    attach: (it) => void (running = it),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, loopback: boolean, running: Running | undefined): Promise<Answer> {
  request.resume(); // bodies are not read
  if (loopback && !isThisMachine(request.headers.host)) {
    return problem(403, new MillraceError('USAGE', 'the Host header does not name this machine', { hint: 'call it as 127.0.0.1 or localhost' }));
  }
  const url = new URL(request.url ?? '/', 'http://localhost');
  const parts = url.pathname.split('/').filter((part) => part !== '').map(decode);
  const route = routes.find((each) => each.path.length === parts.length && each.path.every((part, i) => part === '*' || part === parts[i]));
  if (!route) return problem(404, new MillraceError('USAGE', `there is nothing at ${url.pathname}`, { hint: routes.map((each) => `${each.method} /${each.path.join('/')}`).join('\n') }));
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (method !== route.method) {
    return { ...problem(405, new MillraceError('USAGE', `${url.pathname} wants ${route.method}`, { hint: `send ${route.method}` })), headers: { allow: route.method } };
  }
  if (method === 'POST' && request.headers.origin !== undefined) {
    return problem(403, new MillraceError('USAGE', 'web pages may not control a project', { hint: 'use the command line, or send no Origin header' }));
  }
  if (!running && !route.always) return problem(503, new MillraceError('NOT_RUNNING', 'the project is starting', { hint: 'ask again in a moment' }));
  return route.answer({ running: running as Running, name: parts[1] ?? '', query: url.searchParams });
}

const decode = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

function isThisMachine(host: string | undefined): boolean {
  if (host === undefined) return false;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(name);
}

/** Unforeseen errors tell nothing of their stack. */
function errorAnswer(thrown: unknown): Answer {
  const error = asMillraceError(thrown);
  const status = error.code === 'NAME_UNKNOWN' ? 404 : error.code === 'USAGE' ? 400 : error.code === 'INTERNAL' ? 500 : error.retriable ? 503 : 409;
  return problem(status, error);
}

function problem(status: number, error: MillraceError): Answer {
  const { code, message, hint, where, detail } = error;
  const body = { code, message, hint, ...(where ? { where } : {}), ...(detail && code !== 'INTERNAL' ? { detail } : {}) };
  return { status, body };
}

function send(response: ServerResponse, { status, body, headers }: Answer, headOnly: boolean): void {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': typeof body === 'string' ? 'text/plain; version=0.0.4; charset=utf-8' : 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(headOnly ? undefined : text);
}
