// Values that are no data: what stands in a row in place of one.
import type { Decimal } from './decimal.ts';

/**
 * Stands for a TOAST value that the source did not send because the update did not touch it. Passing it on leaves the target's value
 * as it is; the types forbid to compute with it.
 */
export const Unchanged: unique symbol = Symbol('millrace.unchanged');
export type Unchanged = typeof Unchanged;

/** The JSON value `null` as the whole value of a json or jsonb column: JavaScript's null is SQL's NULL, which is another thing. */
export const JsonNull: unique symbol = Symbol('millrace.jsonNull');
export type JsonNull = typeof JsonNull;

/**
 * A value of a json or jsonb column. Numbers that a double would change (more digits than it holds, or out of its range) are `Decimal`;
 * all others are numbers. Trailing zeros of a fraction (1.50) do not count as a change.
 */
export type Json = string | number | boolean | Decimal | JsonNull | readonly (Json | null)[] | { readonly [key: string]: Json | null };
