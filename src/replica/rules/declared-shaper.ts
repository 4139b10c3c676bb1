// The shaper of declared rules: fields copied as bytes, and what is computed.
import type { Relation } from '../../data/index.ts';
import { formatOf, guards, type PlannedColumn, writerOf } from './making.ts';
import { Shaped, type Shaper } from './shaper.ts';
import type { Selects } from './select.ts';

export function declaredShaper(relation: Relation, columns: readonly PlannedColumn[], key: readonly number[], where: Selects | undefined): Shaper {
  const width = columns.length;
  const writers = columns.map((column) => writerOf(column, relation));
  const keyed = columns.map((_, i) => key.includes(i));
  return {
    selective: where !== undefined,
    formats: (formats) => Uint8Array.from(columns, (column) => formatOf(column, formats)),
    selects: (image) => where?.(image) ?? true,
    shape(image, facts, out) {
      if (where && !where(image)) return Shaped.out;
      out.i16(width);
      let partial = false;
      for (const write of writers) if (write(image, facts, out)) partial = true;
      return partial ? Shaped.partial : Shaped.whole;
    },
    key(image, facts, rest, out) {
      out.i16(width);
      for (const [i, write] of writers.entries()) {
        const { making } = columns[i] as PlannedColumn;
        if (keyed[i] || guards(making) || (making.kind === 'meta' && rest !== -1)) write(image, facts, out);
        else out.i32(rest);
      }
    },
  };
}
