// Written by `millrace types`; run it again when a table changes.
import type { Decimal, Timestamp, Unchanged } from 'millrace';

declare module 'millrace' {
  interface Tables {
    'shop.public.lines': {
      row: {
        readonly order_id: bigint;
        readonly line: number;
        readonly price: Decimal | null;
        readonly note: string | null;
      };
      key: 'order_id' | 'line';
      identity: 'full';
    };
    'shop.public.orders': {
      row: {
        readonly id: bigint;
        readonly status: 'new' | 'paid' | 'draft';
        readonly cents: bigint;
        readonly note: string | Unchanged | null;
        readonly placed: Timestamp;
      };
      key: 'id';
      identity: 'key';
    };
  }
}
