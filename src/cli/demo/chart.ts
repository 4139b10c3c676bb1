// An area chart in braille: each character is a grid of 2 × 4 dots (U+2800 + one bit a dot).

/** Bits of a column of dots, from the bottom up, left and right half of the character. */
const left = [0x40, 0x04, 0x02, 0x01];
const right = [0x80, 0x20, 0x10, 0x08];

/**
 * Lines from top to bottom, `width` characters each. `values` are equally spaced in time, the newest last; `capacity` of them fill the width
 * (fewer leave the left side empty). `top` is the value at the upper edge; what is above is cut off.
 */
export function areaChart(values: readonly number[], capacity: number, width: number, height: number, top: number): string[] {
  const points = width * 2;
  const levels = height * 4;
  const columns: number[] = [];
  for (let x = 0; x < points; x++) {
    // Point x covers samples [from, to) of the window, which ends with the newest value. A tall moment must not vanish: take the largest.
    const from = Math.floor((x * capacity) / points);
    const to = Math.max(from + 1, Math.floor(((x + 1) * capacity) / points));
    let value = -1;
    for (let i = from; i < to; i++) value = Math.max(value, values[values.length - capacity + i] ?? -1);
    columns.push(value < 0 ? 0 : Math.max(1, Math.min(levels, Math.round((value / (top || 1)) * levels))));
  }
  const lines: string[] = [];
  for (let row = height - 1; row >= 0; row--) {
    let line = '';
    for (let x = 0; x < points; x += 2) {
      let bits = 0;
      for (let dot = 0; dot < 4; dot++) {
        if ((columns[x] as number) > row * 4 + dot) bits |= left[dot] as number;
        if ((columns[x + 1] as number) > row * 4 + dot) bits |= right[dot] as number;
      }
      line += String.fromCharCode(0x2800 + bits);
    }
    lines.push(line);
  }
  return lines;
}

/** The next round number at or above `value`, for the top of a scale; at least 10. */
export function niceTop(value: number): number {
  for (let unit = 10; ; unit *= 10) {
    for (const factor of [1, 1.5, 2, 3, 4, 5, 7.5]) if (unit * factor >= value) return unit * factor;
  }
}
