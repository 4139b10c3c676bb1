import { AssertionError } from 'node:assert';

/** States what must hold; a failure is a bug in Millrace and stops the worker. Never use it for bad input or a broken network. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError({ message, stackStartFn: assert });
}
