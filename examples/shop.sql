-- The source of the examples: a small shop.
create type order_status as enum ('draft', 'placed', 'paid', 'shipped');

create table customers (
  id bigint primary key,
  name text not null,
  email text not null,
  ssn text,
  internal_note text
);

create table orders (
  id bigint primary key,
  customer_id bigint not null references customers,
  status order_status not null,
  cents bigint not null,
  note text,
  placed_at timestamptz not null
);

create table "OrderLines" (
  "OrderId" bigint not null references orders on delete cascade,
  "LineNo" integer not null,
  "Product" text not null,
  "Quantity" integer not null,
  primary key ("OrderId", "LineNo")
);

create table audit (
  id bigint generated always as identity primary key,
  what text not null
);

insert into customers values
  (1, 'Ada', 'ada@example.com', '111-11-1111', 'pays late'),
  (2, 'Grace', 'grace@example.com', null, null),
  (3, 'Alan', 'alan@example.com', '333-33-3333', null);
insert into orders values
  (1, 1, 'paid', 1999, 'leave at the door', '2026-01-05 10:00+00'),
  (2, 2, 'draft', 500, null, '2026-01-05 11:00+00'),
  (3, 2, 'placed', 123456, null, '2026-01-06 09:30+00');
insert into "OrderLines" values (1, 1, 'teapot', 1), (1, 2, 'cup', 4), (3, 1, 'table', 1);
insert into audit (what) values ('shop opened');
