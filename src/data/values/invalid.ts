import { MillraceError } from '../../base/index.ts';

/** A text or number that is no value of the type. The message is PostgreSQL's own for such input. */
export function invalid(type: string, value: unknown, detail?: string): MillraceError {
  const shown = typeof value === 'string' ? value : String(value);
  const cut = shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
  return new MillraceError('VALUE_INVALID', `invalid input for type ${type}: "${cut}"`, detail === undefined ? {} : { detail });
}
