// float4 and float8 as PostgreSQL reads them.
import { badInput, evaluationFailed, typeInMessages } from './errors.ts';

/** Throws EvaluationError 22P02 for what is no number and 22003 for what does not fit. */
export function parseFloatText(type: 'float4' | 'float8', text: string): number {
  const word = text.trim().toLowerCase();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(word)) {
    const exact = Number(word);
    const value = type === 'float4' ? Math.fround(exact) : exact;
    const zero = /^[+-]?[0.]*(e|$)/.test(word);
    if (!Number.isFinite(value) || (value === 0 && !zero)) return evaluationFailed('22003',
      `"${text.trim()}" is out of range for type ${typeInMessages(type)}`);
    return value;
  }
  // As PostgreSQL does, what does not fit comes before what follows it.
  const start = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=.)/.exec(word)?.[0];
  if (start !== undefined) parseFloatText(type, start);
  if (word === 'nan' || word === '+nan' || word === '-nan') return NaN;
  if (/^\+?inf(inity)?$/.test(word)) return Infinity;
  if (/^-inf(inity)?$/.test(word)) return -Infinity;
  return badInput(type, text);
}
