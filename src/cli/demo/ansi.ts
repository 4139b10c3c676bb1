// Text for terminals: styles as SGR sequences, and widths that ignore them. Every character the demo draws is one column wide.

const sgr = (codes: string) => (text: string): string => (text === '' ? '' : `\x1b[${codes}m${text}\x1b[0m`);

/** Colours of the 256-colour palette, picked to be legible on dark and light grounds. */
export const style = {
  bold: sgr('1'),
  dim: sgr('38;5;244'),
  faint: sgr('38;5;239'),
  source: sgr('38;5;74'),
  sourceBold: sgr('1;38;5;74'),
  target: sgr('38;5;71'),
  targetBold: sgr('1;38;5;71'),
  brand: sgr('1;38;5;173'),
  good: sgr('1;38;5;71'),
  warn: sgr('38;5;179'),
  bad: sgr('1;38;5;167'),
  key: sgr('1;38;5;231;48;5;238'),
  /** A colour by its number. */
  shade: (number: number, text: string): string => sgr(`38;5;${number}`)(text),
};

// eslint-disable-next-line no-control-regex
const sequences = /\x1b\[[0-9;]*m/g;

export const plain = (text: string): string => text.replace(sequences, '');
export const widthOf = (text: string): number => Array.from(plain(text)).length;

/** Cuts to `width` columns (with … where something was cut), keeping sequences whole. */
export function clip(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let out = '';
  let left = Math.max(0, width - 1);
  // eslint-disable-next-line no-control-regex
  for (const piece of text.split(/(\x1b\[[0-9;]*m)/)) {
    if (piece.startsWith('\x1b[')) out += piece;
    else {
      const characters = Array.from(piece).slice(0, left);
      left -= characters.length;
      out += characters.join('');
      if (left === 0) break;
    }
  }
  return width > 0 ? `${out}\x1b[0m…` : '';
}

/** Clips or pads to exactly `width` columns. */
export const fit = (text: string, width: number): string => clip(text, width) + ' '.repeat(Math.max(0, width - widthOf(text)));
export const fitRight = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + clip(text, width);

/** 12345.6 → 12,346 */
export const grouped = (value: number): string => Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ',');

/** Seconds as 01:05. */
export const clockText = (seconds: number): string => `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(Math.floor(seconds) % 60).padStart(2, '0')}`;
