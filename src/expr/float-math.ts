// Powers and roots of float8 with PostgreSQL's errors. Powers are exact where the result is; else the last digit can differ.
import { evaluationFailed, outOfRange, underflow } from './errors.ts';

export function power8(base: number, exponent: number): number {
  if (base === 1 || exponent === 0) return 1;
  if (Number.isNaN(base) || Number.isNaN(exponent)) return NaN;
  if (base === 0 && exponent < 0) return evaluationFailed('2201F', 'zero raised to a negative power is undefined');
  if (base < 0 && Number.isFinite(exponent) && !Number.isInteger(exponent)) {
    return evaluationFailed('2201F', 'a negative number raised to a non-integer power yields a complex result');
  }
  // PostgreSQL, unlike IEEE and JavaScript's NaN, answers 1 for (-1) ^ ±infinity.
  if (base === -1 && !Number.isFinite(exponent)) return 1;
  const result = base ** exponent;
  if (Number.isFinite(base) && Number.isFinite(exponent)) {
    if (!Number.isFinite(result)) return outOfRange('float8');
    if (result === 0 && base !== 0) return underflow();
  }
  return result;
}

export const root8 = (value: number): number =>
  value < 0 ? evaluationFailed('2201F', 'cannot take square root of a negative number') : Math.sqrt(value);
