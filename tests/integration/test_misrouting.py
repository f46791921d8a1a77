"""What other routers have sent to a standby, or have refused, each under the number of the report that tells of it. Here it
goes to the primary at once, without a standby having been asked, and does what PostgreSQL does; and what they have kept from
the standbys for no reason goes there.

Elsewhere: pgdog#1494 and pgpool#13 (a primary that is none any more) are test_routing.py::test_promotion_is_a_pause and
test_old_primary_that_comes_back_gets_nothing; pgdog#823 (own writes not seen) is test_own_write_is_seen_while_the_standby_is_behind.
"""

import pytest

from harness import check_error, pgweir_only
from pooler import Pooler
from postgres import Replicas
from routed import Routed
from wire import bind, describe, execute, parse, query, sync, wait_until

pytestmark = pgweir_only

SETUP = """
create sequence numbers;
create function changes(int) returns int language plpgsql as 'begin update t set b = b where a = $1; return $1; end';
create function looks(int) returns int language sql stable as 'select b from t where a = $1';
create function looks(int, int) returns int language sql stable as 'select b from t where a = $1 + $2';
create function looks(text) returns int language plpgsql as 'begin update t set b = b where a = 1; return 1; end';
create view harmless as select * from t;
create view harmful as select changes(a) from t where a = 2;
create table tenants (a int, tenant text);
insert into tenants values (1, 'one'), (2, 'two');
alter table tenants enable row level security;
create policy own on tenants using (tenant = current_setting('app.tenant', true));
create table guarded (a int);
insert into guarded values (1);
alter table guarded enable row level security;
create policy asks on guarded using (changes(2) = 2);
grant select on tenants, guarded, harmless, harmful to public;
grant usage on sequence numbers to public;
"""


@pytest.fixture(scope="module")
def routed(replicas_template):
    replicas = Replicas(replicas_template)
    running = []

    def start(server=None, databases=None, **settings):
        running.append(Pooler(server, settings, databases))
        return running[0].start()

    try:
        r = Routed(replicas, start, 1, "", {"read_from_primary": 0, "read_wait_timeout": 10})
        r.primary.ask(SETUP)
        r.wait_for_judgement("select count(*) from harmless")
        yield r
        running[0].stop()
    finally:
        for one in running:
            one.remove()
        replicas.stop()


TO_THE_PRIMARY = {
    "pgcat#829 UPDATE in a CTE": "with u as (update t set b = b where a = 1 returning b) select * from u",
    "pgcat#887 FOR NO KEY UPDATE": "select * from t where a = 1 for no key update",
    "pgcat#489 nextval": "select nextval('numbers')",
    "pgcat#485 PL/pgSQL": "do $$ begin update t set b = b where a = 1; end $$",
    "pgcat#485 PL/pgSQL in a function": "select changes(1)",
    "pgdog#157 INSERT": "insert into t values (1001, 0) on conflict do nothing",
    "pgdog#162 INSERT with RETURNING": "insert into t values (1002, 0) on conflict (a) do update set b = 0 returning a",
    "pgdog SELECT 1; INSERT": "select 1; insert into t values (1003, 0) on conflict do nothing",
    "pgdog SELECT INTO": "select 1 as one into temp table into_this; drop table into_this",
    "pgpool function overloads": "select looks('one')",
    "pgpool view over a volatile function": "select * from harmful",
    "pgpool policy that calls a volatile function": "select * from guarded",
    "proxysql#1670 FOR UPDATE on a line of its own": "select *\nfrom t\nwhere a = 1\nfor\nupdate",
    "EXPLAIN ANALYZE INSERT": "explain analyze insert into t values (1004, 0) on conflict do nothing",
    "COPY of an INSERT": "copy (insert into t values (1005, 0) on conflict (a) do update set b = 0 returning a) to stdout",
    "pg_notify": "select pg_notify('here', 'there')",
    "a function in attribute notation": "select (1).changes",
    "a lock in attribute notation": "select x.pg_try_advisory_lock from generate_series(1::bigint, 1) x",
    "lo_create": "select lo_unlink(lo_create(0))",
    "DECLARE with FOR UPDATE": "begin; declare c cursor for select * from t where a = 1 for update; fetch c; commit",
    "PREPARE of an INSERT": "prepare x as insert into t values (1006, 0) on conflict do nothing; execute x; deallocate x",
    "MERGE": "merge into t using (values (1)) v (a) on t.a = v.a when matched then update set b = t.b",
    "CREATE TABLE AS": "create temp table made_as as select 1 as one; drop table made_as",
    "DELETE in the CTE of a sub-select": "with d as (delete from t where a = -1 returning a) select * from t where a in (select a from d)",
}

TO_A_STANDBY = {
    "pgpool comment before SELECT": "/* of the application */ -- and a line\n select b from t where a = 1",
    "pgpool function overloads": "select looks(1, 0)",
    "pgpool view": "select count(*) from harmless",
}


def repaired(r):
    return sum(int(row["count"]) for row in r.pooler.show("ROUTING") if row["what"] == "sent again to the primary")


@pytest.mark.parametrize("sql", TO_THE_PRIMARY.values(), ids=TO_THE_PRIMARY.keys())
def test_goes_to_the_primary(routed, sql):
    before = repaired(routed), routed.count("read on a standby")
    with routed.pooler.client() as client:
        for _ in range(3):  # before it is judged, and after
            result = client.query(sql)
            assert not result.errors, result.errors
        client.send(parse(sql if ";" not in sql else "select nextval('numbers')") + bind() + execute() + sync())
        result = client.read_result()
        assert not result.errors, result.errors
    assert (repaired(routed), routed.count("read on a standby")) == before


@pytest.mark.parametrize("sql", TO_A_STANDBY.values(), ids=TO_A_STANDBY.keys())
def test_goes_to_a_standby(routed, sql):
    routed.wait_for_judgement(sql)
    with routed.pooler.client() as client:
        assert client.query(sql).rows == client.query("/* pgweir: primary */ " + sql).rows


def test_pgcat_884_what_no_grammar_knows_is_the_primarys_to_refuse(routed):
    with routed.pooler.client() as client:
        before = routed.count("read on a standby")
        for text in ("selct b from t", "select b frm t whre", "select b from t where"):
            check_error(client.query(text).error, "42601")
        assert routed.count("read on a standby") == before
        assert client.ask("select b from t where a = 1") == "0"


def test_delete_where_postgres_allows_none_is_the_primarys_to_refuse(routed):
    before = repaired(routed)
    with routed.pooler.client() as client:
        for _ in range(3):
            refused = client.query("select * from t where a in (with d as (delete from t returning a) select a from d)")
            check_error(refused.error, "0A000", "must be at the top level")
    assert repaired(routed) == before


def test_pgdog_151_transaction_that_reads_first_and_writes_then(routed):
    with routed.pooler.client() as client:
        client.query("begin")
        assert client.ask("select b from t where a = 1") == "0"
        assert client.query("update t set b = b where a = 1").tags == ["UPDATE 1"]
        assert client.query("commit").tags == ["COMMIT"]


def test_pgpool_155_read_only_that_is_taken_back(routed):
    with routed.pooler.client() as client:
        client.query("begin read only")
        client.query("set transaction_read_only = 0")
        assert client.query("update t set b = b where a = 1").tags == ["UPDATE 1"]
        client.query("commit")
        client.query("set default_transaction_read_only = on")
        client.query("set default_transaction_read_only = off")
        assert client.query("update t set b = b where a = 1").tags == ["UPDATE 1"]


def test_pgpool_152_setting_that_a_policy_asks_for_goes_along(routed):
    sql = "select a from tenants"
    with routed.pooler.client() as client:
        client.query("select set_config('app.tenant', 'two', false)")
        assert client.ask(sql) == "2"
        before = routed.count("read on a standby")

        def is_read_there():
            assert client.ask(sql) == "2"
            return routed.count("read on a standby") > before

        wait_until(is_read_there, "a standby is read")  # names are looked up anew after the tests before
        with routed.pooler.client() as other:
            other.query("set app.tenant = 'one'")
            assert other.ask(sql) == "1"
            assert client.ask(sql) == "2"


def test_proxysql_5387_the_way_of_one_statement_is_not_the_next_ones(routed):
    with routed.pooler.client() as client:
        client.send(parse("select b from t where a = $1::int", "r") + sync())
        client.read_result()
        for _ in range(3):
            client.send(bind((1,), "r") + describe("r") + execute() + sync())
            assert client.read_result().value == "0"
            client.send(parse("update t set b = b where a = $1::int") + bind((1,)) + execute() + sync())
            assert client.read_result().tags == ["UPDATE 1"]
            client.send(query("select nextval('numbers')"))
            assert not client.read_result().errors
