// What the values of a column look like when nothing says what they are: a type, and how sure that is.
import { shapeKind } from './cell.ts';

export type Confidence = 'certain' | 'likely' | 'guess';

export interface InferredType {
  readonly typeText: string;
  readonly confidence: Confidence;
  /** What else it may be. */
  readonly remark?: string;
}

type Look = 'boolean' | 'integer' | 'number' | 'timestamptz' | 'uuid' | 'json' | 'numeric' | 'point' | 'line' | 'circle' | 'geometry' | 'array' | 'object' | 'base64' | 'special' | 'text';

const moment = /^[+-]?\d{4,}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)$/;

export class Profile {
  readonly #looks = new Map<Look, number>();
  readonly #elements: Profile | undefined;
  /** lseg, box, path, polygon: the name that a geometry carries. */
  #geometry = '';
  nulls = 0;
  values = 0;

  constructor(depth = 0) {
    this.#elements = depth < 1 ? new Profile(depth + 1) : undefined;
  }

  add(value: unknown): void {
    if (value === null || value === undefined) {
      this.nulls += 1;
      return;
    }
    this.values += 1;
    const look = this.#lookOf(value);
    this.#looks.set(look, (this.#looks.get(look) ?? 0) + 1);
  }

  #lookOf(value: unknown): Look {
    if (typeof value === 'boolean') return 'boolean';
    if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
    if (Array.isArray(value)) {
      for (const element of value) this.#elements?.add(element);
      return 'array';
    }
    if (typeof value === 'object') {
      const kind = shapeKind(value as Record<string, unknown>);
      if (kind === 'geometry') this.#geometry = (value as { extensions?: { type?: string } | null }).extensions?.type ?? '';
      return kind ?? 'object';
    }
    const text = value as string;
    if (/^(NaN|-?Infinity)$/.test(text)) return 'special';
    if (moment.test(text)) return 'timestamptz';
    if (uuid.test(text)) return 'uuid';
    if (/^[[{]/.test(text) && isJson(text)) return 'json';
    return base64.test(text) ? 'base64' : 'text';
  }

  /** The name of a geometry in PostgreSQL, where the values say it. */
  get geometry(): string | undefined {
    return this.#geometry || undefined;
  }

  infer(): InferredType {
    const looks = new Set(this.#looks.keys());
    const only = (...wanted: Look[]): boolean => looks.size > 0 && [...looks].every((look) => wanted.includes(look));
    if (looks.size === 0) return { typeText: 'text', confidence: 'guess', remark: 'only nulls were there' };
    if (only('boolean')) return { typeText: 'boolean', confidence: 'likely', remark: 'or bit(1)' };
    if (only('integer')) return { typeText: 'bigint', confidence: 'guess', remark: 'dates, times, timestamps and intervals are whole numbers too' };
    if (looks.has('number') && only('integer', 'number', 'special')) return { typeText: 'double precision', confidence: 'guess', remark: 'or a numeric with decimal.handling.mode=double' };
    if (only('timestamptz')) return { typeText: 'timestamptz', confidence: 'likely', remark: 'or timestamp with time.precision.mode=isostring' };
    if (only('uuid')) return { typeText: 'uuid', confidence: 'likely' };
    if (only('json')) return { typeText: 'json', confidence: 'likely', remark: 'or jsonb' };
    if (only('numeric')) return { typeText: 'numeric', confidence: 'certain' };
    for (const shape of ['point', 'line', 'circle'] as const) if (only(shape)) return { typeText: shape, confidence: 'certain' };
    if (only('geometry')) return { typeText: this.#geometry || 'public.geometry', confidence: 'certain' };
    if (only('object')) return { typeText: 'json', confidence: 'guess', remark: 'or hstore with hstore.handling.mode=map' };
    if (only('array')) return this.#arrayOf();
    if (only('base64')) return { typeText: 'text', confidence: 'guess', remark: 'all values are base64: bytea, a numeric with decimal.handling.mode=precise, or bits' };
    return { typeText: 'text', confidence: 'guess', remark: 'or any type whose text it is' };
  }

  #arrayOf(): InferredType {
    const element = this.#elements?.infer() ?? { typeText: 'text', confidence: 'guess' as const };
    return { ...element, typeText: `${element.typeText}[]` };
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
