import { Decimal, defineProject, env, table } from 'millrace';

export default defineProject({
  sources: { shop: { postgres: env('SHOP_URL'), tables: ['public.*', '!public.audit'] } },
  replicas: {
    warehouse: {
      from: 'shop',
      postgres: env('WAREHOUSE_URL'),
      tables: [
        table('shop.public.orders', {
          to: 'sales.orders',
          where: (order) => order.status !== 'draft',
          // `note` may be Unchanged, when an update did not touch a long one: passing it on is fine, computing with it does not compile.
          row: ({ cents, ...order }) => ({ ...order, total: Decimal.from(cents).times('0.01'), large: cents >= 100_000n }),
        }),
        table('shop.public.customers', { to: 'sales.customers', drop: ['ssn', 'internal_note'] }),
        table('shop.public."OrderLines"', { to: 'sales.order_lines' }),
      ],
    },
  },
});
