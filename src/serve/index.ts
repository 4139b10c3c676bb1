// serve: what others connect to. HTTP for health, metrics, status and control.
export { serveHttp } from './http/server.ts';
