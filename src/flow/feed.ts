// A source as its consumers see it: its stream, how to join it, and what they owe it (word of how far they are).
import type { ChangeStream } from '../bus/index.ts';
import type { Position } from '../data/index.ts';
import type { Source, SourceState } from './source.ts';

export interface Feed {
  readonly source: Source;
  readonly stream: ChangeStream;
  /** Resolves once the source is open and its stream has a beginning; again after every reconnect. Undefined when the signal aborts first. */
  opened(signal: AbortSignal): Promise<SourceState | undefined>;
  /**
   * Announces a consumer. Until its first `holds` nothing is acknowledged to the source and nothing is trimmed.
   * @param onTables Hears what `opened` would say now, whenever that may be something else.
   */
  join(consumer: string, onTables?: (state: SourceState) => void): FeedMembership;
}

export interface FeedMembership {
  /** The consumer can always go on from `position`: what commits at or after it must be kept for it. */
  holds(position: Position): void;
  leave(): void;
}
