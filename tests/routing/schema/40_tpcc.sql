create schema tpcc;
set search_path = tpcc;
create table warehouse (w_id int primary key, w_name varchar(10), w_street_1 varchar(20), w_street_2 varchar(20),
    w_city varchar(20), w_state char(2), w_zip char(9), w_tax decimal(4, 4), w_ytd decimal(12, 2));
create table district (d_id int, d_w_id int, d_name varchar(10), d_street_1 varchar(20), d_street_2 varchar(20),
    d_city varchar(20), d_state char(2), d_zip char(9), d_tax decimal(4, 4), d_ytd decimal(12, 2), d_next_o_id int,
    primary key (d_w_id, d_id));
create table customer (c_id int, c_d_id int, c_w_id int, c_first varchar(16), c_middle char(2), c_last varchar(16),
    c_street_1 varchar(20), c_street_2 varchar(20), c_city varchar(20), c_state char(2), c_zip char(9), c_phone char(16),
    c_since timestamp, c_credit char(2), c_credit_lim decimal(12, 2), c_discount decimal(4, 4), c_balance decimal(12, 2),
    c_ytd_payment decimal(12, 2), c_payment_cnt int, c_delivery_cnt int, c_data varchar(500),
    primary key (c_w_id, c_d_id, c_id));
create table history (h_c_id int, h_c_d_id int, h_c_w_id int, h_d_id int, h_w_id int, h_date timestamp,
    h_amount decimal(6, 2), h_data varchar(24));
create table oorder (o_id int, o_d_id int, o_w_id int, o_c_id int, o_entry_d timestamp, o_carrier_id int, o_ol_cnt int,
    o_all_local int, primary key (o_w_id, o_d_id, o_id));
create table new_order (no_o_id int, no_d_id int, no_w_id int, primary key (no_w_id, no_d_id, no_o_id));
create table order_line (ol_o_id int, ol_d_id int, ol_w_id int, ol_number int, ol_i_id int, ol_supply_w_id int,
    ol_delivery_d timestamp, ol_quantity int, ol_amount decimal(6, 2), ol_dist_info char(24),
    primary key (ol_w_id, ol_d_id, ol_o_id, ol_number));
create table item (i_id int primary key, i_im_id int, i_name varchar(24), i_price decimal(5, 2), i_data varchar(50));
create table stock (s_i_id int, s_w_id int, s_quantity int, s_dist_01 char(24), s_ytd int, s_order_cnt int,
    s_remote_cnt int, s_data varchar(50), primary key (s_w_id, s_i_id));
insert into warehouse values (1, 'w', 'a', 'b', 'c', 'CA', '123456789', 0.1, 300000);
insert into district select i, 1, 'd' || i, 'a', 'b', 'c', 'CA', '123456789', 0.05, 30000, 31 from generate_series(1, 3) i;
insert into customer select c, d, 1, 'first' || c, 'OE', 'BAR' || c % 5, 'a', 'b', 'c', 'CA', '123456789', '555', '2024-01-01',
    'GC', 50000, 0.1, -10, 10, 1, 0, '' from generate_series(1, 30) c, generate_series(1, 3) d;
insert into oorder select o, d, 1, o, '2024-01-01', o % 10, 2, 1 from generate_series(1, 30) o, generate_series(1, 3) d;
insert into new_order select o, d, 1 from generate_series(21, 30) o, generate_series(1, 3) d;
insert into order_line select o, d, 1, n, o + n, 1, '2024-01-01', 5, 10, 'info' from generate_series(1, 30) o,
    generate_series(1, 3) d, generate_series(1, 2) n;
insert into item select i, i, 'item' || i, 1 + i % 90, '' from generate_series(1, 40) i;
insert into stock select i, 1, 5 + i % 20, 'info', 0, 0, 0, '' from generate_series(1, 40) i;
reset search_path;
create table pgbench_branches (bid int primary key, bbalance int, filler char(88));
create table pgbench_tellers (tid int primary key, bid int, tbalance int, filler char(84));
create table pgbench_accounts (aid int primary key, bid int, abalance int, filler char(84));
create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
insert into pgbench_branches values (1, 0);
insert into pgbench_tellers select i, 1, 0 from generate_series(1, 10) i;
insert into pgbench_accounts select i, 1, 0 from generate_series(1, 100) i;
