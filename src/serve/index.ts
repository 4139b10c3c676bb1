// serve: what others connect to. HTTP for health, metrics, status and control.
export { serveHttp, type HttpServer } from './http/server.ts';
