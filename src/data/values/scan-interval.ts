// Reading intervals from text.
import { Decimal } from './decimal.ts';

export interface IntervalParts {
  months: number;
  days: number;
  us: bigint;
}

type Field = keyof IntervalParts;

const HOUR = 3_600_000_000n;

/** Unit words as PostgreSQL accepts them, without a plural s. */
const units: Record<string, readonly [Field, bigint]> = {
  millennium: ['months', 12_000n], millennia: ['months', 12_000n], mil: ['months', 12_000n],
  century: ['months', 1200n], centurie: ['months', 1200n], decade: ['months', 120n],
  year: ['months', 12n], yr: ['months', 12n], y: ['months', 12n],
  month: ['months', 1n], mon: ['months', 1n],
  week: ['days', 7n], w: ['days', 7n], day: ['days', 1n], d: ['days', 1n],
  hour: ['us', HOUR], hr: ['us', HOUR], h: ['us', HOUR],
  minute: ['us', 60_000_000n], min: ['us', 60_000_000n], m: ['us', 60_000_000n],
  second: ['us', 1_000_000n], sec: ['us', 1_000_000n], s: ['us', 1_000_000n],
  millisecond: ['us', 1000n], msec: ['us', 1000n], ms: ['us', 1000n],
  microsecond: ['us', 1n], usec: ['us', 1n], u: ['us', 1n],
};

const isoDate: Record<string, readonly [Field, bigint]> = { Y: ['months', 12n], M: ['months', 1n], W: ['days', 7n], D: ['days', 1n] };
const isoTime: Record<string, readonly [Field, bigint]> = { H: ['us', HOUR], M: ['us', 60_000_000n], S: ['us', 1_000_000n] };

/** Undefined when the text is no interval, or has a fraction of a month or day, which PostgreSQL would spread by rules of its own. */
export function scanInterval(text: string): IntervalParts | undefined {
  const trimmed = text.trim();
  const parts: IntervalParts = { months: 0, days: 0, us: 0n };
  if (trimmed.startsWith('P')) return isoInto(trimmed, parts) ? parts : undefined;
  const words = /^@?\s*((?:[+-]?[\d.:]+|[a-z]+)(?:\s*(?:[+-]?[\d.:]+|[a-z]+))*)$/i.exec(trimmed)?.[1]?.match(/[+-]?[\d.:]+|[a-z]+/gi);
  if (!words) return undefined;
  let ago = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word.includes(':')) {
      const us = clock(word);
      if (us === undefined) return undefined;
      parts.us += us;
    } else if (word.toLowerCase() === 'ago' && i === words.length - 1 && i > 0) {
      ago = true;
    } else {
      const name = words[++i]?.toLowerCase() ?? 'second';
      const unit = units[name] ?? (name.length > 1 && name.endsWith('s') ? units[name.slice(0, -1)] : undefined);
      if (!unit || !add(parts, word, unit)) return undefined;
    }
  }
  return ago ? { months: -parts.months, days: -parts.days, us: -parts.us } : parts;
}

function add(parts: IntervalParts, amount: string, [field, factor]: readonly [Field, bigint]): boolean {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(amount)) return false;
  const product = Decimal.parse(amount).times(factor);
  const whole = product.round(0);
  if (field === 'us') parts.us += whole.unscaled;
  else if (!whole.equals(product)) return false;
  else parts[field] += Number(whole.unscaled);
  return true;
}

/** `[+-]hours:minutes[:seconds[.fraction]]` in microseconds. */
function clock(word: string): bigint | undefined {
  const match = /^([+-]?)(\d{1,19}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?$/.exec(word);
  if (!match) return undefined;
  const [, sign, hours, minutes, seconds = '0'] = match as unknown as [string, string, string, string, string?];
  if (Number(minutes) > 59 || Number(seconds) > 60) return undefined;
  const us = BigInt(hours) * HOUR + BigInt(minutes) * 60_000_000n + Decimal.parse(seconds).times(1_000_000n).round(0).unscaled;
  return sign === '-' ? -us : us;
}

/** `P1Y2M-3DT4H5M6.7S`. */
function isoInto(text: string, parts: IntervalParts): boolean {
  const match = /^P((?:[+-]?[\d.]+[YMWD])*)(?:T((?:[+-]?[\d.]+[HMS])+))?$/.exec(text);
  if (!match || text.length < 3) return false;
  for (const [section, table] of [[match[1], isoDate], [match[2], isoTime]] as const) {
    for (const item of section?.match(/[+-]?[\d.]+[A-Z]/g) ?? []) {
      const unit = table[item.at(-1) as string];
      if (!unit || !add(parts, item.slice(0, -1), unit)) return false;
    }
  }
  return true;
}
