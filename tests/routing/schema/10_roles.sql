create role watcher login in role pg_monitor;
create role careless login;
alter role careless set search_path = evil, public;
grant all on schema public to public;
alter database app set app.region = 'north';
