// For tests of this room: throwaway project folders.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { PgAddress } from '../../wire/index.ts';

/** A folder with these files while `use` runs. */
export async function withProject<T>(files: Readonly<Record<string, string>>, use: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-project-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const testEnv = { SHOP_URL: 'postgres://me@localhost/shop', WAREHOUSE_URL: 'postgres://me@localhost/warehouse', SALT: 'pepper' };

/** The URL of an address. */
export const urlOf = (address: PgAddress | undefined): string | undefined => (typeof address === 'object' ? address.url : address);

/** A file that uses every key. */
export const fullYaml = `# A comment.
millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
    tables: [public.*, "!public.audit", 'public."Order.Items"']
    columns:
      public.customers: ["*", "!ssn"]
    slot: millrace_shop
    publication: millrace_shop
    appendOnly: [public.events]
  crm:
    postgres: \${CRM_URL:-postgres://me@localhost/crm}
replicas:
  warehouse:
    from: [shop, crm.public.accounts]
    postgres: \${WAREHOUSE_URL}
    names: snake_case
    onBadRow: stop
    transactions: split
    parallel: 4
    tables:
      shop.public.*: sales.*
      shop.public.customers:
        to: sales.customers
        mask: { email: hash, phone: null, name: { fixed: "-" }, card: { hash: "\${SALT}" } }
        drop: [note]
        rename: { ts: created_at }
        add: { region: eu, total: { sql: "cents / 100.0" }, since: { value: "2020-01-01", type: date } }
        key: [id]
        where: status <> 'draft'
        deletes: soft
        meta: true
      shop.public.orders: [sales.orders, { to: audit.orders, appendOnly: true }]
limits: { walKept: 2GB, memory: 512MB }
serve: { http: 127.0.0.1:8686 }
bus: embedded
`;
