// Origins: where changes were made first. What Millrace writes to a database that others follow is marked with the databases that the changes
// have come through, so that a replica that leads back to one of them leaves them out, and two replicas that face each other make no loop.
import type { SourceIdentity } from './position.ts';

/** The databases that changes have come through, the nearest first, each as `databaseId`, with a space between them. */
export type Origin = string;

/** The prefix of the logical message that begins a marked transaction; its content is an Origin. */
export const originPrefix = 'millrace.origin';

/** What a database is called in origins; undefined while that is not known. */
export const databaseId = ({ systemId, database }: SourceIdentity): string | undefined => (systemId === '' || database === undefined ? undefined : `${systemId}/${database}`);

export const cameThrough = (origin: Origin, database: string): boolean => origin.split(' ').includes(database);
