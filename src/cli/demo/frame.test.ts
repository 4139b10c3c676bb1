import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clip, fit, fitRight, grouped, plain, style, widthOf } from './ansi.ts';
import { areaChart, niceTop } from './chart.ts';
import { type Frame, HISTORY_PER_SECOND, HISTORY_SECONDS, paint } from './frame.ts';

const samples = HISTORY_SECONDS * HISTORY_PER_SECOND;
const wave = Array.from({ length: samples }, (_, i) => 1000 + 400 * Math.sin(i / 20));
const running: Frame = {
  elapsedS: 72, tick: 3,
  source: { place: '127.0.0.1:41233', rate: 1204, history: wave },
  target: { place: '127.0.0.1:41899', rate: 1198, history: wave.map((rate, i) => (i > 150 && i < 156 ? 0 : rate)) },
  pid: 4711, state: 'streaming', stateTone: 'good', lagMs: 12, position: '0/4A3B2C18',
  tables: [
    { name: 'customers', source: 4012, target: 4012 }, { name: 'products', source: 500, target: 500 }, { name: 'orders', source: 20_123, target: 20_119 },
    { name: 'order_items', source: 50_123, target: 50_111 }, { name: 'payments', source: 15_000, target: undefined },
  ],
  balance: { source: '400000.00', target: '400000.00', looks: 71, torn: 0 },
  events: [
    { atS: 2, text: 'two PostgreSQL 18 servers, a shop with 49,500 rows, traffic begins', tone: 'plain' },
    { atS: 31, text: 'killed pid 4650 with SIGKILL', tone: 'bad' },
    { atS: 32, text: 'back after 0.8 s, position 0/4A001F00', tone: 'good' },
  ],
  kills: 1,
};
const starting: Frame = {
  ...running, pid: undefined, state: 'starting two PostgreSQL servers', stateTone: 'warn', lagMs: undefined, position: undefined, tables: [], events: [], kills: 0,
  source: { place: '', rate: 0, history: [] }, target: { place: '', rate: 0, history: [] }, balance: { source: undefined, target: undefined, looks: 0, torn: 0 },
};

test('every frame fits its terminal, whatever the size', () => {
  for (const frame of [running, starting, { ...running, pid: undefined, state: 'killed', stateTone: 'bad' as const, lagMs: undefined }]) {
    for (const width of [1, 10, 24, 40, 60, 79, 80, 100, 120, 200]) {
      for (const height of [1, 5, 16, 24, 30, 50]) {
        const lines = paint(frame, width, height);
        assert.ok(lines.length <= height, `${lines.length} lines in ${width}×${height}`);
        for (const line of lines) {
          assert.ok(widthOf(line) <= width, `${widthOf(line)} columns in ${width}×${height}: ${plain(line)}`);
          assert.doesNotMatch(line, /undefined|NaN|Infinity/);
        }
      }
    }
  }
});

test('what a viewer must see is there at 80 × 30 and at 120 × 34', () => {
  for (const [width, height] of [[80, 30], [120, 34]] as const) {
    const text = paint(running, width, height).map(plain).join('\n');
    for (const needed of ['pid 4711 streaming', '1,204 rows/s', '1,198 rows/s', '12 ms behind', '0/4A3B2C18', 'order_items', '50,123', '−12', '400000.00', 'k  kill -9', 'v  verify', 'q  quit', '1 × kill -9', '01:12']) {
      assert.ok(text.includes(needed), `${needed} at ${width}×${height}:\n${text}`);
    }
  }
  const wide = paint(running, 120, 34).map(plain).join('\n');
  assert.ok(wide.includes('killed pid 4650 with SIGKILL') && wide.includes('back after 0.8 s, position 0/4A001F00'), wide);
});

test('a killed process is shown as such: no dots move, no lag is claimed', () => {
  const text = paint({ ...running, pid: undefined, state: 'killed', stateTone: 'bad', lagMs: undefined }, 100, 30).map(plain).join('\n');
  assert.match(text, /┄ ✗ killed ┄/);
  assert.match(text, /down/);
  assert.doesNotMatch(text, /●|▶|ms behind/);
});

test('a torn sum would be shown', () => {
  const text = paint({ ...running, balance: { source: '400000.00', target: '399990.00', looks: 9, torn: 2 } }, 100, 34).map(plain).join('\n');
  assert.match(text, /≠/);
  assert.match(text, /torn in 2 of 9 looks/);
});

test('the chart: heights follow the values, the newest is at the right, empty history is empty', () => {
  assert.deepEqual(areaChart([], 8, 4, 2, 10), ['⠀⠀⠀⠀', '⠀⠀⠀⠀']);
  assert.deepEqual(areaChart([10, 10, 10, 10, 10, 10, 10, 10], 8, 4, 2, 10), ['⣿⣿⣿⣿', '⣿⣿⣿⣿']);
  assert.deepEqual(areaChart([5, 5, 5, 5], 8, 4, 2, 10), ['⠀⠀⠀⠀', '⠀⠀⣿⣿']);
  assert.deepEqual(areaChart([0, 10], 2, 1, 1, 10), ['⣸']);
  assert.deepEqual([0, 9, 11, 160, 2001, 7600].map(niceTop), [10, 10, 15, 200, 3000, 10_000]);
});

test('text helpers count columns, not bytes', () => {
  assert.equal(widthOf(style.bad('ab') + 'é▶'), 4);
  assert.equal(plain(clip(style.bad('abcdef'), 4)), 'abc…');
  assert.equal(plain(fit('ab', 4)), 'ab  ');
  assert.equal(plain(fitRight('ab', 4)), '  ab');
  assert.equal(grouped(1234567.4), '1,234,567');
});
