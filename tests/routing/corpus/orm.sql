-- Statements as Prisma, Django, Hibernate, ActiveRecord, SQLAlchemy, TypeORM and Sequelize write them.

--: args 1
SELECT "public"."User"."id", "public"."User"."email", "public"."User"."name", "public"."User"."role"::text FROM "public"."User" WHERE ("public"."User"."id" = $1 AND 1=1) LIMIT 1 OFFSET 0

--: args u3@example.org|1|0
SELECT "public"."User"."id", "public"."User"."email" FROM "public"."User" WHERE ("public"."User"."email" = $1 AND 1=1) LIMIT $2 OFFSET $3

--: args 0
SELECT "public"."Post"."id", "public"."Post"."title", "public"."Post"."authorId" FROM "public"."Post" WHERE 1=1 ORDER BY "public"."Post"."id" ASC OFFSET $1

--: args 1|2|3|0
SELECT "public"."Post"."id", "public"."Post"."authorId" FROM "public"."Post" WHERE "public"."Post"."authorId" IN ($1,$2,$3) ORDER BY "id" OFFSET $4

SELECT COUNT(*) AS "_count$_all" FROM (SELECT "public"."Post"."id" FROM "public"."Post" WHERE 1=1 OFFSET 0) AS "sub"

--: args t
SELECT COUNT(*) FROM (SELECT "public"."Post"."id" FROM "public"."Post" WHERE "public"."Post"."published" = $1 OFFSET 0) AS "sub"

SELECT "t1"."id", "t1"."name", "User_posts"."__prisma_data__" AS "posts" FROM "public"."User" AS "t1" LEFT JOIN LATERAL (SELECT COALESCE(JSONB_AGG("__prisma_data__"), '[]') AS "__prisma_data__" FROM (SELECT "t3"."__prisma_data__" FROM (SELECT JSONB_BUILD_OBJECT('id', "t2"."id", 'title', "t2"."title") AS "__prisma_data__" FROM (SELECT "t0".* FROM "public"."Post" AS "t0" WHERE "t1"."id" = "t0"."authorId" ORDER BY "t0"."id") AS "t2") AS "t3") AS "t4") AS "User_posts" ON TRUE ORDER BY "t1"."id"

SELECT "t1"."id" FROM "public"."Post" AS "t1" LEFT JOIN "public"."_PostToTag" AS "t2" ON ("t2"."A") = ("t1"."id") WHERE ("t1"."id") IN (SELECT "t3"."A" FROM "public"."_PostToTag" AS "t3" INNER JOIN "public"."Tag" AS "j3" ON ("j3"."id") = ("t3"."B") WHERE ("j3"."name" = 'tag 1' AND "t3"."A" IS NOT NULL)) ORDER BY "t1"."id"

SELECT SUM("viewCount"), AVG("viewCount"), MIN("viewCount"), MAX("viewCount") FROM (SELECT "public"."Post"."viewCount" FROM "public"."Post" OFFSET 0) AS "sub"

SELECT "public"."Post"."authorId", COUNT(*) FROM "public"."Post" GROUP BY "public"."Post"."authorId" HAVING COUNT(*) > 2 ORDER BY "authorId"

--: because writes
--: args new@example.org|N
INSERT INTO "public"."User" ("email","name") VALUES ($1,$2) RETURNING "public"."User"."id"

--: because writes
INSERT INTO "public"."User" ("email","name") VALUES ('u1@example.org','x') ON CONFLICT ("email") DO UPDATE SET "name" = 'y' WHERE ("public"."User"."email" = 'u1@example.org' AND 1=1) RETURNING "public"."User"."id"

--: because writes
UPDATE "public"."Post" SET "published" = true WHERE ("public"."Post"."id" = 1 AND 1=1) RETURNING "public"."Post"."id"

--: because writes
DELETE FROM "public"."_PostToTag" WHERE ("A" = 1 AND "B" IN (1))

SELECT "id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at", "applied_steps_count" FROM "_prisma_migrations" ORDER BY "started_at" ASC

--: because locks
SELECT pg_advisory_lock(72707369)

SELECT EXISTS(SELECT 1 FROM pg_namespace WHERE nspname = 'public')

SELECT EXISTS(SELECT 1 FROM pg_namespace WHERE nspname = 'public'), version(), current_setting('server_version_num')::integer as numeric_version

SELECT 1

select 1 as "result"

SELECT "auth_user"."id", "auth_user"."username", "auth_user"."is_active" FROM "auth_user" WHERE "auth_user"."id" = 1 LIMIT 21

SELECT "django_session"."session_key", "django_session"."session_data", "django_session"."expire_date" FROM "django_session" WHERE ("django_session"."expire_date" > '2024-05-05T00:00:00+00:00'::timestamptz AND "django_session"."session_key" = 'key1') LIMIT 21

SELECT COUNT(*) AS "__count" FROM "blog_article"

SELECT "blog_article"."id", "blog_article"."title", "auth_user"."username" FROM "blog_article" INNER JOIN "auth_user" ON ("blog_article"."author_id" = "auth_user"."id") WHERE UPPER("blog_article"."title"::text) LIKE UPPER('%article 1%') ORDER BY "blog_article"."published_at" DESC LIMIT 10

SELECT (1) AS "a" FROM "auth_user" WHERE "auth_user"."username" = 'user1' LIMIT 1

SELECT "blog_article"."author_id", COUNT("blog_article"."id") AS "n", AVG("blog_article"."views") AS "v" FROM "blog_article" GROUP BY "blog_article"."author_id" HAVING COUNT("blog_article"."id") > 1 ORDER BY "n" DESC, "author_id" ASC

SELECT "blog_article"."id", (SELECT U0."body" FROM "blog_comment" U0 WHERE U0."article_id" = ("blog_article"."id") ORDER BY U0."id" DESC LIMIT 1) AS "last" FROM "blog_article" ORDER BY 1

SELECT "blog_article"."id", EXISTS(SELECT 1 AS "a" FROM "blog_comment" U0 WHERE (U0."article_id" = ("blog_article"."id") AND U0."rating" > 3) LIMIT 1) AS "liked" FROM "blog_article" ORDER BY 1

SELECT DATE_TRUNC('month', "blog_article"."published_at" AT TIME ZONE 'UTC') AS "month", COUNT(*) FROM "blog_article" GROUP BY 1 ORDER BY 1

SELECT "blog_article"."id", ROW_NUMBER() OVER (PARTITION BY "blog_article"."author_id" ORDER BY "blog_article"."published_at" DESC) AS "r" FROM "blog_article" ORDER BY 1

SELECT DISTINCT "blog_article"."author_id" FROM "blog_article" WHERE EXTRACT(YEAR FROM "blog_article"."published_at" AT TIME ZONE 'UTC') = 2024 ORDER BY 1

--: because locks
SELECT "blog_article"."id" FROM "blog_article" WHERE "blog_article"."id" = 1 LIMIT 21 FOR UPDATE

--: because locks
SELECT "blog_article"."id" FROM "blog_article" WHERE "blog_article"."id" = 1 FOR NO KEY UPDATE OF "blog_article" SKIP LOCKED

--: because writes
INSERT INTO "blog_comment" ("article_id", "body", "rating") VALUES (1, 'x', 2), (1, 'y', 3) RETURNING "blog_comment"."id"

--: because writes
UPDATE "blog_article" SET "views" = ("blog_article"."views" + 1) WHERE "blog_article"."id" = 1

--: because writes
DELETE FROM "django_session" WHERE "django_session"."session_key" IN ('key1')

--: because session_state
DECLARE "_django_curs_1" NO SCROLL CURSOR WITH HOLD FOR SELECT "auth_user"."id" FROM "auth_user"

DECLARE "_django_curs_2" NO SCROLL CURSOR FOR SELECT "auth_user"."id" FROM "auth_user"

SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1

--: because transaction
--: state
SAVEPOINT "s140_x1"

--: because transaction
--: state
RELEASE SAVEPOINT "s140_x1"

--: args 3
select p1_0.id,p1_0.first_name,p1_0.last_name,p1_0.salary from person p1_0 where p1_0.id=$1

select p1_0.id,p1_0.dtype,p1_0.first_name,m1_0.id,m1_0.last_name from person p1_0 left join person m1_0 on m1_0.id=p1_0.manager_id where p1_0.last_name='Last2' order by p1_0.id

select phones0_.person_id as person_i1_3_0_, phones0_.phones as phones2_3_0_ from person_phones phones0_ where phones0_.person_id=4 order by 2

select count(p1_0.id) from person p1_0 where p1_0.salary>5000 and p1_0.dtype in ('Employee','Manager')

select p1_0.id from person p1_0 where p1_0.last_name like 'La%' escape '\' order by p1_0.id desc offset 2 rows fetch first 5 rows only

select p1_0.id from person p1_0 where (p1_0.first_name,p1_0.last_name) in (('First1','Last1'),('First2','Last2')) order by 1

select coalesce(sum(p1_0.salary),0), cast(avg(p1_0.salary) as float8) from person p1_0 group by p1_0.last_name having count(*)>2 order by 1

--: because writes
select nextval ('hibernate_sequence')

--: because writes
select next_val.nextval from (select nextval('hibernate_sequence')) next_val

--: because locks
select p1_0.id,p1_0.version from person p1_0 where p1_0.id=1 for no key update

--: because locks
select p1_0.id from person p1_0 where p1_0.id=1 for share of p1_0

--: because writes
insert into person (first_name,last_name,version,id,dtype) values ('a','b',0,100,'Employee')

--: because writes
update person set first_name='x', version=1 where id=1 and version=0

--: because writes
delete from person where id=1 and version=0

SELECT "accounts".* FROM "accounts" WHERE "accounts"."id" = 3 LIMIT 1

SELECT "accounts".* FROM "accounts" WHERE "accounts"."type" = 'Business' AND "accounts"."plan" IN ('free', 'pro') ORDER BY "accounts"."created_at" DESC, "accounts"."id" DESC LIMIT 25 OFFSET 5

SELECT 1 AS one FROM "accounts" WHERE "accounts"."name" = 'Account 1' LIMIT 1

SELECT COUNT(DISTINCT "accounts"."id") FROM "accounts" LEFT OUTER JOIN "invoices" ON "invoices"."account_id" = "accounts"."id" WHERE "invoices"."paid" = FALSE

SELECT SUM("invoices"."amount") AS sum_amount, DATE_TRUNC('week', "invoices"."due_on") AS week FROM "invoices" GROUP BY DATE_TRUNC('week', "invoices"."due_on") ORDER BY 2

SELECT "accounts"."id" AS t0_r0, "accounts"."name" AS t0_r1, "invoices"."id" AS t1_r0 FROM "accounts" LEFT OUTER JOIN "invoices" ON "invoices"."account_id" = "accounts"."id" WHERE (invoices.amount > 100) ORDER BY 1, 3

SELECT "schema_migrations"."version" FROM "schema_migrations" ORDER BY "schema_migrations"."version" ASC

--: because locks
SELECT pg_try_advisory_lock(2053462845)

--: because locks
SELECT "accounts".* FROM "accounts" WHERE "accounts"."id" = 3 LIMIT 1 FOR UPDATE

--: because writes
INSERT INTO "accounts" ("name", "created_at", "updated_at") VALUES ('x', '2024-01-01', '2024-01-01') RETURNING "id"

--: because writes
UPDATE "accounts" SET "name" = 'x', "lock_version" = 1 WHERE "accounts"."id" = 1 AND "accounts"."lock_version" = 0

--: because server_state
--: state
SHOW TIME ZONE

--: because session_state
--: state
SET standard_conforming_strings = on

--: because session_state
SET client_min_messages TO 'warning'

--: because server_state
--: state
SHOW search_path

SELECT t.oid, t.typname FROM pg_type as t WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'bool', 'timestamp', 'timestamptz') ORDER BY 1

SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid WHERE t.typelem IN (16, 17, 20) ORDER BY 1

SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"accounts"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum

SELECT a.attname FROM (SELECT indrelid, indkey, generate_subscripts(indkey, 1) idx FROM pg_index WHERE indrelid = '"accounts"'::regclass AND indisprimary) i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.idx] ORDER BY i.idx

SELECT extname FROM pg_extension ORDER BY 1

SELECT anon_1.id, anon_1.name FROM (SELECT accounts.id AS id, accounts.name AS name FROM accounts ORDER BY accounts.id LIMIT 5) AS anon_1 LEFT OUTER JOIN invoices AS invoices_1 ON anon_1.id = invoices_1.account_id ORDER BY anon_1.id, invoices_1.id

select pg_catalog.version()

select current_schema()

--: because server_state
--: state
show standard_conforming_strings

--: because server_state
--: state
show transaction isolation level

SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = 'accounts' AND pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog'

SELECT CAST('test plain returns' AS VARCHAR(60)) AS anon_1

SELECT accounts.id, CASE WHEN (accounts.plan = 'pro') THEN 'x' ELSE 'y' END AS kind FROM accounts ORDER BY id

SELECT "Account"."id" AS "Account_id", "Account"."name" AS "Account_name" FROM "accounts" "Account" WHERE ( ("Account"."id" = 2) ) AND ( "Account"."name" IS NOT NULL ) LIMIT 1

SELECT * FROM "information_schema"."tables" WHERE "table_schema" = 'public' AND "table_type" = 'BASE TABLE' ORDER BY table_name

SELECT * FROM current_schema()

SELECT TRUE FROM information_schema.columns WHERE table_name = 'pg_class' and column_name = 'relispartition'

SELECT "id", "name", "plan" FROM "accounts" AS "Account" WHERE ("Account"."plan" = 'pro' AND "Account"."name" ILIKE '%1%') ORDER BY "Account"."id" ASC LIMIT 10;

SELECT count("Account"."id") AS "count" FROM "accounts" AS "Account" LEFT OUTER JOIN "invoices" AS "invoices" ON "Account"."id" = "invoices"."account_id";

--: because writes
INSERT INTO "accounts" ("id","name") VALUES (DEFAULT,'x') RETURNING "id","name";

select set_masklen('192.168.1.0/24'::cidr, 16), host('10.0.0.1'::inet)

--: because session_state
--: state
select set_config('request.jwt.claims', '{}', true)

select nullif(current_setting('request.jwt.claims', true), '')::json

WITH pgrst_source AS ( SELECT "public"."accounts".* FROM "public"."accounts" ORDER BY id LIMIT 3 ) SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers FROM ( SELECT * FROM pgrst_source ) _postgrest_t

--: because writes
WITH pgrst_source AS (INSERT INTO "public"."accounts"("name") SELECT 'x' RETURNING "public"."accounts".*) SELECT count(*) FROM pgrst_source
