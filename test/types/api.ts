// Type tests of the library: what must compile, and after each @ts-expect-error what must not. Compiled by src/control/project/api.types.test.ts.
import { defineProject, env, table } from 'millrace';

// The example of the design.
export default defineProject({
  sources: { shop: { postgres: env('SHOP_URL'), tables: ['public.*', '!public.audit'], columns: { 'public.customers': ['*', '!ssn'] } } },
  replicas: {
    warehouse: {
      from: 'shop',
      postgres: env('WAREHOUSE_URL'),
      tables: [
        table('shop.public.orders', {
          to: 'sales.orders',
          where: (o) => o.status !== 'draft',
          row: ({ cents, ...o }) => ({ ...o, total: Number(cents) / 100 }),
        }),
        table('shop.public.orders', { to: 'audit.orders', meta: true, deletes: 'soft' }),
        table('shop.public.*', { to: 'sales.*' }),
      ],
    },
    mapped: { from: ['shop.public.orders', '!shop.public.lines'], postgres: env('X'), tables: { 'shop.public.orders': { drop: ['note'], mask: { note: 'hash' } } } },
  },
});

// Rows: leaving out, passing an unchanged value on, fewer and more columns.
table('shop.public.orders', { row: (o) => (o.status === 'draft' ? null : { id: o.id, note: o.note, more: 1 }) });
// Keys: of key columns, renamed ones, of any column under full identity.
table('shop.public.orders', { key: ['id'] });
table('shop.public.orders', { rename: { id: 'order_id' }, key: ['order_id'] });
table('shop.public.lines', { key: ['line', 'note'] });
table('shop.public.lines', { where: (l) => l.note === 'x' && l.note.length > 3 });
table('shop.public.lines', { key: ['note'], row: (l) => ({ note: l.note }) });
// Indexes, over columns of the target.
table('shop.public.orders', { rename: { cents: 'total' }, indexes: ['total desc', 'lower(note)', { on: 'placed', using: 'brin', where: "status <> 'draft'", unique: false }] });

// @ts-expect-error no such key of an index
table('shop.public.orders', { indexes: [{ on: 'placed', method: 'brin' }] });
// @ts-expect-error a wrong table
table('shop.public.ordres', {});
// @ts-expect-error a wrong column
table('shop.public.orders', { where: (o) => o.state === 'paid' });
// @ts-expect-error a wrong column in a row function
table('shop.public.orders', { row: ({ id, cent }) => ({ id, cent }) });
// @ts-expect-error a wrong column in drop
table('shop.public.orders', { drop: ['notes'] });
// @ts-expect-error a wrong column in mask
table('shop.public.orders', { mask: { notes: 'hash' } });
// @ts-expect-error a wrong column in rename
table('shop.public.orders', { rename: { notes: 'remark' } });
// @ts-expect-error no such value of the enum
table('shop.public.orders', { where: (o) => o.status !== 'lost' });
// @ts-expect-error a computation on a value that may be Unchanged
table('shop.public.orders', { row: (o) => ({ ...o, length: o.note?.length }) });
// @ts-expect-error a text made of a value that may be Unchanged
table('shop.public.orders', { row: (o) => ({ ...o, note: o.note + '!' }) });
// @ts-expect-error a condition on a value that may be Unchanged
table('shop.public.orders', { where: (o) => o.note === 'x' });
// @ts-expect-error int8 is bigint: a double would not hold it
table('shop.public.orders', { row: (o) => ({ ...o, total: o.cents / 100 }) });
// @ts-expect-error a target key of a column outside the key
table('shop.public.orders', { key: ['status'] });
// @ts-expect-error a target key of a renamed column outside the key
table('shop.public.orders', { rename: { status: 'state' }, key: ['state'] });
// @ts-expect-error the row has no key
table('shop.public.orders', { row: ({ status }) => ({ status }) });
// @ts-expect-error the row lacks a part of the composite key
table('shop.public.lines', { row: ({ order_id, price }) => ({ order_id, price }) });
// @ts-expect-error the row lacks the key that is named
table('shop.public.lines', { key: ['note'], row: ({ line }) => ({ line }) });
// @ts-expect-error no such way of deleting
table('shop.public.orders', { deletes: 'sotf' });

const source = { shop: { postgres: env('SHOP_URL') } };
// @ts-expect-error no such source
defineProject({ sources: source, replicas: { a: { from: 'shopp', postgres: 'x' } } });
// @ts-expect-error no such table
defineProject({ sources: source, replicas: { a: { from: 'shop.public.ordres', postgres: 'x' } } });
// @ts-expect-error an unknown key
defineProject({ sources: source, replicas: { a: { from: 'shop', postgress: 'x' } } });
// @ts-expect-error no such naming
defineProject({ sources: source, replicas: { a: { from: 'shop', postgres: 'x', names: 'snakecase' } } });
