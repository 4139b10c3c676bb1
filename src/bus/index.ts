// bus: where changes wait between a source and its consumers. The ChangeStream port, and its implementation on our own log.
export { AbandonedTransaction, type ChangeStream, type StreamReader } from './stream.ts';
export { EmbeddedStream } from './embedded.ts';
export { followLog, type FollowOptions } from './follow.ts';
