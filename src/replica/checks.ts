// Whether a replica can go on from its position.
import { MillraceError } from '../base/index.ts';
import type { Position } from '../data/index.ts';
import type { ConsumerPosition, Feed, LoadedTable, Source, SourceState } from '../flow/index.ts';

/** Throws SOURCE_CHANGED or SLOT_LOST when the source is not one that the replica can go on from. */
export async function checkIdentity(known: ConsumerPosition, state: SourceState, source: Source, replica: string): Promise<void> {
  const position = (at: Position): string => source.formatPosition(at);
  const { identity } = known;
  if (identity.systemId !== '' && identity.systemId !== state.identity.systemId) {
    throw new MillraceError('SOURCE_CHANGED', `source "${source.name}" is another server than the one that replica "${replica}" was filled from`, {
      detail: `system identifier ${state.identity.systemId}, before ${identity.systemId}`,
      hint: `point the URL to the old server; or, if this is that server after an upgrade, with the same rows: millrace resync ${source.name} --adopt; or read the tables again: millrace resync ${replica}`,
    });
  }
  const left = state.branches.find((branch) => branch.timeline === identity.timeline);
  const end = await source.end();
  if (known.position > end || (left && known.position > left.at)) {
    throw new MillraceError('SOURCE_CHANGED', `source "${source.name}" is behind what replica "${replica}" has of it: it was restored from an older state, or a standby was promoted that had not received everything`, {
      detail: `${left ? `it left timeline ${left.timeline} at ${position(left.at)}` : `its log ends at ${position(end)}`}, the replica stands at ${position(known.position)}`,
      hint: `run \`millrace resync ${replica}\` to read its tables again`,
    });
  }
  // The slot stays fresh for as long as this process is connected; a replica that was filled since then stands behind its beginning.
  if (state.fresh && known.position < state.oldest) {
    throw new MillraceError('SLOT_LOST', `the replication slot of source "${source.name}" was gone and has been made again at ${position(state.oldest)}`, {
      detail: `replica "${replica}" stands at ${position(known.position)}; the changes between are lost to it`,
      hint: `run \`millrace resync ${replica}\` to read its tables again`,
    });
  }
}

/** Throws POSITION_GAP when the stream does not have everything behind `position`. */
export function checkGap(position: Position, { source, stream: { start } }: Feed, replica: string): void {
  if (start === undefined || position >= start) return;
  throw new MillraceError('POSITION_GAP', `replica "${replica}" stands at ${source.formatPosition(position)}, but source and log begin at ${source.formatPosition(start)}`, {
    hint: `run \`millrace resync ${replica}\` to read its tables again`,
  });
}

/** Throws POSITION_GAP when tables were read and the position behind them is gone: it is there before the first of them is done. */
export function checkPositionKept(records: readonly LoadedTable[], { name }: Source, replica: string): void {
  const done = records.filter((record) => record.done);
  if (done.length === 0) return;
  throw new MillraceError('POSITION_GAP', `somebody has removed the position of replica "${replica}" in source "${name}" from millrace.positions`, {
    detail: `${done.map((record) => record.target).join(', ')}: read before, and nobody knows which changes are there`,
    hint: `run \`millrace resync ${replica}\` to read its tables again`,
  });
}
