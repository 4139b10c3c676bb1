// Geometric values: WKB, of which Debezium makes its own structs, as PostgreSQL's text.
import { float8Text } from '../../data/index.ts';
import { refuse, type Refusal } from './value-text.ts';

export const pointText = (x: number, y: number): string => `(${float8Text(x)},${float8Text(y)})`;

export const lineText = (a: number, b: number, c: number): string => `{${float8Text(a)},${float8Text(b)},${float8Text(c)}}`;

export const circleText = (x: number, y: number, radius: number): string => `<${pointText(x, y)},${float8Text(radius)}>`;

/** lseg, box, path and polygon travel as WKB with their name beside it; without a name it is PostGIS's, whose text is EWKB in hex. */
export function geometryText(wkb: Buffer, srid: number | undefined, type: string | undefined, isClosedPath: boolean): string | Refusal {
  if (type === undefined) return ewkbText(wkb, srid);
  const points = pointsOf(wkb);
  if (!points) return refuse('malformed');
  const texts = points.map(([x, y]) => pointText(x, y));
  if (type === 'lseg') return `[${texts.join(',')}]`;
  if (type === 'path') return isClosedPath ? `(${texts.join(',')})` : `[${texts.join(',')}]`;
  if (type === 'polygon') {
    // A ring ends where it begins; PostgreSQL's polygons do not say so.
    const closed = texts.length > 1 && texts[0] === texts.at(-1);
    return `(${(closed ? texts.slice(0, -1) : texts).join(',')})`;
  }
  if (type !== 'box' || points.length < 4) return refuse('malformed');
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  // PostgreSQL prints the upper right corner first.
  return `${pointText(Math.max(...xs), Math.max(...ys))},${pointText(Math.min(...xs), Math.min(...ys))}`;
}

/** The points of a line string or of a polygon's only ring. */
function pointsOf(wkb: Buffer): readonly (readonly [number, number])[] | undefined {
  const little = wkb[0] === 1;
  const u32 = (at: number): number => (little ? wkb.readUInt32LE(at) : wkb.readUInt32BE(at));
  const f64 = (at: number): number => (little ? wkb.readDoubleLE(at) : wkb.readDoubleBE(at));
  if (wkb.length < 9) return undefined;
  const type = u32(1);
  const at = type === 2 ? 5 : type === 3 && u32(5) === 1 ? 9 : -1;
  if (at < 0 || wkb.length < at + 4) return undefined;
  const count = u32(at);
  if (wkb.length !== at + 4 + count * 16) return undefined;
  return Array.from({ length: count }, (_, i) => [f64(at + 4 + i * 16), f64(at + 12 + i * 16)] as const);
}

const SRID_FLAG = 0x2000_0000;

function ewkbText(wkb: Buffer, srid: number | undefined): string | Refusal {
  if (wkb.length < 5) return refuse('malformed');
  const little = wkb[0] === 1;
  const type = little ? wkb.readUInt32LE(1) : wkb.readUInt32BE(1);
  if (srid === undefined || (type & SRID_FLAG) !== 0) return wkb.toString('hex').toUpperCase();
  const head = Buffer.alloc(9);
  head[0] = wkb[0] as number;
  if (little) {
    head.writeUInt32LE((type | SRID_FLAG) >>> 0, 1);
    head.writeInt32LE(srid, 5);
  } else {
    head.writeUInt32BE((type | SRID_FLAG) >>> 0, 1);
    head.writeInt32BE(srid, 5);
  }
  return Buffer.concat([head, wkb.subarray(5)]).toString('hex').toUpperCase();
}
