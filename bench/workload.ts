// The changes that benchmarks replicate: 10 columns with a jsonb, about 250 bytes a row; 50 % updates, 30 % inserts, 20 % deletes.
import type { PgConnection } from '../src/wire/index.ts';

export const columns = `id bigint primary key, customer int not null, status text not null, amount numeric(12,2) not null, quantity int, at timestamptz not null,
  note text, tags text[], details jsonb, flag boolean`;

/** Rows that are there before the changes begin, so that updates and deletes meet them. */
export const rowsBefore = 100_000;

const values = (id: string): string => `${id}, (${id} % 5000)::int, 'status-' || ${id} % 7, (${id} % 100000) / 100.0, (${id} % 50)::int, now(), 'note of row ' || ${id} || repeat('.', 40),
  array['a', 'tag' || ${id} % 9], jsonb_build_object('id', ${id}, 'source', 'web', 'items', ${id} % 20, 'text', repeat('x', 60)), ${id} % 2 = 0`;

export async function changesTable(db: PgConnection, fill = true): Promise<void> {
  await db.query(`create table changes (${columns})`);
  if (fill) await fillChanges(db, rowsBefore);
}

export async function fillChanges(db: PgConnection, rows: number): Promise<void> {
  await db.query(`insert into changes select ${values('i')} from generate_series(1, ${rows}) i; analyze changes`);
}

/** Writes the mix in transactions of the given size, by a procedure on the server, so that preparing is quick. */
export async function writeChanges(db: PgConnection, options: { changes: number; perTransaction: number }): Promise<void> {
  await db.query(`
    create or replace procedure write_changes(n int, per int, first bigint) language plpgsql as $$
    declare next bigint := first; gone bigint := 1; target bigint;
    begin
      for i in 1..n loop
        if i % 10 in (1, 3, 5, 7, 9) then
          target := gone + (i::bigint * 7919) % (next - gone);
          update changes set status = 'changed-' || i % 5, amount = amount + 1, details = details || jsonb_build_object('step', i) where id = target;
        elsif i % 10 in (0, 2, 4) then
          insert into changes select ${values('next')};
          next := next + 1;
        else
          delete from changes where id = gone;
          gone := gone + 1;
        end if;
        if i % per = 0 then commit; end if;
      end loop;
      commit;
    end $$`);
  await db.query('set synchronous_commit = off');
  await db.query(`call write_changes(${options.changes}, ${options.perTransaction}, ${rowsBefore + 1})`);
}
