// flow: epochs, and the ports that sources and sinks implement.
export type { Feed, FeedMembership } from './feed.ts';
export { type ChunkedLoad, type Load, type LoadedChunk, type LoadedTable, shapeOf, type TableShape, type TableStop } from './load.ts';
export { type Chunk, type RefusedTable, type RowKeys, type RunSink, type SelectedTables, type Snapshot, type SnapshotSize, type Source, type SourceState, TableChanged } from './source.ts';
export type { Committed, ConsumerPosition, Piece, TransactionalSink } from './sink.ts';
export { TablesRefused } from './refused.ts';
export type { IndexMaker, MissingIndex } from './index-maker.ts';
export { guardColumns } from './table-write.ts';
export type { RejectedRows, TableStep, TableTruncate, TableWrite, TargetColumn, TargetIndex, TargetTable } from './table-write.ts';
