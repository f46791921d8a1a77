-- Changes of data, schema and server.

--: because writes
insert into categories values (60, 1, 'x')

--: because writes
insert into categories select id + 100, null, name from categories

--: because writes
insert into categories values (1, null, 'x') on conflict (id) do nothing

--: because writes
insert into categories values (1, null, 'x') on conflict (id) do update set name = excluded.name returning *

--: because writes
with x as (select 61 as id) insert into categories (id) select id from x

--: because writes
with x as (select 1 as id) update products p set stock = 3 from x where p.id = x.id

--: because writes
with x as (select 1 as id) delete from order_lines l using x where l.order_id = x.id

--: because writes
update products p set price = price * 1.1, stock = o.id from orders o where p.id = o.id and p.id = 1 returning p.*

--: because writes
update products set (price, stock) = (select 1, 2) where id = 1

--: because writes
update only vehicles set wheels = 3

--: because writes
delete from order_lines

--: because writes
delete from order_lines where order_id = 1 returning *

--: because writes
merge into categories c using (values (1, 'x'), (70, 'y')) v(id, name) on c.id = v.id when matched then update set name = v.name when not matched then insert values (v.id, null, v.name)

--: because writes
truncate order_lines

--: because writes
truncate only order_lines restart identity cascade

--: because writes
create table made (id int)

--: because writes
create table if not exists products (id int)

--: because writes
create unlogged table made (id int)

--: because writes
create temporary table made (id int) on commit drop

--: because writes
create table made as table products with no data

--: because writes
create view made as select 1 as one

--: because writes
create or replace view paid_orders as select * from orders where status = 'paid'

--: because writes
create materialized view made as select 1 as one

--: because writes
refresh materialized view product_sales

--: because writes
create index made on products (name)

--: because writes
--: alone
create index concurrently made on products (name)

--: because writes
create unique index if not exists made on products (name)

--: because writes
create sequence made

--: because writes
alter sequence ticket restart with 100

--: because writes
create type made as (a int)

--: because writes
create type made as enum ('a')

--: because writes
alter type mood add value 'angry'

--: because writes
create domain made as int

--: because writes
create function made() returns int language sql as 'select 1'

--: because writes
create function made() returns int language sql begin atomic select 1; select 2; end

--: because writes
create or replace procedure made() language sql as 'select 1'

--: because writes
create trigger made before insert on products for each row execute function suppress_redundant_updates_trigger()

--: because writes
create rule made as on insert to categories do also select 1

--: because writes
create schema made

--: because writes
create role made

--: because writes
alter role app set work_mem = '8MB'

--: because writes
alter database app set work_mem = '8MB'

--: because writes
--: alone
--: state
alter system set work_mem = '8MB'

--: because writes
grant select on products to app

--: because writes
revoke select on products from app

--: because writes
alter default privileges grant select on tables to app

--: because writes
alter table products add column made int

--: because writes
alter table products alter column name type varchar(100)

--: because writes
alter table products rename to made

--: because writes
alter table events attach partition measures_old for values from ('2030-01-01') to ('2031-01-01')

--: because writes
alter table products enable row level security

--: because writes
alter table products owner to app

--: because writes
create policy made on products using (true)

--: because writes
drop table order_lines

--: because writes
drop view if exists paid_orders cascade

--: because writes
drop owned by careless

--: because writes
reassign owned by careless to postgres

--: because writes
comment on table products is 'x'

--: because writes
security label on table products is 'x'

--: because writes
create extension cube

--: because writes
create statistics made on name, price from products

--: because writes
create publication made for table products

--: because writes
--: alone
create subscription made connection 'x' publication y

--: because writes
create server made foreign data wrapper file_fdw

--: because writes
create event trigger made on ddl_command_start execute function nothing()

--: because writes
create aggregate made (int) (sfunc = int4pl, stype = int)

--: because writes
create operator ### (leftarg = int, rightarg = int, function = int4pl)

--: because writes
create cast (text as int) with inout

--: because writes
create collation made from "C"

--: because writes
create text search configuration made (copy = simple)

--: because writes
call restock()

--: because writes
do 'begin perform nextval(''ticket''); end'

--: because writes
do $$ begin insert into categories values (80, null, 'x'); end $$

--: because writes
--: alone
vacuum products

--: because writes
--: alone
vacuum (full, analyze) products

--: because writes
analyze products

--: because writes
analyze

--: because writes
reindex table products

--: because writes
--: alone
reindex table concurrently products

--: because writes
cluster products using products_pkey

--: because writes
--: alone
create database made

--: because writes
--: alone
drop database if exists nothing

--: because writes
--: alone
create tablespace made location '/nowhere'

--: because writes
--: state
checkpoint

--: because writes
import foreign schema x from server files into public

--: because session_state
select products.* into temporary made from products

--: because writes
select 1 as one into made

--: because writes
explain insert into categories values (62, null, 'x')

--: because writes
explain analyze create table made as select 1

--: because writes
explain analyze select * into made from products

--: because function
select customers.row_event from customers where id = 1

--: because function
--: state
select pg_terminate_backend(0)

--: because function
--: state
select pg_cancel_backend(0)

--: because server_state
--: state
select pg_stat_reset()

--: because function
select brin_summarize_new_values('products_pkey')

--: because writes
select lo_unlink(1)

--: because writes
select lo_put(1, 0, 'x')

--: because writes
select pg_replication_origin_create('made')

--: because writes
--: state
select pg_create_physical_replication_slot('made')

--: because writes
select pg_drop_replication_slot('nothing')

--: because function
select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')

--: because function
select table_to_xml('ticket_view', true, false, '')

--: because function
select uuid_generate_v4()
