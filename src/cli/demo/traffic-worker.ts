// The shop's traffic, in a thread of its own: transactions at a steady pace over several connections, each one round trip.
// The parent sends 'stop'; this thread sends the number of rows it wrote, ten times a second, and 'stopped' at the end.
import { parentPort, workerData } from 'node:worker_threads';
import { parsePgUrl, PgConnection, tagCount } from '../../wire/index.ts';
import { details } from './shop.ts';

export interface TrafficOptions {
  readonly url: string;
  /** Transactions a second, on average. */
  readonly rate: number;
}

export type TrafficMessage = { readonly kind: 'rows'; readonly rows: number; readonly transactions: number } | { readonly kind: 'stopped' };

const port = parentPort;
if (!port) throw new Error('this file runs as a worker');
const { url, rate } = workerData as TrafficOptions;
const say = (message: TrafficMessage): void => port.postMessage(message);

const CONNECTIONS = 6;
const int = (below: number): number => Math.floor(Math.random() * below);

let customers = 4000;
let nextOrder = 12_001;
let nextSku = 501;
/** Orders that still live, and products, as this thread knows them. */
const open: number[] = Array.from({ length: 12_000 }, (_, i) => i + 1);
const skus: string[] = Array.from({ length: 500 }, (_, i) => `SKU-${String(i + 1).padStart(4, '0')}`);
const anyOrder = (): number => open[int(open.length)] as number;
const takeOrder = (): number => {
  const at = int(open.length);
  const [taken, last] = [open[at] as number, open.pop() as number];
  if (at < open.length) open[at] = last;
  return taken;
};

/** Several statements in one simple query are one transaction. */
const place = (): string => {
  const id = nextOrder++;
  const lines = 1 + int(4);
  const chosen = Array.from({ length: lines }, () => skus[int(skus.length)] as string).sort();
  open.push(id);
  return [
    `insert into orders (id, customer_id, total, details) values (${id}, ${1 + int(4000)}, ${10 + int(300)}, ${details(String(id % 8 === 0))})`,
    ...chosen.map((sku, i) => `insert into order_items select ${id}, ${i + 1}, sku, ${1 + int(3)}, price from products where sku = '${sku}'`),
    `update products set stock = stock - 1 where sku = '${chosen[0]}'`,
  ].join(';');
};
const pay = (): string => {
  const id = anyOrder();
  return `insert into payments (order_id, amount) select id, total from orders where id = ${id}; update orders set status = 'paid' where id = ${id}`;
};
const ship = (): string => `update orders set status = case status when 'paid' then 'packed'::order_status when 'packed' then 'shipped' else 'paid' end where id = ${anyOrder()}`;
const annotate = (): string => `update orders set details = details || ${details('true')} where id = ${anyOrder()}`;
/** Money moves between two customers, the lower id first so that two transfers never deadlock. */
const transfer = (): string => {
  const a = 1 + int(3999);
  const b = a + 1 + int(4000 - a);
  const amount = (int(2000) - 1000) / 100;
  return `update customers set balance = balance - ${amount} where id = ${a}; update customers set balance = balance + ${amount} where id = ${b}`;
};
const join = (): string => {
  customers += 1;
  return `insert into customers (name, email, balance) values ('Customer ${customers}', 'c${customers}@shop.example', 0)`;
};
/** Rows that go along with an order: foreign keys change them, and no command tag counts them. */
const followers = (id: number): string => `select (select count(*) from order_items where order_id = ${id}) + (select count(*) from payments where order_id = ${id})`;
const remove = (): string => {
  const id = takeOrder();
  return `${followers(id)}; delete from orders where id = ${id}`;
};
/** Primary keys change, and those of the items with them. */
const renumber = (): string => {
  const id = takeOrder();
  const fresh = nextOrder++;
  open.push(fresh);
  return `${followers(id)}; update orders set id = ${fresh} where id = ${id}`;
};
const renameSku = (): string => {
  const at = int(skus.length);
  const old = skus[at] as string;
  skus[at] = `SKU-${String(nextSku++).padStart(4, '0')}`;
  return `select count(*) from order_items where sku = '${old}'; update products set sku = '${skus[at]}' where sku = '${old}'`;
};
/** What is rolled back must not arrive; its row is not counted either. */
const undo = (): string => `begin; update customers set balance = balance + 1000000 where id = ${1 + int(4000)}; rollback`;

/** How often each happens, in a hundred. */
const mix: readonly (readonly [number, () => string])[] = [
  [28, place], [20, pay], [14, ship], [3, annotate], [22, transfer], [4, join], [5, remove], [2, renumber], [1, renameSku], [1, undo],
];
const wheel = mix.flatMap(([weight, make]) => Array.from({ length: weight }, () => make));

let rows = 0;
let transactions = 0;
let stopping = false;

async function connectionLoop(queue: () => Promise<void>): Promise<void> {
  const connection = await PgConnection.connect(parsePgUrl(url));
  while (!stopping) {
    await queue();
    try {
      const results = await connection.query((wheel[int(wheel.length)] as () => string)());
      const undone = results.some(({ tag }) => tag === 'ROLLBACK');
      transactions += 1;
      if (undone) continue;
      for (const result of results) {
        if (/^(INSERT|UPDATE|DELETE)/.test(result.tag)) rows += tagCount(result.tag);
        else if (result.tag.startsWith('SELECT')) rows += Number(result.rows[0]?.[0] ?? 0);
      }
    } catch (error) {
      // Two transactions that met (a deleted order, a deadlock) are part of a shop's life; a lost server is not.
      if (connection.closed) throw error;
    }
  }
  await connection.close();
}

/** Hands out the right to start a transaction: `rate` a second, in waves of 20 s and with a burst now and then, so that charts are not flat. */
function pacer(): () => Promise<void> {
  const begun = performance.now();
  let last = begun;
  let credit = 0;
  const refill = (): void => {
    const now = performance.now();
    const seconds = (now - begun) / 1000;
    const wave = 1 + 0.35 * Math.sin((seconds * 2 * Math.PI) / 20) + (seconds % 13 > 12 ? 0.8 : 0);
    credit = Math.min(rate / 4, credit + ((now - last) / 1000) * rate * wave);
    last = now;
  };
  return async () => {
    refill();
    while (credit < 1 && !stopping) {
      await new Promise((resolve) => setTimeout(resolve, 4));
      refill();
    }
    credit -= 1;
  };
}

port.on('message', () => (stopping = true));
const report = setInterval(() => say({ kind: 'rows', rows, transactions }), 100);
const pace = pacer();
try {
  await Promise.all(Array.from({ length: CONNECTIONS }, () => connectionLoop(pace)));
} finally {
  clearInterval(report);
}
say({ kind: 'rows', rows, transactions });
say({ kind: 'stopped' });
port.close();
