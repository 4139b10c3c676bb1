// base: errors, assertions, clock, chance, bytes, queues, logs, metrics. No domain, no I/O beyond stderr.
export { assert, unreachable } from './assert.ts';
export { Backoff } from './backoff.ts';
export { ByteReader, ByteWriter, readI64, readU64 } from './bytes.ts';
export { catalogue, type CatalogueEntry, type ErrorCode } from './catalogue.ts';
export { type Clock, systemClock } from './clock.ts';
export { crashPoint, crashPoints, type CrashPoint } from './crash-point.ts';
export { asMillraceError, formatError, MillraceError, type ErrorParts } from './errors.ts';
export { createLogger, silentLogger, type Fields, type Logger } from './logger.ts';
export { Metrics, metricSpecs, type MetricName, type MetricSpec } from './metrics.ts';
export { Queue } from './queue.ts';
export { Random } from './random.ts';
