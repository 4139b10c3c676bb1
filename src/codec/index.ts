// codec: bytes ↔ data, pure. Values of PostgreSQL's types, the framing of COPY.
export { typeCodec, type TypeCodec } from './pg-types/codec.ts';
export { builtinPgTypes, typeByOid } from './pg-types/type-by-oid.ts';
export { COPY_HEADER, COPY_TRAILER } from './pgcopy/format.ts';
export { CopyParser } from './pgcopy/parser.ts';
export { decodeRun, RelationCache } from './run/decode.ts';
export { encodeRun } from './run/encode.ts';
export { PgoutputDecoder, type RelationMessage } from './pgoutput/decoder.ts';
export { announces, endsBlock, isStreamed, readStreamed, restInBlock } from './pgoutput/streamed.ts';
