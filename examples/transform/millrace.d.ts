// Written by `millrace types`; run it again when a table changes.
import type { Timestamp, Unchanged } from 'millrace';

declare module 'millrace' {
  interface Tables {
    'shop.public."OrderLines"': {
      row: {
        readonly OrderId: bigint;
        readonly LineNo: number;
        readonly Product: string | Unchanged;
        readonly Quantity: number;
      };
      key: 'OrderId' | 'LineNo';
      identity: 'key';
    };
    'shop.public.customers': {
      row: {
        readonly id: bigint;
        readonly name: string | Unchanged;
        readonly email: string | Unchanged;
        readonly ssn: string | Unchanged | null;
        readonly internal_note: string | Unchanged | null;
      };
      key: 'id';
      identity: 'key';
    };
    'shop.public.orders': {
      row: {
        readonly id: bigint;
        readonly customer_id: bigint;
        readonly status: 'draft' | 'placed' | 'paid' | 'shipped';
        readonly cents: bigint;
        readonly note: string | Unchanged | null;
        readonly placed_at: Timestamp;
      };
      key: 'id';
      identity: 'key';
    };
  }
}
