-- pgbench's transactions, and TPC-C's.

--: args 7
select abalance from pgbench_accounts where aid = $1

SELECT abalance FROM pgbench_accounts WHERE aid = 7;

--: because writes
UPDATE pgbench_accounts SET abalance = abalance + 10 WHERE aid = 7;

--: because writes
UPDATE pgbench_tellers SET tbalance = tbalance + 10 WHERE tid = 1;

--: because writes
UPDATE pgbench_branches SET bbalance = bbalance + 10 WHERE bid = 1;

--: because writes
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, 7, 10, CURRENT_TIMESTAMP);

--: because writes
--: args 10|7
update pgbench_accounts set abalance = abalance + $1 where aid = $2

--: because writes
truncate pgbench_history

select count(*) from pgbench_branches

--: because writes
copy pgbench_accounts from stdin with freeze

--: because writes
--: alone
vacuum analyze pgbench_branches

--: path tpcc
select c_discount, c_last, c_credit, w_tax from customer, warehouse where w_id = 1 and c_w_id = w_id and c_d_id = 2 and c_id = 3

--: because locks
--: path tpcc
select d_next_o_id, d_tax from district where d_w_id = 1 and d_id = 2 for update

--: because writes
--: path tpcc
update district set d_next_o_id = d_next_o_id + 1 where d_w_id = 1 and d_id = 2

--: because writes
--: path tpcc
update district set d_next_o_id = d_next_o_id + 1 where d_w_id = 1 and d_id = 2 returning d_next_o_id, d_tax

--: because writes
--: path tpcc
insert into oorder (o_id, o_d_id, o_w_id, o_c_id, o_entry_d, o_ol_cnt, o_all_local) values (31, 2, 1, 3, now(), 2, 1)

--: because writes
--: path tpcc
insert into new_order (no_o_id, no_d_id, no_w_id) values (31, 2, 1)

--: path tpcc
select i_price, i_name, i_data from item where i_id = 5

--: path tpcc
select i_id, i_price, i_name, i_data from item where i_id in (5, 6, 7, 8) order by i_id

--: because locks
--: path tpcc
select s_quantity, s_data, s_dist_01 from stock where s_i_id = 5 and s_w_id = 1 for update

--: because writes
--: path tpcc
update stock set s_quantity = 50, s_ytd = s_ytd + 5, s_order_cnt = s_order_cnt + 1 where s_i_id = 5 and s_w_id = 1

--: because writes
--: path tpcc
insert into order_line values (31, 2, 1, 1, 5, 1, null, 5, 10.5, 'info')

--: because writes
--: path tpcc
update warehouse set w_ytd = w_ytd + 100.5 where w_id = 1

--: path tpcc
select w_street_1, w_street_2, w_city, w_state, w_zip, w_name from warehouse where w_id = 1

--: path tpcc
select d_street_1, d_street_2, d_city, d_state, d_zip, d_name from district where d_w_id = 1 and d_id = 2

--: path tpcc
select count(c_id) from customer where c_last = 'BAR3' and c_d_id = 2 and c_w_id = 1

--: path tpcc
select c_first, c_middle, c_id, c_balance from customer where c_w_id = 1 and c_d_id = 2 and c_last = 'BAR3' order by c_first

--: because locks
--: path tpcc
select c_first, c_balance, c_ytd_payment from customer where c_w_id = 1 and c_d_id = 2 and c_id = 3 for update

--: because writes
--: path tpcc
update customer set c_balance = c_balance - 10, c_ytd_payment = c_ytd_payment + 10, c_payment_cnt = c_payment_cnt + 1
where c_w_id = 1 and c_d_id = 2 and c_id = 3

--: because writes
--: path tpcc
insert into history values (3, 2, 1, 2, 1, now(), 10, 'w    d')

--: path tpcc
select o_id, o_carrier_id, o_entry_d from oorder where o_w_id = 1 and o_d_id = 2 and o_c_id = 3 order by o_id desc limit 1

--: path tpcc
select ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_delivery_d from order_line where ol_o_id = 3 and ol_d_id = 2 and ol_w_id = 1

--: path tpcc
select no_o_id from new_order where no_d_id = 2 and no_w_id = 1 order by no_o_id asc limit 1

--: because locks
--: path tpcc
select no_o_id from new_order where no_d_id = 2 and no_w_id = 1 order by no_o_id limit 1 for update skip locked

--: because writes
--: path tpcc
delete from new_order where no_o_id = 21 and no_d_id = 2 and no_w_id = 1

--: because writes
--: path tpcc
update oorder set o_carrier_id = 7 where o_id = 21 and o_d_id = 2 and o_w_id = 1

--: path tpcc
select sum(ol_amount) as ol_total from order_line where ol_o_id = 21 and ol_d_id = 2 and ol_w_id = 1

--: path tpcc
select d_next_o_id from district where d_w_id = 1 and d_id = 2

--: path tpcc
select count(distinct s_i_id) as stock_count from order_line, stock
where ol_w_id = 1 and ol_d_id = 2 and ol_o_id < 31 and ol_o_id >= 31 - 20 and s_w_id = 1 and s_i_id = ol_i_id and s_quantity < 15

--: path tpcc
select w_ytd = sum(d_ytd) from warehouse join district on d_w_id = w_id group by w_id, w_ytd

--: path tpcc
select d_w_id, d_id, d_next_o_id - 1 = max(o_id) from district join oorder on o_w_id = d_w_id and o_d_id = d_id group by 1, 2, d_next_o_id order by 1, 2

--: because transaction
--: state
begin

--: because transaction
--: state
commit

--: because transaction
--: state
start transaction read only

--: because transaction
--: state
rollback

--: because transaction
--: state
end

--: because transaction
--: state
savepoint a

--: because transaction
--: state
set transaction isolation level repeatable read

--: because transaction
--: state
begin; select 1; commit

--: because writes
--: alone
prepare transaction 'x'

--: because writes
--: alone
commit prepared 'x'

--: because writes
--: alone
rollback prepared 'x'

--: because session_state
set work_mem = '8MB'

--: because session_state
set local work_mem = '8MB'

--: because session_state
set search_path = tpcc

--: because session_state
set role app

--: because session_state
set session characteristics as transaction read only

--: because session_state
--: state
reset work_mem

--: because session_state
--: state
discard plans

--: because session_state
--: state
deallocate all

--: because session_state
--: state
close all

--: because session_state
--: state
set constraints all deferred

--: because session_state
--: state
set transaction snapshot '00000003-1'

--: because session_state
--: state
load 'auto_explain'

--: because locks
lock table pgbench_accounts in share mode

--: because locks
--: state
lock pgbench_accounts in access share mode
