// Makes docs/images/demo.svg: runs the demo for half a minute with one kill -9 and one verify, takes one frame of its live view, and draws
// that as an SVG. Run it with `node scripts/terminal-picture.ts`; nothing in the picture is made by hand.
import { mkdirSync, writeFileSync } from 'node:fs';
import { plain } from '../src/cli/demo/ansi.ts';
import { paint } from '../src/cli/demo/frame.ts';
import { Stage } from '../src/cli/demo/stage.ts';

const COLUMNS = 106;
const ROWS = 33;
/** One cell, in SVG units. The font's own width varies from machine to machine, so each run of text is set to its cells. */
const CELL = { width: 8.4, height: 19, font: 14 };
const ground = '#14161b';
const ink = '#d7dae0';

interface Pen {
  color: string;
  ground: string | undefined;
  bold: boolean;
}

/** A colour of xterm's palette: 16 to 231 a 6 × 6 × 6 cube, then 24 greys. */
function paletteColor(number: number): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  if (number >= 232) return `#${hex(8 + (number - 232) * 10).repeat(3)}`;
  const level = (value: number): string => hex(value === 0 ? 0 : 55 + value * 40);
  const index = number - 16;
  return `#${level(Math.floor(index / 36))}${level(Math.floor(index / 6) % 6)}${level(index % 6)}`;
}

/** Applies the codes of one SGR sequence: 0, 1, 38;5;n, 48;5;n. */
function applyCodes(pen: Pen, codes: readonly number[]): Pen {
  const next = { ...pen };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) Object.assign(next, { color: ink, ground: undefined, bold: false });
    else if (code === 1) next.bold = true;
    else if (code === 38 || code === 48) {
      next[code === 38 ? 'color' : 'ground'] = paletteColor(codes[i + 2] ?? 15);
      i += 2;
    }
  }
  return next;
}

const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const n = (value: number): string => String(Math.round(value * 10) / 10);

/** Dots of braille characters, as vertical runs of a dashed line with round ends: fonts draw them too differently. */
function braille(characters: string, column: number, row: number): string {
  let path = '';
  Array.from(characters).forEach((character, i) => {
    const bits = (character.codePointAt(0) as number) - 0x2800;
    for (const [side, order] of [[0.27, [0x01, 0x02, 0x04, 0x40]], [0.77, [0x08, 0x10, 0x20, 0x80]]] as const) {
      const x = (column + i + side) * CELL.width;
      const dots = order.map((bit) => (bits & bit) !== 0);
      for (let from = dots.indexOf(true); from >= 0 && from < 4; ) {
        let to = from;
        while (dots[to + 1]) to += 1;
        path += `M${n(x)} ${n((row + (from + 0.5) / 4) * CELL.height)}v${n(((to - from) / 4) * CELL.height + 0.05)}`;
        from = dots.indexOf(true, to + 1);
      }
    }
  });
  return path;
}

/** Lines of text with SGR sequences → an SVG document. */
export function terminalSvg(lines: readonly string[], columns: number, title: string): string {
  const width = columns * CELL.width + 24;
  const height = lines.length * CELL.height + 24;
  const parts: string[] = [];
  lines.forEach((line, row) => {
    let pen: Pen = { color: ink, ground: undefined, bold: false };
    let column = 0;
    // eslint-disable-next-line no-control-regex
    for (const piece of line.split(/(\x1b\[[0-9;]*m)/)) {
      if (piece.startsWith('\x1b[')) {
        pen = applyCodes(pen, piece.slice(2, -1).split(';').map(Number));
        continue;
      }
      for (const run of piece.match(/[\u2800-\u28ff]+|[^\u2800-\u28ff]+/g) ?? []) {
        const length = Array.from(run).length;
        if (/^[\u2800-\u28ff]/.test(run)) {
          const path = braille(run, column, row);
          if (path !== '') parts.push(`<path class="d" stroke="${pen.color}" d="${path}"/>`);
        } else {
          if (pen.ground) parts.push(`<rect x="${n(column * CELL.width)}" y="${n(row * CELL.height + 1)}" width="${n(length * CELL.width)}" height="${n(CELL.height - 2)}" rx="3" fill="${pen.ground}"/>`);
          const text = run.trim();
          const start = column + run.length - run.trimStart().length;
          if (text !== '') {
            parts.push(
              `<text x="${n(start * CELL.width)}" y="${n((row + 0.72) * CELL.height)}" fill="${pen.color}"${pen.bold ? ' font-weight="600"' : ''} textLength="${n(Array.from(text).length * CELL.width)}">${escapeXml(text)}</text>`,
            );
          }
        }
        column += length;
      }
    }
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${n(width)} ${n(height)}" width="${n(width)}" role="img" aria-label="${escapeXml(title)}">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>text{font:${CELL.font}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}.d{fill:none;stroke-width:2.6;stroke-linecap:round;stroke-dasharray:0 ${n(CELL.height / 4)}}</style>`,
    `<rect width="100%" height="100%" rx="10" fill="${ground}"/>`,
    `<g transform="translate(12 12)">`,
    ...parts,
    '</g></svg>',
  ].join('\n') + '\n';
}

if (process.argv[1]?.endsWith('terminal-picture.ts')) {
  const stage = new Stage();
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  try {
    await stage.start(300);
    await wait(22_000);
    await stage.kill();
    await wait(9_000);
    const verdict = await stage.verify();
    await wait(4_000);
    const lines = paint(stage.frame(), COLUMNS, ROWS);
    mkdirSync('docs/images', { recursive: true });
    writeFileSync('docs/images/demo.svg', terminalSvg(lines, COLUMNS, 'millrace demo: rows per second at the source and the target, with one kill -9'));
    console.log(lines.map(plain).join('\n'));
    if (verdict?.equal !== true) process.exitCode = 1;
  } finally {
    await stage.close();
  }
}
