// A figure of a benchmark: what was measured, against what in the same run, and whether it reaches what was promised.

export interface Figure {
  readonly case: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with in the same run. */
  readonly baseline?: string;
  /** value / baseline, turned so that more is better. */
  readonly ratio?: number;
  /** The ratio (or value) to reach. */
  readonly reach?: number;
  readonly holds?: boolean;
}

export type Report = (figure: Omit<Figure, 'case'>) => void;

export interface BenchOptions {
  /** Smaller inputs: at most 40 s a case. */
  readonly quick: boolean;
}

const digits = (value: number): string => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

export function figureLine(figure: Figure): string {
  const parts = [`${figure.case.padEnd(8)} ${figure.figure.padEnd(46)} ${digits(figure.value).padStart(10)} ${figure.unit}`];
  if (figure.ratio !== undefined) parts.push(`${figure.ratio.toFixed(2)}× ${figure.baseline ?? ''}`);
  if (figure.reach !== undefined) parts.push(`(reach ${figure.reach}: ${figure.holds ? 'holds' : 'MISSED'})`);
  return parts.join('  ');
}

/** A figure with its ratio to a baseline of the same unit where more is better. */
export function versus(figure: string, value: number, unit: string, baseline: string, baselineValue: number, reach?: number): Omit<Figure, 'case'> {
  const ratio = value / baselineValue;
  return { figure, value, unit, baseline, ratio, ...(reach === undefined ? {} : { reach, holds: ratio >= reach }) };
}

/** A figure that must not be more than a limit. */
export function atMost(figure: string, value: number, unit: string, limit: number): Omit<Figure, 'case'> {
  return { figure, value, unit, baseline: `at most ${limit} ${unit}`, ratio: limit / value, reach: 1, holds: value <= limit };
}

/** A figure of which less is better, that must not be more than so many times the baseline. */
export function atMostOf(figure: string, value: number, unit: string, baseline: string, baselineValue: number, most: number): Omit<Figure, 'case'> {
  const ratio = baselineValue / value;
  return { figure, value, unit, baseline, ratio, reach: Number((1 / most).toFixed(3)), holds: value <= most * baselineValue };
}

/** The middle one of some measurements. */
export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

export const percentile = (values: readonly number[], p: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
};
