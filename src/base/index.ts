// base: errors, assertions, clock, chance, bytes, logs, metrics. No domain, no I/O beyond stderr.
export { assert } from './assert.ts';
export { Backoff } from './backoff.ts';
export { ByteReader, ByteWriter, copyBytes, lengthened, readI64, readU64 } from './bytes.ts';
export { catalogue, type CatalogueEntry, type ErrorCode } from './catalogue.ts';
export { type Clock, systemClock } from './clock.ts';
export { crashPoint, crashPoints } from './crash-point.ts';
export { asMillraceError, formatError, MillraceError } from './errors.ts';
export { createLogger, silentLogger, type Fields, type Logger } from './logger.ts';
export { Metrics, metricSpecs, type MetricSpec } from './metrics.ts';
export { Random } from './random.ts';
export { TokenBucket } from './token-bucket.ts';
