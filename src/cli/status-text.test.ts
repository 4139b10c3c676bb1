import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createColors } from 'picocolors';
import { bytesText, durationText, statusText } from './status-text.ts';

test('a short tree: aligned, and a bad line ends with what to do', () => {
  const text = statusText(
    {
      sources: {
        shop: {
          state: 'streaming', position: '0/16B3748', lagBytes: 0, lagMs: 0,
          tables: { 'public.orders': { state: 'streaming', snapshotRows: 12_000, changes: 345 }, 'public.items': { state: 'snapshot', snapshotRows: 0, changes: 0 } },
        },
      },
      replicas: {
        warehouse: { state: 'failed', reason: 'column "total" is missing', next: 'millrace plan --sql', position: null, lagBytes: 2_500_000, lagMs: 90_500, rows: 7, deadLetters: 0, tables: {} },
        reporting: { state: 'streaming', position: '0/16B3748', lagBytes: 0, lagMs: 0, rows: 1_234_567, deadLetters: 1, tables: {
          'public.items': { state: 'streaming', events: [], indexes: [{ name: 'items_n_idx', state: 'making' }] },
          'public.orders': { state: 'streaming', reason: 'an index is pending', next: 'create index …', events: [], indexes: [{ name: 'orders_n_idx', state: 'pending', reason: 'an index is pending', next: 'create index …' }] },
        } },
      },
    },
    createColors(false),
  );
  assert.deepEqual(text.split('\n'), [
    'shop             ● streaming  no lag · at 0/16B3748',
    '├ public.orders  ● streaming  12,000 rows read · 345 changes',
    '└ public.items   ◔ snapshot   0 changes',
    'warehouse        ✗ failed     7 rows · 1 min 30 s behind · 2.4 MB  column "total" is missing; next: millrace plan --sql',
    'reporting        ● streaming  1,234,567 rows · no lag · at 0/16B3748 · 1 dead letter  next: millrace dead list',
    '├ public.items   ● streaming  making index items_n_idx',
    '└ public.orders  ● streaming    an index is pending; next: create index …',
  ]);
});

test('sizes and durations', () => {
  assert.deepEqual([0, 999, 1536, 200_000, 3 << 20].map(bytesText), ['0 B', '999 B', '1.5 kB', '195 kB', '3.0 MB']);
  assert.deepEqual([0, 999.4, 1500, 61_000, 7_260_000].map(durationText), ['0 ms', '999 ms', '1.5 s', '1 min 1 s', '2 h 1 min']);
});
