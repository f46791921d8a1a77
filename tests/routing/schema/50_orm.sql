-- Tables as object mappers make them.
create table "User" ("id" serial primary key, "email" text unique, "name" text, "role" text default 'USER',
    "createdAt" timestamp(3) default '2024-01-01');
create table "Post" ("id" serial primary key, "title" text, "content" text, "published" boolean default false,
    "authorId" int references "User" ("id"), "viewCount" int default 0);
create table "_PostToTag" ("A" int, "B" int);
create table "Tag" ("id" serial primary key, "name" text);
create table "_prisma_migrations" ("id" varchar(36) primary key, "checksum" varchar(64), "finished_at" timestamptz,
    "migration_name" varchar(255), "logs" text, "rolled_back_at" timestamptz, "started_at" timestamptz default '2024-01-01',
    "applied_steps_count" int default 0);
insert into "User" ("email", "name") select 'u' || i || '@example.org', 'User ' || i from generate_series(1, 20) i;
insert into "Post" ("title", "content", "published", "authorId") select 'Post ' || i, 'text', i % 2 = 0, 1 + i % 20
    from generate_series(1, 60) i;
insert into "Tag" ("name") select 'tag ' || i from generate_series(1, 5) i;
insert into "_PostToTag" select 1 + i % 60, 1 + i % 5 from generate_series(1, 50) i;
create table auth_user (id serial primary key, username varchar(150), email varchar(254), is_active boolean default true,
    is_staff boolean default false, date_joined timestamptz default '2024-01-01', last_login timestamptz);
create table django_session (session_key varchar(40) primary key, session_data text, expire_date timestamptz);
create table django_content_type (id serial primary key, app_label varchar(100), model varchar(100));
create table blog_article (id serial primary key, title varchar(200), slug varchar(200), author_id int, published_at timestamptz,
    views int default 0);
create table blog_comment (id serial primary key, article_id int, body text, rating int);
insert into auth_user (username, email) select 'user' || i, 'u' || i || '@example.org' from generate_series(1, 20) i;
insert into django_session select 'key' || i, 'data', '2030-01-01' from generate_series(1, 5) i;
insert into django_content_type (app_label, model) values ('auth', 'user'), ('blog', 'article');
insert into blog_article (title, slug, author_id, published_at) select 'Article ' || i, 'article-' || i, 1 + i % 20,
    timestamptz '2024-01-01' + i * interval '1 day' from generate_series(1, 40) i;
insert into blog_comment (article_id, body, rating) select 1 + i % 40, 'comment', i % 5 from generate_series(1, 80) i;
create table schema_migrations (version varchar primary key);
create table accounts (id bigserial primary key, name varchar, type varchar, plan varchar, created_at timestamp(6) default '2024-01-01',
    updated_at timestamp(6) default '2024-01-01', lock_version int default 0);
create table invoices (id bigserial primary key, account_id bigint, amount numeric(12, 2), due_on date, paid boolean default false);
insert into schema_migrations values ('20240101000000');
insert into accounts (name, type, plan) select 'Account ' || i, 'Business', (array['free', 'pro'])[1 + i % 2]
    from generate_series(1, 20) i;
insert into invoices (account_id, amount, due_on) select 1 + i % 20, i * 10, date '2024-01-01' + i from generate_series(1, 50) i;
create table person (id bigint primary key, version int, first_name varchar(255), last_name varchar(255), dtype varchar(31),
    manager_id bigint, salary numeric(19, 2));
create table person_phones (person_id bigint, phones varchar(255));
create sequence hibernate_sequence;
insert into person select i, 0, 'First' || i, 'Last' || i % 5, 'Employee', 1, i * 1000 from generate_series(1, 20) i;
insert into person_phones select 1 + i % 20, '555-' || i from generate_series(1, 30) i;
analyze;
