-- Each of these has been sent to a standby by one pooler or another.

--: because writes
with x as (update products set stock = stock where id = 1 returning *) select * from x

--: because writes
with x as (insert into categories values (50, null, 'x') returning id) select id from x

--: because writes
with d as (delete from order_lines where order_id = 1 returning *) select count(*) from d

--: because writes
select * from products where id in (with d as (delete from order_lines where order_id = 1 returning product_id) select product_id from d)

--: because writes
select (select count(*) from products), x.* from (with a as (select 1), u as (update products set stock = 0 where id = 1 returning id) select id from u, a) x

--: because locks
select * from products where id = 1 for update

--: because locks
select * from products where id = 1 for no key update

--: because locks
select * from products where id = 1 for share

--: because locks
select * from products where id = 1 for key share

--: because locks
select * from products where id = 1
for
update

--: because locks
SELECT * FROM products WHERE id = 1 FOR/**/UPDATE

--: because locks
select * from products where id = 1 -- for fun
 for update skip locked

--: because locks
select * from (select * from products for update) p

--: because locks
with p as (select * from products where id = 1 for share) select * from p

--: because locks
select name from products where exists (select from orders where id = 1 for key share)

--: because locks
(select id from products for update) order by id

select * from products where name = 'for update'

select name as "for update" from products

select 1 /* for update */

/* insert into t */ select 1

-- update nothing
select 2

/* nested /* comment */ still */ select 3

--: because writes
select 1; insert into categories values (51, null, 'x')

--: because writes
select 1; select 2; delete from order_lines

select 1; select 2

select 1;;

;

--: because writes
select * into copied from products

--: because session_state
select * into temp copied from products

--: because writes
create table copied as select * from products

--: because writes
create temp table copied as select * from products

--: because writes
explain analyze insert into categories values (52, null, 'x')

--: because writes
explain (analyze 1) delete from order_lines

--: because writes
--: varies
explain (analyze true, costs off) update products set stock = 1

explain (costs off) select * from categories where id = 1

--: varies
explain (analyze, costs off, timing off, summary off) select * from categories where id = 1

--: varies
explain (format json) select count(*) from orders

--: varies
explain verbose select name from products order by price

--: because locks
explain select * from products for update

--: because writes
copy (insert into categories values (53, null, 'x') returning id) to stdout

--: because writes
copy (update products set stock = 1 returning id) to stdout

copy products to stdout

copy products (id, name) to stdout with (format csv, header)

copy (select id, name from products order by id) to stdout (format csv)

copy (values (1, 'a'), (2, 'b')) to stdout

--: because locks
copy (select * from products for update) to stdout

--: because writes
copy categories from stdin

--: because writes
--: state
copy products to '/tmp/pgweir-corpus-copy'

--: because writes
--: state
copy products to program 'cat > /dev/null'

--: because writes
--: state
copy (select 1) to program 'cat > /dev/null'

--: because writes
select pg_notify('channel', 'payload')

--: because writes
notify channel, 'payload'

--: because session_state
listen channel

--: because session_state
--: state
unlisten *

--: because writes
select lo_create(0)

--: because writes
select lo_from_bytea(0, 'x')

--: because writes
select lo_import('/etc/hostname')

declare c cursor for select * from products

declare c no scroll cursor for select id from products where id < 3

--: because locks
declare c cursor for select * from products for update

--: because session_state
declare c cursor with hold for select * from products

--: because session_state
--: state
prepare x as insert into categories values (54, null, 'x')

--: because session_state
prepare x as select 1

--: because session_state
execute x

--: because writes
merge into products p using (values (1)) v(id) on p.id = v.id when matched then update set stock = 1

--: because writes
select nextval('ticket')

--: because writes
select setval('ticket', 20)

--: because writes
select pg_catalog.nextval('ticket')

--: because writes
select "nextval"('ticket')

--: because writes
SELECT NEXTVAL('ticket'::regclass)

--: because writes
select U&"n\0065xtval"('ticket')

--: because writes
select U&"n!0065xtval" uescape '!' ('ticket')

--: because writes
select id from products where id = (select nextval('ticket'))

--: because writes
select * from nextval('ticket')

--: because writes
values (nextval('ticket'))

--: because writes
select case when true then nextval('ticket') end

--: because writes
select 1 limit nextval('ticket')

--: because writes
select array[nextval('ticket')]

--: because writes
select count(*) filter (where nextval('ticket') > 0) from products

--: because writes
select * from products order by nextval('ticket')

--: because session_state
--: state
select currval('ticket')

--: because session_state
--: state
select lastval()

--: because server_state
--: state
select last_value from ticket

--: because server_state
--: state
select * from ticket

--: because server_state
--: state
select last_value from pg_sequences where sequencename = 'ticket'

--: because server_state
--: state
select * from sequence_view

--: because function
select charge(1)

--: because function
select * from charge(1)

--: because function
select id from products where charge(id) > 0 and id = 1

--: because function
select add_event('x')

--: because function
select careless_read(1) + charge(1)

select price_of(1)

select twice(21)

select twice('x')

select modern(3)

select * from expensive()

select * from expensive(above => 20) order by id

select total_of(1, 2, 3)

select total_of(variadic array[1, 2])

select total_of(1)

--: because writes
select next_ticket()

--: because writes
select modern_ticket()

--: because writes
select dynamic_ticket()

--: because writes
select with_default()

--: because locks
select locks_stable()

--: because locks
select locks_indirectly()

--: because server_state
select who_serves()

--: because server_state
--: state
select sessions()

--: because server_state
select scratch_rows()

--: because function
select overloaded(1)

--: because function
select overloaded('x'::text)

select c.customer_name from customers c where id = 1

select customer_name(c) from customers c where id = 1

--: because function
select c.row_event from customers c where id = 1

--: because function
select (c).row_event from customers c where id = 1

--: because function
select row_event(c) from customers c where id = 1

select concatenate(name order by id) from categories

--: because function
select counting(id) from categories

--: because function
select 1 +#+ 'x'::text

--: because function
select 1 operator(public.+#+) 'x'::text

select 1 +#- 'x'::text

--: because function
select 1::badge

--: because function
select cast(1 as badge)

--: because function
select badge_of(1)

--: because function
select 5::audited_number

select 5::percentage

select '200'::percentage

--: because writes
select * from ticket_view

--: because writes
select * from nested_ticket_view

--: because function
select * from charged

--: because server_state
select * from server_view

--: because locks
select * from locked_orders

--: because server_state
--: state
select * from activity

--: because function
select * from added

select * from stable_view

select * from paid_orders where id < 20

select * from order_totals order by id

select * from product_sales order by product_id

select * from category_tree order by id

--: because server_state
select * from scratch

--: because server_state
select * from measures

select * from measures_old

--: because server_state
with hits as (select * from scratch) select * from hits

with scratch as (select 1 as id) select * from scratch

--: because server_state
with scratch as (select * from scratch) select * from scratch

--: because function
--: state
select * from local_file

select * from secrets

--: role app
select * from secrets

--: because function
--: role app
select * from audited_rows

--: because function
--: path evil, public
select price_of(1)

--: path public, evil
select price_of(1)

--: because function
--: path evil, pg_catalog, public
select lower('X')

--: path evil, public
select lower('X')

--: because function
--: path public, evil
select evil.price_of(1)

--: because function
--: path evil, public
select * from shelf

--: path public
select * from shelf

--: role app
select * from notes

--: role app
select * from products

--: because function
--: role careless
select price_of(1), nothing()

--: because function
--: role careless
select price_of(1)

select current_setting('app.region')

select current_setting('app.tenant', true)

select tenant()

--: because session_state
select current_setting('transaction_read_only')

--: because session_state
select current_setting('server_version')

--: because session_state
select set_config('app.tenant', 'b', false)

--: because session_state
select set_config('app.other', 'b', true), 1

--: because session_state
--: state
select setseed(0.5)

--: because session_state
--: state
select setseed(0.5), random()

--: because locks
select pg_advisory_lock(1)

--: because locks
select pg_try_advisory_lock(1)

--: because locks
select pg_advisory_xact_lock(1)

--: because locks
select id, pg_try_advisory_xact_lock(id) from products where id = 1

--: because locks
--: state
select pg_advisory_unlock(1)

--: because locks
--: state
select pg_advisory_unlock_all()

--: because locks
--: state
select pg_export_snapshot()

--: because session_state
--: state
select pg_backend_pid()

--: because server_state
select pg_is_in_recovery()

--: because server_state
select pg_current_wal_lsn()

--: because server_state
select pg_last_wal_replay_lsn()

--: because server_state
select pg_last_xact_replay_timestamp()

--: because server_state
select pg_walfile_name(pg_current_wal_insert_lsn())

--: because server_state
--: state
select txid_current()

--: because server_state
--: state
select txid_current_if_assigned()

--: because server_state
--: state
select pg_current_xact_id()

--: because server_state
--: state
select pg_current_snapshot()

--: because server_state
--: state
select txid_current_snapshot()

--: because server_state
--: state
select inet_server_port()

--: because server_state
--: state
select pg_postmaster_start_time()

--: because server_state
--: state
select pg_conf_load_time()

--: because server_state
--: state
select pid, state from pg_stat_activity

--: because server_state
--: state
select * from pg_stat_user_tables

--: because server_state
--: state
select * from pg_statio_user_tables

--: because server_state
select * from pg_stat_replication

--: because server_state
select status from pg_stat_wal_receiver

--: because server_state
--: state
select * from pg_locks

--: because server_state
--: state
select name, setting from pg_settings

--: because server_state
--: state
select * from pg_prepared_xacts

--: because server_state
--: state
select * from pg_prepared_statements

--: because server_state
--: state
select * from pg_cursors

--: because server_state
--: state
select slot_name from pg_replication_slots

--: because server_state
--: state
select pg_stat_get_numscans(1259)

--: because server_state
--: state
show transaction_read_only

--: because server_state
show in_hot_standby

--: because server_state
--: state
show all

--: because function
select query_to_xml('delete from order_lines', true, false, '')

--: because function
select query_to_xml('select 1', true, false, '')

--: because function
select * from ts_stat('select search from products')

--: because function
--: state
select pg_reload_conf()

--: because writes
select pg_create_restore_point('x')

--: because writes
select pg_switch_wal()

--: because unknown_name
select pg_xlogfile_name('0/1')

--: because writes
select pg_logical_emit_message(true, 'a', 'b')

--: because server_state
--: state
select pg_read_file('PG_VERSION')

--: because server_state
--: state
select pg_ls_dir('.')

--: because server_state
--: state
select pg_relation_size('products')

--: because server_state
--: state
select pg_database_size(current_database())

--: because server_state
--: state
select pg_total_relation_size('products')

--: because session_state
--: state
select pg_my_temp_schema()

--: because session_state
--: state
select * from pg_listening_channels()

--: because unknown_name
select * from nowhere

--: because unknown_name
select nothing(1)

--: because not_understood
selec 1

--: because not_understood
select from where

--: because not_understood
select 'unfinished

--: because unknown_name
select * from app.public.products

--: because function
select * from crosstab('select 1, 1, nextval(''ticket'')') as ct(a int, b int)

--: because function
select * from crosstab('select 1, 1, pg_try_advisory_lock(1)::int') as ct(a int, b int)
