// One frame of the demo's live view: a plain value in, lines of text out. screen.ts shows them; the picture in the README is made of one.
import { clip, clockText, fit, fitRight, grouped, style, widthOf } from './ansi.ts';
import { areaChart, niceTop } from './chart.ts';

export type Tone = 'plain' | 'good' | 'warn' | 'bad';

export interface DemoEvent {
  readonly atS: number;
  readonly text: string;
  readonly tone: Tone;
}

export interface Flow {
  /** host:port */
  readonly place: string;
  /** Rows a second, now. */
  readonly rate: number;
  /** Rows a second, HISTORY_PER_SECOND samples a second, the newest last. */
  readonly history: readonly number[];
}

export interface TableCount {
  readonly name: string;
  readonly source: number | undefined;
  readonly target: number | undefined;
}

export interface Frame {
  readonly elapsedS: number;
  /** Counts frames: moves the dots on the line between source and target. */
  readonly tick: number;
  readonly source: Flow;
  readonly target: Flow;
  /** The replicating process; undefined while it is down. */
  readonly pid: number | undefined;
  readonly state: string;
  readonly stateTone: Tone;
  /** Undefined: unknown, because nothing runs. */
  readonly lagMs: number | undefined;
  readonly position: string | undefined;
  readonly tables: readonly TableCount[];
  /** The sum of all balances, which no transaction changes. */
  readonly balance: { readonly source: string | undefined; readonly target: string | undefined; readonly looks: number; readonly torn: number };
  readonly events: readonly DemoEvent[];
  readonly kills: number;
}

export const HISTORY_SECONDS = 60;
export const HISTORY_PER_SECOND = 4;

const tones: Record<Tone, (text: string) => string> = { plain: (text) => text, good: style.good, warn: style.warn, bad: style.bad };
const marks: Record<Tone, string> = { plain: '·', good: '✓', warn: '!', bad: '✗' };

/** Draws a frame for a terminal of `width` × `height`: at most `height` lines of at most `width` columns. */
export function paint(frame: Frame, width: number, height: number): string[] {
  const inner = Math.max(20, Math.min(width, 132) - 4);
  const head = ['', header(frame, inner), '', ...road(frame, inner), ''];
  const foot = ['', keys(inner)];
  const chartHeight = height >= 34 ? 5 : height >= 28 ? 4 : height >= 22 ? 3 : 2;
  const charts = [
    ...chart('shop', frame.source, frame, inner, chartHeight, [67, 68, 74, 75, 81]),
    ...(height >= 26 ? [''] : []),
    ...chart('warehouse', frame.target, frame, inner, chartHeight, [65, 65, 71, 77, 83]),
    axis(inner),
    '',
  ];
  const room = height - head.length - charts.length - foot.length;
  const tables = tableLines(frame, inner >= 96 ? 50 : inner);
  let body: string[];
  if (inner >= 96) {
    const events = eventLines(frame, inner - 54, Math.max(tables.length, room));
    const rows = Math.min(room, Math.max(tables.length, events.length));
    body = Array.from({ length: Math.max(0, rows) }, (_, i) => `${fit(tables[i] ?? '', 50)}    ${events[i] ?? ''}`);
  } else {
    const left = room - tables.length - 1;
    body = [...tables.slice(0, Math.max(0, room)), ...(left >= 2 ? ['', ...eventLines(frame, inner, left)] : [])];
  }
  return [...head, ...charts, ...body, ...foot].slice(0, Math.max(1, height)).map((line) => clip(`  ${line}`, width));
}

function header(frame: Frame, width: number): string {
  const title = `${style.brand('▍millrace')}  ${style.dim('PostgreSQL → PostgreSQL, exactly once')}`;
  const right = `${frame.kills > 0 ? style.dim(`${frame.kills} × kill -9   `) : ''}${style.bold(clockText(frame.elapsedS))}`;
  return spread(title, right, width);
}

/** Left and right ends of a line; when there is no room for both, the left one is cut. */
function spread(left: string, right: string, width: number): string {
  const gap = width - widthOf(left) - widthOf(right);
  return gap >= 1 ? left + ' '.repeat(gap) + right : `${fit(left, Math.max(0, width - widthOf(right) - 1))} ${right}`;
}

/** shop ──●──●──▶ pid 4711 ──●──▶ warehouse: the dots move while rows do. */
function road(frame: Frame, width: number): string[] {
  const up = frame.pid !== undefined;
  const middle = up ? `${style.bold(`pid ${frame.pid}`)} ${tones[frame.stateTone](frame.state)}` : tones[frame.stateTone](`${marks[frame.stateTone]} ${frame.state}`);
  const [left, right] = [style.sourceBold('shop'), style.targetBold('warehouse')];
  const track = width - widthOf(left) - widthOf(right) - widthOf(middle) - 4;
  if (track < 8) return [clip(`${left} ${style.faint('→')} ${middle} ${style.faint('→')} ${right}`, width)];
  const one = Math.floor(track / 2);
  const lane = (length: number, moving: boolean, colour: (text: string) => string): string =>
    Array.from({ length }, (_, i) => {
      if (i === length - 1) return moving ? colour('▶') : style.faint('┄');
      if (!moving) return style.faint('┄');
      return (i - frame.tick + 100_000) % 6 === 0 ? colour('●') : style.faint('─');
    }).join('');
  const line = `${left} ${lane(one, up && frame.source.rate > 0, style.source)} ${middle} ${lane(track - one, up && frame.target.rate > 0, style.target)} ${right}`;
  const position = frame.position ? `at ${frame.position}` : '';
  const places = spread(style.dim(frame.source.place), style.dim(frame.target.place), width);
  const start = Math.max(0, Math.floor((width - widthOf(position)) / 2));
  const fits = position !== '' && start > frame.source.place.length + 1 && start + widthOf(position) + 1 < width - frame.target.place.length;
  const inserted = fits
    ? fit(style.dim(frame.source.place), start) + style.dim(position) + fitRight(style.dim(frame.target.place), width - start - widthOf(position))
    : places;
  return [line, inserted];
}

const LABEL = 20;

function chart(name: string, flow: Flow, frame: Frame, width: number, height: number, shades: readonly number[]): string[] {
  // Snapshots and catching up are much faster than the traffic: they may leave the chart at its top, lest the rest be a flat line.
  const traffic = Math.max(...frame.source.history, 0);
  const top = niceTop(Math.min(Math.max(traffic, ...frame.target.history), traffic > 0 ? traffic * 1.6 : Infinity));
  const wide = width - LABEL - 7;
  const lines = areaChart(flow.history, HISTORY_SECONDS * HISTORY_PER_SECOND, Math.max(8, wide), height, top);
  const isTarget = name === 'warehouse';
  const lag = frame.lagMs === undefined ? style.bad('down') : `${tones[frame.lagMs > 1000 ? 'warn' : 'plain'](grouped(frame.lagMs))} ${style.dim('ms behind')}`;
  const labels = [
    (isTarget ? style.targetBold : style.sourceBold)(name),
    `${style.bold(fitRight(grouped(flow.rate), 7))} ${style.dim('rows/s')}`,
    isTarget ? `${frame.lagMs === undefined ? '   ' : ''}${fitRight(lag, frame.lagMs === undefined ? 4 : 17)}` : '',
  ];
  return lines.map((line, i) => {
    const shade = shades[Math.min(shades.length - 1, Math.round(((height - 1 - i) / Math.max(1, height - 1)) * (shades.length - 1)))] as number;
    const scale = i === 0 ? style.faint(fitRight(grouped(top), 6)) : i === height - 1 ? style.faint(fitRight('0', 6)) : '      ';
    return `${fit(labels[i] ?? '', LABEL)}${style.shade(shade, line)} ${scale}`;
  });
}

function axis(width: number): string {
  const wide = Math.max(8, width - LABEL - 7);
  return ' '.repeat(LABEL) + style.faint(spread(`${HISTORY_SECONDS} s ago`, 'now', wide));
}

function tableLines(frame: Frame, width: number): string[] {
  const number = (value: number | undefined): string => (value === undefined ? '·' : grouped(value));
  const column = Math.min(14, Math.floor((width - 20) / 2));
  const row = (name: string, source: string, target: string, mark: string): string => `${fit(name, 14)}${fitRight(source, column)}${fitRight(target, column)}  ${mark}`;
  const lines = [row(style.dim('table'), style.source('shop'), style.target('warehouse'), '')];
  for (const table of frame.tables) {
    const behind = (table.source ?? 0) - (table.target ?? 0);
    const mark = table.source === undefined || table.target === undefined ? ' ' : behind === 0 ? style.good('=') : style.dim(`${behind > 0 ? '−' : '+'}${grouped(Math.abs(behind))}`);
    lines.push(row(table.name, number(table.source), number(table.target), mark));
  }
  const { source, target, looks, torn } = frame.balance;
  if (source !== undefined) {
    const equal = target === source;
    lines.push(row('Σ balances', source, target ?? '·', target === undefined ? ' ' : equal ? style.good('=') : style.bad('≠')));
    lines.push(clip(style.dim(torn === 0 ? `money moves all the time; right in all ${grouped(looks)} looks at the target` : `torn in ${torn} of ${looks} looks`), width));
  }
  return lines;
}

function eventLines(frame: Frame, width: number, rows: number): string[] {
  const shown = frame.events.slice(-Math.max(0, Math.min(rows - 1, 9)));
  const newest = shown.length - 1;
  return [
    style.dim('events'),
    ...shown.map((event, i) => {
      const text = `${tones[event.tone](marks[event.tone])} ${i === newest || event.tone !== 'plain' ? tones[event.tone](event.text) : style.dim(event.text)}`;
      return clip(`${style.faint(clockText(event.atS))} ${text}`, width);
    }),
  ];
}

function keys(width: number): string {
  const one = (key: string, does: string): string => `${style.key(` ${key} `)} ${does}`;
  return clip([one('k', 'kill -9'), one('v', 'verify'), one('q', 'quit')].join('    '), width);
}
