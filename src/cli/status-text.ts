// The status of a project as a short tree: one line a source, table and replica, and at the end of a bad line what to do next.
import type { Condition, ProjectStatus, ReadingStatus, State } from '../control/index.ts';
import type { colorsFor } from './command.ts';

type Colors = ReturnType<typeof colorsFor>;

const symbols: Record<State, string> = { starting: '○', snapshot: '◔', streaming: '●', retrying: '◌', paused: '◫', stopped: '○', failed: '✗' };

const grouped = (value: number): string => value.toString().replace(/\B(?=(\d{3})+$)/g, ',');

/** 1536 → 1.5 kB */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 90500 → 1 min 30 s */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

interface Line {
  readonly indent: string;
  readonly name: string;
  readonly condition: Condition;
  readonly facts: readonly string[];
}

/** The tree, without a newline at its end. */
export function statusText(status: ProjectStatus, c: Colors): string {
  const lines: Line[] = [];
  for (const [name, source] of Object.entries(status.sources)) {
    lines.push({ indent: '', name, condition: source, facts: [...lag(source), ...(source.position === null ? [] : [`at ${source.position}`])] });
    const tables = Object.entries(source.tables);
    tables.forEach(([table, each], i) => {
      // A table that does as its source does has nothing to say about its state.
      const facts = [...(each.reading ? readingFacts(each.reading) : each.snapshotRows > 0 ? [`${grouped(each.snapshotRows)} rows read`] : []), ...(each.state === 'stopped' ? [] : [`${grouped(each.changes)} changes`])];
      lines.push({ indent: i === tables.length - 1 ? '└ ' : '├ ', name: table, condition: each, facts });
    });
  }
  for (const [name, replica] of Object.entries(status.replicas)) {
    const letters = replica.deadLetters > 0 ? [`${grouped(replica.deadLetters)} dead letter${replica.deadLetters === 1 ? '' : 's'}`] : [];
    const next = replica.deadLetters > 0 && replica.next === undefined ? { ...replica, next: 'millrace dead list' } : replica;
    lines.push({ indent: '', name, condition: next, facts: [`${grouped(replica.rows)} rows`, ...lag(replica), ...(replica.position === null ? [] : [`at ${replica.position}`]), ...letters] });
    const tables = Object.entries(replica.tables);
    tables.forEach(([table, each], i) => {
      // Of a stopped one the reason is there already.
      const newest = each.reason === undefined ? each.events.at(-1) : undefined;
      lines.push({ indent: i === tables.length - 1 ? '└ ' : '├ ', name: table, condition: each, facts: [...each.indexes.filter((index) => index.state === 'making').map((index) => `making index ${index.name}`), ...(newest ? [`${newest.at.slice(0, 16).replace('T', ' ')}Z ${newest.what}`] : [])] });
    });
  }
  const nameWidth = Math.max(0, ...lines.map((line) => line.indent.length + line.name.length));
  const stateWidth = Math.max(0, ...lines.map((line) => line.condition.state.length));
  return lines.map((line) => format(line, nameWidth, stateWidth, c)).join('\n');
}

/** How much of a table is read, and how long the rest will take. */
function readingFacts({ rows, rowsEstimate, bytes, etaMs }: ReadingStatus): string[] {
  const part = rowsEstimate === null ? '' : ` of about ${grouped(rowsEstimate)} (${Math.floor((100 * rows) / rowsEstimate)} %)`;
  return [`${grouped(rows)}${part} rows read`, bytesText(bytes), ...(etaMs === null || etaMs < 1000 ? [] : [`${durationText(etaMs)} left`])];
}

function format({ indent, name, condition, facts }: Line, nameWidth: number, stateWidth: number, c: Colors): string {
  const { state, reason, next } = condition;
  const colour = state === 'failed' ? c.red : state === 'streaming' ? c.green : state === 'snapshot' || state === 'starting' ? c.cyan : c.yellow;
  const parts = [
    `${c.dim(indent)}${indent === '' ? c.bold(name) : name}${' '.repeat(nameWidth - indent.length - name.length)}`,
    colour(`${symbols[state]} ${state}${' '.repeat(stateWidth - state.length)}`),
    facts.join(c.dim(' · ')),
  ];
  const trouble = [...(reason ? [reason] : []), ...(next ? [`next: ${c.bold(next)}`] : [])].join('; ');
  return [...parts, ...(trouble ? [trouble] : [])].join('  ').trimEnd();
}

const lag = ({ lagBytes, lagMs }: { lagBytes: number; lagMs: number }): string[] =>
  lagBytes === 0 && lagMs === 0 ? ['no lag'] : [`${durationText(lagMs)} behind`, ...(lagBytes > 0 ? [bytesText(lagBytes)] : [])];
