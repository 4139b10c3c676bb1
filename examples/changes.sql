-- What happens in the shop while it is replicated: inserts, updates, a change of a key, deletes.
begin;
insert into customers values (4, 'Barbara', 'barbara@example.com', '444-44-4444', null);
insert into orders values (4, 4, 'placed', 7500, null, '2026-01-07 08:00+00');
insert into "OrderLines" values (4, 1, 'lamp', 2);
commit;

update orders set status = 'placed' where id = 2;
update orders set status = 'draft' where id = 3;
update customers set email = 'ada@lovelace.example' where id = 1;
update customers set id = 30 where id = 3;
delete from "OrderLines" where "OrderId" = 1 and "LineNo" = 2;
delete from orders where id = 1;
