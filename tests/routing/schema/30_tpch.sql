create schema tpch;
set search_path = tpch;
create table region (r_regionkey int primary key, r_name char(25), r_comment varchar(152));
create table nation (n_nationkey int primary key, n_name char(25), n_regionkey int, n_comment varchar(152));
create table part (p_partkey int primary key, p_name varchar(55), p_mfgr char(25), p_brand char(10), p_type varchar(25),
    p_size int, p_container char(10), p_retailprice decimal(15, 2), p_comment varchar(23));
create table supplier (s_suppkey int primary key, s_name char(25), s_address varchar(40), s_nationkey int,
    s_phone char(15), s_acctbal decimal(15, 2), s_comment varchar(101));
create table partsupp (ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost decimal(15, 2),
    ps_comment varchar(199), primary key (ps_partkey, ps_suppkey));
create table customer (c_custkey int primary key, c_name varchar(25), c_address varchar(40), c_nationkey int,
    c_phone char(15), c_acctbal decimal(15, 2), c_mktsegment char(10), c_comment varchar(117));
create table orders (o_orderkey int primary key, o_custkey int, o_orderstatus char(1), o_totalprice decimal(15, 2),
    o_orderdate date, o_orderpriority char(15), o_clerk char(15), o_shippriority int, o_comment varchar(79));
create table lineitem (l_orderkey int, l_partkey int, l_suppkey int, l_linenumber int, l_quantity decimal(15, 2),
    l_extendedprice decimal(15, 2), l_discount decimal(15, 2), l_tax decimal(15, 2), l_returnflag char(1),
    l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct char(25),
    l_shipmode char(10), l_comment varchar(44), primary key (l_orderkey, l_linenumber));
insert into region values (0, 'AFRICA', ''), (1, 'AMERICA', ''), (2, 'ASIA', ''), (3, 'EUROPE', ''), (4, 'MIDDLE EAST', '');
insert into nation select i, (array['FRANCE', 'GERMANY', 'BRAZIL', 'CANADA', 'SAUDI ARABIA'])[1 + i % 5], i % 5, ''
    from generate_series(0, 24) i;
insert into part select i, (array['green tin', 'forest plum', 'red steel'])[1 + i % 3], 'Manufacturer#1', 'Brand#' || 10 + i % 40,
    (array['ECONOMY ANODIZED STEEL', 'PROMO PLATED BRASS', 'MEDIUM POLISHED TIN'])[1 + i % 3], 1 + i % 50,
    (array['SM CASE', 'MED BOX', 'LG PACK'])[1 + i % 3], 900 + i, '' from generate_series(1, 60) i;
insert into supplier select i, 'Supplier#' || i, 'street', i % 25, 10 + i % 25 || '-555', 100 * i, 'Customer x Complaints'
    from generate_series(1, 20) i;
insert into partsupp select p, 1 + (p + s * 5) % 20, 100 * s, p * 1.5 + s, '' from generate_series(1, 60) p, generate_series(0, 3) s;
insert into customer select i, 'Customer#' || i, 'street', i % 25, 10 + i % 25 || '-555', 10 * i - 100,
    (array['BUILDING', 'MACHINERY'])[1 + i % 2], '' from generate_series(1, 50) i;
insert into orders select i, 1 + i % 40, (array['O', 'F'])[1 + i % 2], 1000 * i, date '1993-01-01' + i * 11,
    (array['1-URGENT', '2-HIGH', '5-LOW'])[1 + i % 3], 'Clerk#' || i, 0, 'special pending requests'
    from generate_series(1, 200) i;
insert into lineitem select 1 + i % 200, 1 + i % 60, 1 + i % 20, i, 1 + i % 50, 1000 + i, (i % 10) / 100.0, (i % 8) / 100.0,
    (array['R', 'A', 'N'])[1 + i % 3], (array['O', 'F'])[1 + i % 2], date '1993-01-01' + i * 4, date '1993-01-10' + i * 4,
    date '1993-01-20' + i * 4, (array['DELIVER IN PERSON', 'NONE'])[1 + i % 2], (array['MAIL', 'SHIP', 'AIR'])[1 + i % 3], ''
    from generate_series(1, 600) i;
create view revenue as select l_suppkey as supplier_no, sum(l_extendedprice * (1 - l_discount)) as total_revenue
    from lineitem where l_shipdate >= date '1996-01-01' and l_shipdate < date '1996-01-01' + interval '3 months'
    group by l_suppkey;
reset search_path;
