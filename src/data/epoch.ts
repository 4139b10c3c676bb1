declare const brand: unique symbol;

/** The unit of commit: outputs, state and positions of one epoch become durable together or not at all. Counts up from 1 per consumer. */
export type Epoch = bigint & { readonly [brand]: 'Epoch' };
export const asEpoch = (value: bigint): Epoch => value as Epoch;
