-- Reads of every shape.

select

select null

select 1, 'a', 1.5, true, null, array[1, 2], row(1, 'x'), date '2024-01-01'

select * from customers order by id

table customers order by id

values (1, 'a'), (2, 'b')

select id, name from customers where mood = 'happy' order by born desc nulls last limit 3 offset 1

select * from customers c join orders o on o.customer_id = c.id where o.id < 10 order by o.id

select c.name, count(*) from customers c left join orders o on o.customer_id = c.id group by c.id order by 1

select * from orders o full join order_lines l on l.order_id = o.id and l.quantity > 4 order by 1, 5, 6

select * from customers cross join categories order by 1, categories.id limit 9

select * from orders natural join (select id, status from orders) x order by id limit 3

select * from customers join orders using (id) order by id

select name from customers where id in (select customer_id from orders where status = 'sent') order by 1

select name from customers c where not exists (select from orders o where o.customer_id = c.id) order by 1

select name from customers where id > all (select customer_id from orders where id < 4) order by 1

select name from customers where id = any (array[1, 2, 3]) order by 1

select name from customers where (id, discount) = (1, 1)

select (select max(price) from products), (select count(*) from orders)

select id from orders union select id from products order by 1

select id from orders union all select id from products order by 1

select id from orders intersect select id from products order by 1

select id from orders except all select id from products order by 1

(select id from orders order by id limit 2) union all (select id from products order by id limit 2)

with a as (select 1 as x), b as (select x + 1 as x from a) select * from a, b

with a as materialized (select * from products), b as not materialized (select * from a) select count(*) from b

with recursive t(n) as (values (1) union all select n + 1 from t where n < 10) select sum(n) from t

with recursive tree as (select id, parent, name, 0 as depth from categories where parent is null union all select c.id, c.parent, c.name, t.depth + 1 from categories c join tree t on c.parent = t.id) search depth first by id set ordering select * from tree order by ordering

with recursive tree as (select id, parent from categories where parent is null union all select c.id, c.parent from categories c join tree t on c.parent = t.id) cycle id set is_cycle using path select * from tree order by id

select status, count(*), min(placed), max(placed) from orders group by status having count(*) > 3 order by status

select status, customer_id % 2 as odd, count(*) from orders group by cube (1, 2) order by 1, 2

select status, customer_id % 2 as odd, count(*), grouping(status) from orders group by grouping sets ((status), (customer_id % 2), ()) order by 1, 2

select count(*) filter (where price > 20), string_agg(name, ', ' order by id), array_agg(distinct stock order by stock) from products

select percentile_cont(0.5) within group (order by price), mode() within group (order by stock) from products

select rank(20) within group (order by price) from products

select id, price, rank() over (order by price desc), lag(price) over w, sum(price) over (partition by id % 3 order by id rows between 1 preceding and current row) from products window w as (order by id) order by id

select ntile(4) over (order by id), first_value(name) over (order by id range between unbounded preceding and current row) from products order by id

select distinct on (status) status, id from orders order by status, id desc

select distinct status from orders order by 1

select id from products order by price using > limit 3

select id from products order by id fetch first 3 rows with ties

select id from products limit all offset 25

select * from customers c, lateral (select * from orders o where o.customer_id = c.id order by id limit 1) x order by c.id

select * from generate_series(1, 5) with ordinality as g(n, i)

select * from rows from (generate_series(1, 3), generate_series(5, 6)) as x(a, b)

select * from unnest(array[1, 2], array['a', 'b', 'c']) as u(n, t)

select * from json_to_recordset('[{"a": 1, "b": "x"}]') as x(a int, b text)

select * from jsonb_to_record('{"a": 1}') as x(a int)

select * from json_populate_record(null::address, '{"street": "s", "zip": "z"}')

select extra -> 'list' -> 0, extra ->> 'n', extra #>> '{list,1}', extra @> '{"n": 1}', extra ? 'n' from customers order by id

select jsonb_path_query(extra, '$.list[*]') from customers order by id

select jsonb_pretty(extra), jsonb_set(extra, '{n}', '5') from customers order by id limit 2

select key, value from customers, jsonb_each_text(extra) order by id, 1

select tags[1], tags[1:2], array_length(tags, 1), 'x' = any (tags), tags || 'y'::text, tags && array['t1'] from customers order by id

select (home).street, (c.home).zip from customers c order by id

select attributes -> 'k', attributes ? 'k', akeys(attributes) from customers order by id

select email from customers where email = 'C1@EXAMPLE.ORG'

select path from customers where path <@ 'top.a1' order by id

select similarity(name, 'produkt'), name % 'product' from products order by id limit 5

select encode(digest('x', 'sha256'), 'hex')

select crypt('secret', '$2a$04$cYkzaCEUDYU6p3JtVpFXQ.')

select unaccent('Hôtel')

select '{1,2,3}'::int[] & '{2}'::int[]

select float_range(1.0, 2.0) @> 1.5::float8, numrange(1, 5) * numrange(3, 8), lower(int4range(2, 9))

select discount from customers where discount > 10::percentage order by 1

select 'sad'::mood < 'happy'::mood, enum_range(null::mood)

select id, search @@ to_tsquery('english', 'product') from products order by id

select ts_rank(search, plainto_tsquery('english', 'product')), ts_headline(name, to_tsquery('product')) from products order by id limit 3

select * from events where at >= '2024-01-01' order by at

select kind, count(*) from events group by kind order by 1

select * from vehicles order by id

select * from only vehicles

select * from vehicles* order by id

select tableoid::regclass, * from vehicles order by id

select ctid, id from products order by id limit 3

select xmin::text = xmax::text from products limit 1

--: varies
select * from products tablesample system (100)

--: varies
select * from products tablesample bernoulli (50) repeatable (1)

select count(*) from products tablesample bernoulli (100)

select case when price > 50 then 'high' when price > 20 then 'mid' else 'low' end from products order by id

select case status when 'new' then 1 when 'paid' then 2 end from orders order by id

select coalesce(null, 'x'), nullif(1, 1), greatest(1, 2), least(1, 2)

select 1 is distinct from null, null is not distinct from null, true is not false, null is unknown

select 'abc' like 'a%', 'abc' not ilike 'A_c', 'abc' similar to 'a(b|c)+', 'abc' ~ '^a', 'a%' like 'a!%' escape '!'

select 5 between 1 and 10, 5 not between symmetric 10 and 1

select name from products where name like 'product 1_' escape '\' order by 1

select upper(name) || '!', length(name), substring(name from 2 for 3), position('d' in name), trim(both 'p' from name), overlay(name placing 'x' from 1 for 2) from products order by id limit 2

select substring('foobar' from 'o(.)b'), substring('foobar' similar '%#"o_b#"%' escape '#')

select extract(epoch from placed), date_part('dow', placed), date_trunc('day', placed) from orders order by id limit 3

select placed at time zone 'Europe/Berlin', placed + interval '1 day 2 hours', placed::date - date '2024-01-01' from orders order by id limit 3

select (date '2024-01-01', date '2024-02-01') overlaps (date '2024-01-15', interval '1 month')

select to_char(placed, 'YYYY-MM-DD'), to_date('20240101', 'YYYYMMDD'), to_timestamp(0), make_date(2024, 1, 1) from orders limit 1

--: varies
select now(), current_timestamp, current_date, localtimestamp, statement_timestamp(), clock_timestamp(), timeofday()

--: varies
select random(), gen_random_uuid()

--: varies
select * from products order by random() limit 2

select pg_sleep(0.001)

select id from orders where placed < now() - interval '30 days' order by id

select current_user, session_user, current_role, current_catalog, current_schema, user

select 1::int, '1'::bigint, cast('1.5' as numeric(5, 2)), '2024-01-01'::date, 'x'::varchar(3), '{}'::jsonb, '\x00'::bytea

select int '1', float8 '1.5', timestamp with time zone '2024-01-01 00:00:00+00', interval '1' year

select 0.1 + 0.2, 7 / 2, 7 % 2, 2 ^ 3, |/ 4, @ -5, 5 & 3, ~5, 1 << 4

select -(-1), +1, not true and false or true

select name collate "C" from products order by name collate "C" limit 2

select "name" from "products" where "id" = 1

SELECT NAME FROM PRODUCTS WHERE ID = 1

select p.* from public.products as p (a, b) where a = 1

select $$dollar$$, $tag$two $$ dollars$tag$, E'esc\'aped', U&'d\0061t\+000061', b'101', x'1F'

select 'continued '
    'string'

select U&"n\0061me" from products where id = 1

--: args 3
select * from products where id = $1

--: args 3|10
select name from products where id between $1 and $2 order by id

--: args {1,2,3}
select name from products where id = any($1::int[]) order by id

--: args product 1
select id from products where name = $1::text

select regexp_replace(name, '\d', '#', 'g'), regexp_matches(name, '(\d)') from products order by id limit 2

select string_to_array('a,b', ','), split_part('a,b', ',', 1), format('%s %I %L', 1, 'a b', 'c''d')

select md5('x'), encode('x', 'base64'), sha256('x'), crc from (select 1 as crc) c

select xmlelement(name a, xmlattributes(1 as b), 'text'), xmlforest(1 as c), xmlconcat('<a/>', '<b/>')

select * from xmltable('/r/i' passing '<r><i id="1">x</i></r>' columns id int path '@id', body text path '.')

select xpath('/a/text()', '<a>x</a>'), xmlserialize(content '<a/>' as text), '<a/>' is document

select row_to_json(p), to_jsonb(p) from products p order by id limit 1

select p from products p where p.id = 1

select json_agg(p order by p.id) from (select id, name from products order by id limit 3) p

select json_build_object('a', 1, 'b', array[1, 2]), json_object_agg(id, name order by id) from products

select width_bucket(price, 0, 100, 4), round(price, 1), ceil(price), floor(price), trunc(price), sqrt(price) from products order by id

select corr(price, stock), stddev(price), regr_slope(price, stock), covar_pop(price, stock) from products

select bit_and(stock), bool_or(stock > 3), every(stock >= 0), max(name) from products

select * from crosstab('select 1, 1, 5') as ct(a int, b int)

select 1 / 0

select 'x'::int

select nothing from products

select nothing.id from products

-- What tools ask of the catalogues.

select datname, pg_encoding_to_char(encoding) from pg_database order by 1

select n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) from pg_class c left join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v') and n.nspname !~ '^pg_' and pg_table_is_visible(c.oid) order by 1, 2

SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(products)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3

select a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull from pg_catalog.pg_attribute a where a.attrelid = 'products'::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum

select conname, pg_get_constraintdef(oid, true) from pg_constraint where conrelid = 'orders'::regclass order by 1

select indexname, indexdef from pg_indexes where schemaname = 'public' order by 1

select proname, pg_get_function_arguments(oid), pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace and prokind = 'f' and prolang <> 13 order by oid

select viewname, definition from pg_views where schemaname = 'public' order by 1

select rolname, rolsuper, rolconnlimit from pg_roles order by 1

select table_name, column_name, data_type, is_nullable from information_schema.columns where table_schema = 'public' order by 1, ordinal_position

select constraint_name, table_name from information_schema.table_constraints where table_schema = 'public' order by 1, 2

select * from information_schema.key_column_usage where table_schema = 'public' order by constraint_name, column_name

select routine_name from information_schema.routines where routine_schema = 'public' order by 1

select sequence_name from information_schema.sequences order by 1

select typname, enumlabel from pg_enum e join pg_type t on t.oid = e.enumtypid order by e.enumsortorder, 1

select has_table_privilege('products', 'select'), has_schema_privilege('public', 'usage'), pg_has_role('postgres', 'member')

select 'products'::regclass, 'lower(text)'::regprocedure, 'public'::regnamespace, to_regclass('nowhere')

select pg_get_serial_sequence('products', 'id')

select relname, reltuples from pg_class where relname = 'products'

select tablename, attname, n_distinct from pg_stats where schemaname = 'public' order by 1, 2

select oid, spcname from pg_tablespace order by 1

select * from pg_publication_tables

select obj_description('products'::regclass), col_description('products'::regclass, 1)

select * from pg_partition_tree('events')

select version()

select pg_typeof(1), pg_column_size(1), pg_size_pretty(1024::bigint)

select name, abbrev from pg_timezone_abbrevs, (select 'x' as name) x where abbrev = 'UTC'
