// codec: bytes to data and back, pure.
export { PgoutputDecoder, type RelationMessage } from './pgoutput/decoder.ts';
