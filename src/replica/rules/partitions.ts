// What has become of the partitions of a table since its shape was remembered. Rows go and come with them, of which the stream tells nothing.
import type { Partition, Relation } from '../../data/index.ts';
import type { TableShape, TargetTable } from '../../flow/index.ts';

export function partitionsOf({ partitions }: Relation, shape: TableShape | undefined): Pick<TargetTable, 'partitions' | 'attached' | 'detached'> {
  const before = shape?.partitions;
  // Runs of the log do not tell them.
  if (!partitions) return before ? { partitions: before } : {};
  if (!before) return { partitions };
  const known = new Map(before.map(({ oid, since }) => [oid, since]));
  const isNew = ({ oid, since }: Partition): boolean => known.get(oid) !== since;
  const byOid = new Map(partitions.map((partition) => [partition.oid, partition]));
  // One that was made beneath a table that was attached with it came with it.
  const cameAttached = (partition: Partition | undefined): boolean => partition !== undefined && isNew(partition) && (partition.attached || cameAttached(byOid.get(partition.parent)));
  return {
    partitions,
    attached: partitions.filter((partition) => partition.rows && cameAttached(partition)).map(({ name }) => name),
    detached: before.filter(({ oid }) => !byOid.has(oid)).map(({ name }) => name),
  };
}
