"""Prepared statements of clients that share servers: what a client gets is what PostgreSQL would have sent it."""

import itertools

import pytest

from harness import check_error, pgweir_only, works
from wire import (
    Wire,
    bind,
    close_statement,
    describe,
    execute,
    flush,
    message,
    parse,
    query,
    request,
    sync,
    wait_until,
)

pytestmark = pgweir_only


def run(name, *values, portal=""):
    """A whole request with a statement that was prepared before."""
    return bind(values, name, portal) + describe(portal, "P") + execute(portal) + sync()


def prepare(name, sql):
    return parse(sql, name) + sync()


LONG = "n" * 70

# Each is a list of segments: what is sent up to a ReadyForQuery. They are held with PostgreSQL and through the pooler.
CONVERSATIONS = {
    "prepare_and_run": [prepare("s", "select $1::int + 1 as a"), run("s", 1), run("s", 2)],
    "prepare_and_run_at_once": [parse("select $1::int as a", "s") + run("s", 1), run("s", 2)],
    "described": [
        parse("select $1::int as a, $2::text as b", "s") + describe("s") + sync(),
        run("s", 1, "x"),
        describe("s") + sync(),
    ],
    "no_columns": [parse("set application_name to 'x'", "s") + describe("s") + sync(), run("s")],
    "same_text_under_two_names": [prepare("a", "select 1"), prepare("b", "select 1"), run("a"), run("b")],
    "unknown_statement": [run("nobody"), run("nobody")],
    "unknown_statement_described": [describe("nobody") + sync()],
    "unknown_in_transaction": [query("begin"), run("nobody"), query("select 1"), query("rollback")],
    "exists_already": [prepare("s", "select 1"), prepare("s", "select 2"), run("s")],
    "exists_already_same_text": [prepare("s", "select 1"), prepare("s", "select 1"), run("s")],
    "exists_already_in_segment": [
        parse("select 1", "s") + parse("select 2", "s") + bind(name="s") + execute() + sync(),
        run("s"),
    ],
    "exists_already_but_syntax_first": [prepare("s", "select 1"), prepare("s", "selec 1"), run("s")],
    "exists_already_in_transaction": [
        query("begin"),
        prepare("s", "select 1"),
        prepare("s", "select 2"),
        query("select 3"),
        query("rollback"),
        run("s"),
    ],
    "failed_parse_leaves_no_trace": [prepare("s", "selec 1"), prepare("s", "select 1"), run("s")],
    "failed_parse_twice": [prepare("s", "selec 1"), prepare("s", "selec 1"), run("s")],
    "skipped_parse_leaves_no_trace": [
        parse("selec 1", "a") + parse("select 2", "b") + close_statement("a") + sync(),
        run("b"),
        prepare("b", "select 3"),
        run("b"),
    ],
    "skipped_close_changes_nothing": [
        prepare("s", "select 1"),
        parse("selec 1") + close_statement("s") + sync(),
        run("s"),
    ],
    "known_parse_skipped_after_error": [
        prepare("a", "select 1"),
        parse("selec 1") + parse("select 1", "b") + sync(),
        run("b"),
        run("a"),
    ],
    "known_parse_in_failed_transaction": [
        prepare("a", "select 1"),
        query("begin"),
        query("select 1/0"),
        parse("select 1", "b") + sync(),
        query("rollback"),
        run("b"),
        prepare("b", "select 1"),
        run("b"),
    ],
    "close_in_failed_transaction": [
        prepare("a", "select 1"),
        query("begin"),
        query("select 1/0"),
        close_statement("a") + sync(),
        query("rollback"),
        run("a"),
    ],
    "rollback_by_name": [
        prepare("r", "rollback"),
        prepare("b", "begin"),
        run("b"),
        query("select 1/0"),
        run("r"),
        query("select 1"),
    ],
    "statement_outlives_rollback": [
        query("begin"),
        prepare("s", "select 1"),
        query("rollback"),
        run("s"),
    ],
    "bind_fails": [prepare("s", "select $1::int"), run("s", "x"), run("s", 1)],
    "execute_fails": [prepare("s", "select 1 / $1::int"), run("s", 0), run("s", 1)],
    "close": [prepare("s", "select 1"), close_statement("s") + sync(), run("s"), prepare("s", "select 2"), run("s")],
    "close_unknown": [close_statement("nobody") + sync()],
    "close_and_prepare_at_once": [
        prepare("s", "select 1"),
        close_statement("s") + parse("select 2", "s") + bind(name="s") + execute() + sync(),
        run("s"),
    ],
    "close_then_bind_in_segment": [
        prepare("s", "select 1"),
        close_statement("s") + bind(name="s") + execute() + sync(),
    ],
    "deallocate_all": [prepare("s", "select 1"), query("deallocate all"), run("s"), prepare("s", "select 2"), run("s")],
    "deallocate_all_among_others": [prepare("s", "select 1"), query("select 1; deallocate all"), run("s")],
    "deallocate_all_extended": [prepare("s", "select 1"), request("deallocate all"), run("s")],
    "discard_all": [prepare("s", "select 1"), query("discard all"), run("s"), prepare("s", "select 2"), run("s")],
    "deallocate_all_in_pipeline": [
        prepare("s", "select 1"),
        query("deallocate all") + parse("select 2", "s") + bind(name="s") + execute() + sync(),
        run("s"),
    ],
    "unnamed_and_named": [
        prepare("s", "select 1"),
        parse("select 2") + sync(),
        run("s"),
        parse("select 3") + bind(name="s") + execute() + bind() + execute() + sync(),
    ],
    "named_portals": [
        prepare("s", "select generate_series(1, $1::int)"),
        bind([5], "s", "p") + execute("p", 2) + bind([3], "s") + execute() + execute("p", 2) + sync(),
    ],
    "cursor_survives_eviction": [
        query("begin"),
        prepare("s", "select generate_series(1, 5)"),
        prepare("t", "select 7"),
        bind((), "s", "p") + execute("p", 2) + sync(),
        run("t"),
        execute("p", 2) + sync(),
        query("commit"),
    ],
    "long_names_are_cut": [prepare(LONG, "select 1"), run(LONG[:63]), run(LONG + "x"), prepare(LONG + "y", "select 2")],
    "several_statements_alternate": [
        prepare("a", "select 'a'"),
        prepare("b", "select 'b'"),
        prepare("c", "select 'c'"),
        *[run(name) for name in "abcabccba"],
    ],
    "several_at_once": [
        b"".join(parse(f"select '{name}'", name) + bind(name=name) + execute() for name in "abcdef") + sync(),
        b"".join(bind(name=name) + execute() for name in "fedcba") + sync(),
    ],
    "pipeline_of_segments": [
        b"".join(prepare(name, f"select '{name}'") + run(name) for name in "abc") + run("a") + run("b"),
    ],
    "pipeline_with_failed_parse": [
        prepare("s", "selec 1") + prepare("s", "select 1") + run("s") + prepare("s", "select 2") + run("s"),
    ],
    "pipeline_with_closes": [
        prepare("s", "select 1") + run("s") + close_statement("s") + sync() + prepare("s", "select 2") + run("s"),
    ],
    "flush_between": [
        parse("select 1", "s") + flush() + describe("s") + flush() + bind(name="s") + flush() + execute() + sync(),
        parse("select 1", "t") + flush() + bind(name="t") + execute() + flush() + sync(),
    ],
    "same_text_other_types": [
        parse("select $1", "a", [23]) + describe("a") + sync(),
        parse("select $1", "b", [25]) + describe("b") + sync(),
        run("a", 1),
        run("b", "x"),
    ],
    "large_parameter": [prepare("s", "select length($1::text)"), run("s", "x" * 300_000)],
    "large_text": [prepare("s", "select length('" + "x" * 300_000 + "')"), run("s"), run("s")],
    "long_portal": [prepare("s", "select 1"), bind((), "s", "p" * 500) + execute("p" * 500) + sync()],
    "table_dropped": [
        query("create table gone (a int)"),
        prepare("s", "select * from gone"),
        query("drop table gone"),
        run("s"),
        query("select 1"),
    ],
    "parse_error_positions": [prepare("s", "select 1 +* 2"), prepare("t", "select nothing_here")],
    "many_in_one_segment": [
        b"".join(parse("select 1", f"m{at}") for at in range(200)) + sync(),
        run("m0"),
        run("m199"),
    ],
    # By name in SQL.
    "sql_prepare_and_execute": [
        query("prepare s(int) as select $1 + 1 as a"),
        query("execute s(1)"),
        query("EXECUTE S (2)"),
        query('execute "s" (3);'),
    ],
    "sql_prepare_quoted": [query('prepare "S" as select 1'), query("execute s"), query('execute "S"')],
    "sql_prepare_exists": [
        query("prepare s as select 1"),
        query("prepare s as select 2"),
        query("prepare s as select nothing"),
        query("execute s"),
    ],
    "sql_and_protocol_share_names": [
        query("prepare s(int) as select $1 + 1"),
        run("s", 1),
        prepare("s", "select 1"),
        prepare("t", "select $1::int * 2"),
        query("execute t(21)"),
        query("prepare t as select 3"),
        query("deallocate t"),
        run("t"),
        close_statement("s") + sync(),
        query("execute s(1)"),
    ],
    "sql_deallocate": [
        query("prepare s as select 1"),
        query("deallocate s"),
        query("execute s"),
        query("deallocate prepare s"),
        query("prepare s as select 2"),
        query("execute s"),
        query("deallocate prepare s"),
        run("s"),
    ],
    "sql_unknown": [query("execute nobody(1)"), query("deallocate nobody"), query("explain execute nobody")],
    "sql_explain_and_create": [
        query("prepare s(int) as select $1 as a"),
        query("explain (costs off) execute s(1)"),
        query("explain analyze verbose execute nobody"),
        query("create table made as execute s(7)"),
        query("select a + 0 from made"),
        query("drop table made"),
    ],
    "sql_error_positions": [
        query("prepare a_rather_long_name_it_is as select 1, nothing_here"),
        query("/* ü */ prepare s as select nothing_here"),
        query("prepare s(int) as select $1"),
        query("execute s(nothing_here)"),
        query("  execute s(1, 2)"),
        query("prepare s as selec 1"),
        request("prepare t as select nothing_here"),
        request("execute s(nothing_here)"),
    ],
    "sql_in_transactions": [
        query("begin"),
        query("prepare s as select 1"),
        query("execute s"),
        query("select 1/0"),
        query("execute s"),
        query("deallocate s"),
        query("prepare t as select 1"),
        query("rollback"),
        query("execute s"),
        query("execute t"),
    ],
    "sql_extended": [
        request("prepare s(int) as select $1 + 1"),
        request("execute s(1)"),
        request("prepare s as select 2"),
        request("deallocate s"),
        request("execute s(1)"),
        request("deallocate s"),
        request("explain (costs off) execute nobody"),
    ],
    "sql_extended_only_parsed": [
        parse("prepare s as select 1") + sync(),
        query("execute s"),
        query("prepare s as select 2"),
        query("execute s"),
    ],
    "sql_table_dropped": [
        query("create table gone (a int)"),
        query("prepare s as select * from gone"),
        query("drop table gone"),
        query("execute s"),
        query("begin"),
        query("execute s"),
        query("rollback"),
    ],
    "sql_update_counts": [
        query("create table counted (a int); insert into counted values (1), (2)"),
        query("prepare s(int) as update counted set a = a + $1"),
        query("execute s(1)"),
        request("execute s(1)"),
        query("select sum(a) from counted"),
        query("drop table counted"),
    ],
    "sql_broken": [query("prepare s as select 'open"), query("execute"), query("prepare"), query("deallocate")],
    "sql_long_text": [
        query("prepare s as select length('" + "x" * 5000 + "')"),
        query("execute s"),
        query("select 1; " + " " * 5000 + "select 2"),
    ],
    # Without a name, again and again.
    "unnamed_again": [request("select 1 as a")] * 4,
    "unnamed_again_with_types": [
        parse("select $1 + 1", "", [23]) + run("", value) for value in (1, 2, "x", 3, None)
    ],
    "unnamed_again_described": [parse("select $1::int as a") + describe() + run("", at) for at in range(4)],
    "unnamed_again_in_a_pipeline": [(parse("select 1") + run("")) * 3] * 2,
    "unnamed_again_in_a_segment": [(parse("select 1") + bind() + execute()) * 3 + sync()] * 3,
    "unnamed_again_and_others": [
        *[parse("select 1") + run("") for _ in range(3)],
        parse("select 'x'") + run(""),
        parse("select 1") + bind() + execute() + parse("select 'y'") + bind() + execute() + sync(),
        parse("select 1") + run("") + parse("selec") + run("") + parse("select 1") + run(""),
    ],
    "unnamed_again_fails": [parse("select 1 / $1", "", [23]) + run("", at) for at in (1, 1, 1, 0, 1)],
    "unnamed_again_in_transactions": [
        *[parse("select 1") + run("") for _ in range(3)],
        query("begin"),
        parse("select 1") + run(""),
        query("select 1/0"),
        parse("select 1") + run(""),
        query("rollback"),
        parse("select 1") + run(""),
    ],
    "unnamed_of_nobody": [run(""), describe() + sync(), close_statement() + sync()],
    "unnamed_is_gone_with_a_query": [
        *[parse("select 1") + run("") for _ in range(3)],
        query("select 2"),
        run(""),
        describe() + sync(),
    ],
    "unnamed_is_gone_with_its_successor": [
        *[parse("select 1") + run("") for _ in range(3)],
        parse("selec 1") + sync(),
        run(""),
    ],
    "unnamed_is_gone_when_it_is_closed": [
        *[parse("select 1") + run("") for _ in range(3)],
        parse("select 1") + close_statement() + sync(),
        run(""),
    ],
    "unnamed_after_a_table_has_changed": [
        query("create table grown (a int); insert into grown values (7)"),
        *[parse("select max(a) from grown") + run("") for _ in range(4)],
        query("alter table grown alter a type text using 'x' || a"),
        *[parse("select max(a) from grown") + run("") for _ in range(4)],
        query("drop table grown"),
        parse("select max(a) from grown") + run(""),
    ],
    "unnamed_of_a_hidden_table": [
        query("create table hidden (a int); insert into hidden values (7)"),
        *[parse("select max(a) from hidden") + run("") for _ in range(3)],
        query("begin"),
        query("create temp table hidden (a text) on commit drop"),
        parse("select max(a) from hidden") + run(""),
        query("rollback"),
        query("drop table hidden"),
    ],
    "unnamed_writes": [
        query("create table written (a int, b text)"),
        *[parse("insert into written values ($1, $2)", "", [23, 25]) + run("", at, f"b{at}") for at in range(4)],
        *[parse("update written set a = a + $1 where b = $2", "", [23, 25]) + run("", 1, "b1") for _ in range(3)],
        query("select sum(a) from written"),
        query("drop table written"),
    ],
    "malformed_parse": [message("P", b"s\0select 1\0\0\1"), run("s")],
    "malformed_describe": [message("D", b"Xs\0") + sync(), message("D", b"Ss\0x") + sync()],
}


class Direct:
    """PostgreSQL itself."""

    def before(self, wire):
        pass


class Rotation:
    """Gives the client the other one of two servers each time, when it has none."""

    def __init__(self, pooler):
        self.holders = [pooler.client(), pooler.client()]
        self.busy = itertools.cycle([0, 1])
        self.holders[1].ask("begin")

    def before(self, wire):
        if wire.status != "I":
            return
        at = next(self.busy)
        self.holders[at].query("begin")
        self.holders[1 - at].query("rollback")

    def close(self):
        for holder in self.holders:
            holder.close()


def messages_of(wire, data, deliver=None):
    """What comes for these bytes, up to the answer of an empty query behind them, which no transaction refuses."""
    (deliver or Wire.send)(wire, data + sync() + query(""))
    received = []
    marked = False
    while not marked or received[-1][0] != "Z":
        one = wire.read_message()
        received.append((one.type, one.body))
        marked = marked or one.type == "I"
    wire.status = received[-1][1].decode()
    return received


def hold(wire, segments, servers, deliver=None):
    wire.status = "I"
    received = []
    for segment in segments:
        servers.before(wire)
        received.append(messages_of(wire, segment, deliver))
    return received


def at_once(segments):
    return [b"".join(segments)]


def byte_by_byte(wire, data):
    wire.send_split(data, 1 if len(data) < 5000 else 1000)


@pytest.fixture(scope="module")
def expected(cluster):
    """PostgreSQL's answers to each conversation."""
    primary = cluster.primary
    answers = {}
    for name, segments in CONVERSATIONS.items():
        answers[name] = {}
        for form, parts in (("stepwise", segments), ("at once", at_once(segments))):
            with Wire(primary.address).startup("app", "app") as direct:
                answers[name][form] = hold(direct, parts, Direct())
    return answers


@pytest.mark.parametrize("limit", [200, 1])
def test_conversations_are_those_of_postgres(start_pooler, expected, limit):
    pooler = start_pooler(default_pool_size=2, max_prepared_statements=limit)
    rotation = Rotation(pooler)
    for name, segments in CONVERSATIONS.items():
        with pooler.client() as through:
            assert hold(through, segments, rotation) == expected[name]["stepwise"], name
        with pooler.client() as through:
            assert hold(through, at_once(segments), rotation) == expected[name]["at once"], f"{name}, at once"
    rotation.close()
    works(pooler)


def test_conversations_byte_by_byte(start_pooler, expected):
    pooler = start_pooler(default_pool_size=1)
    for name, segments in CONVERSATIONS.items():
        with pooler.client() as through:
            received = hold(through, at_once(segments), Direct(), byte_by_byte)
            assert received == expected[name]["at once"], name


# What is on the servers.


def statements_of(pooler, what="count(*)"):
    """As a client of the pool's only server sees it."""
    with pooler.client() as client:
        return client.ask(f"select {what} from pg_prepared_statements")


def prepared(client, name, sql):
    result = request_of(client, parse(sql, name))
    assert not result.errors, result.errors
    return client


def request_of(client, data):
    client.send(data + sync())
    return client.read_result()


def value_of(client, name, *values):
    client.send(run(name, *values))
    result = client.read_result()
    if result.errors:
        raise result.errors[0]
    return result.value


def test_clients_share_what_they_prepare(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as one, pooler.client() as other:
        prepared(one, "a", "select $1::int + 1")
        prepared(other, "b", "select $1::int + 1")
        assert value_of(one, "a", 1) == "2" and value_of(other, "b", 2) == "3"
        assert statements_of(pooler) == "1"
        totals = {row["database"]: row for row in pooler.show("STATS_TOTALS")}["app"]
        assert (totals["client_parse_count"], totals["server_parse_count"]) == ("2", "1")
        assert totals["bind_count"] == "2"
        clients = [row["prepared_statements"] for row in pooler.show("CLIENTS") if row["database"] == "app"]
        assert clients == ["1", "1"]
        assert [row["prepared_statements"] for row in pooler.show("SERVERS")] == ["1"]


def test_a_server_has_no_more_than_the_limit(start_pooler):
    pooler = start_pooler(default_pool_size=1, max_prepared_statements=3)
    with pooler.client() as client:
        for at in range(10):
            prepared(client, f"s{at}", f"select {at}")
        assert statements_of(pooler) == "3"
        assert [value_of(client, f"s{at}") for at in range(10)] == [str(at) for at in range(10)]
        assert statements_of(pooler) == "3"
        pooler.reload(max_prepared_statements=1)
        assert value_of(client, "s0") == "0"
        assert value_of(client, "s1") == "1"
        assert statements_of(pooler) == "1"
        pooler.reload(max_prepared_statements=20)
        for at in range(10):
            assert value_of(client, f"s{at}") == str(at)
        assert statements_of(pooler) == "10"


def test_switched_off_names_are_the_servers(start_pooler):
    pooler = start_pooler(default_pool_size=1, max_prepared_statements=0)
    with pooler.client() as client:
        prepared(client, "mine", "select 1")
        assert statements_of(pooler, "string_agg(name, ' ')") == "mine"
        pooler.reload(max_prepared_statements=10)
        prepared(client, "shared", "select 2")
        pooler.reload(max_prepared_statements=0)
        assert value_of(client, "shared") == "2", "who has names keeps them"


def test_in_session_mode_names_are_the_servers(start_pooler):
    pooler = start_pooler(pool_mode="session")
    with pooler.client() as client:
        prepared(client, "mine", "select 1")
        assert client.ask("select string_agg(name, ' ') from pg_prepared_statements") == "mine"
        assert value_of(client, "mine") == "1"


def test_deallocate_all_drops_one_clients_names_only(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as one, pooler.client() as other:
        prepared(one, "s", "select 1")
        prepared(other, "s", "select 1")
        for forget in ("deallocate all", "discard all"):
            one.ask(forget)
            assert value_of(other, "s") == "1"
            check_error(request_of(one, bind(name="s") + execute()).error, "26000", '"s" does not exist')
            prepared(one, "s", "select 1")


def test_what_a_function_dropped_is_prepared_again(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as client:
        prepared(client, "s", "select 1")
        dropped = "do $$ begin execute 'deallocate all'; end $$"
        client.ask(dropped)
        assert value_of(client, "s") == "1"  # whoever ran code of its own left a server that was cleaned
        client.ask("begin")
        client.ask(dropped)
        check_error(request_of(client, bind(name="s") + execute()).error, "26000", '"s" does not exist')
        client.ask("rollback")
        assert value_of(client, "s") == "1"


@pytest.fixture
def forgetful(primary):
    """A function that drops the session's prepared statements, which no reply tells."""
    primary.ask(
        "create function forget() returns int language plpgsql as"
        " $$ begin execute 'deallocate all'; return 6; end $$"
    )
    yield primary
    primary.ask("drop function forget")


def test_what_a_function_dropped_behind_our_back_is_prepared_again(start_pooler, forgetful):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as client:
        prepared(client, "s", "select $1::int + 1")
        prepared(client, "t", "select 2")
        for _ in range(2):
            assert client.ask("select forget()") == "6"
            assert statements_of(pooler) == "0"
            assert value_of(client, "s", 1) == "2"
            assert value_of(client, "t") == "2"
            client.ask("select forget()")
            assert request_of(client, describe("t")).columns == [("?column?", 23)]
        for cut in (1, 6, 9):
            client.ask("select forget()")
            client.send(run("s", 41)[:cut])
            client.send(run("s", 41)[cut:])
            assert client.read_result().value == "42"
        for cut in (3, 8, 14):
            client.ask("select forget()")
            with pooler.client() as fresh:
                whole = parse("select 2", "mine") + bind(name="mine") + execute() + sync()
                fresh.send(whole[:cut])
                fresh.send(whole[cut:])
                assert fresh.read_result().value == "2"
            assert value_of(client, "t") == "2"
        client.query("prepare q as select 3")
        client.ask("select forget()")
        assert client.ask("execute q") == "3"
        client.ask("select forget()")
        close_and_prepare = close_statement("s") + parse("select $1::int * 2", "s")
        client.send(close_and_prepare + bind(name="t") + execute() + bind([4], "s") + execute() + sync())
        assert [value for value, in client.read_result().rows] == ["2", "8"]
        # What has been shown, or is in a transaction, is PostgreSQL's to say.
        client.ask("select forget()")
        client.send(parse("select 5") + bind() + execute() + bind(name="t") + execute() + sync())
        result = client.read_result()
        assert result.value == "5"
        check_error(result.error, "26000", '"t" does not exist')
        assert (value_of(client, "s", 1), value_of(client, "t")) == ("2", "2")
        client.query("begin; select forget()")
        check_error(request_of(client, bind([1], "s") + execute()).error, "26000", '"s" does not exist')
        client.ask("rollback")
        assert value_of(client, "s", 1) == "2"


def test_there_is_a_limit_for_the_texts_of_all(start_pooler, primary):
    pooler = start_pooler(default_pool_size=2, max_prepared_memory=20_000)
    long = "select length('" + "x" * 30_000 + "')"
    with pooler.client() as client, pooler.client() as other:
        prepared(client, "short", "select 1")
        prepared(other, "short", "select 1")
        assert pooler.log().count("keeps its server") == 0
        prepared(client, "long", long)
        assert pooler.log().count("keeps its server until it leaves: there is no room for more prepared") == 1
        backend = client.ask("select pg_backend_pid()")
        for _ in range(2):
            assert value_of(client, "long") == "30000"
            assert value_of(client, "short") == "1"
            assert value_of(other, "short") == "1"
            check_error(request_of(client, parse("select 2", "long")).error, "42P05", '"long" already exists')
            assert not request_of(client, close_statement("long")).errors
            check_error(request_of(client, bind(name="long") + execute()).error, "26000", '"long" does not exist')
            client.query(f"prepare long as {long}")
            assert client.ask("execute long") == "30000"
            assert client.ask("select pg_backend_pid()") == backend
        prepared(client, "PGWEIR_1", long)
        assert value_of(client, "PGWEIR_1") == "30000"
        assert value_of(other, "short") == "1"
        pooler.reload(max_prepared_memory=0)
        prepared(other, "long", long)
        assert value_of(other, "long") == "30000"
        assert pooler.log().count("keeps its server") == 1
    wait_until(
        lambda: primary.ask(f"select count(*) from pg_stat_activity where pid = {backend}") == 0,
        "the server is closed with its client",
    )


# Statements without a name.


def asked_again(client, sql, times=4, types=(), values=()):
    for _ in range(times):
        client.send(parse(sql, "", types) + run("", *values))
        result = client.read_result()
        assert not result.errors, result.errors
    return result.value


def test_unnamed_statement_that_comes_again_is_parsed_once(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as one, pooler.client() as other:
        assert asked_again(one, "select $1::int + 1", values=[6]) == "7"
        assert asked_again(other, "select $1::int + 1", values=[7]) == "8"
        assert statements_of(pooler, "string_agg(statement, '')") == "select $1::int + 1"
        totals = {row["database"]: row for row in pooler.show("STATS_TOTALS")}["app"]
        assert (totals["client_parse_count"], totals["server_parse_count"]) == ("8", "2")
        clients = [row["prepared_statements"] for row in pooler.show("CLIENTS") if row["database"] == "app"]
        assert clients == ["0", "0"]
        prepared(one, "named", "select $1::int + 1")
        assert statements_of(pooler) == "1", "a named one of the same text is the same"


def test_unnamed_statement_goes_with_its_client_from_server_to_server(start_pooler):
    pooler = start_pooler(default_pool_size=2)
    rotation = Rotation(pooler)
    with pooler.client() as client:
        client.status = "I"
        for _ in range(4):
            rotation.before(client)
            asked_again(client, "select 42", times=1)
        client.send(parse("select 42") + sync())
        client.read_result()
        for _ in range(4):
            rotation.before(client)
            assert value_of(client, "") == "42"
        prepared(client, "named", "deallocate all")
        asked_again(client, "select 42")
        client.send(run("named"))
        assert client.read_result().tags == ["DEALLOCATE ALL"]
        for _ in range(4):
            rotation.before(client)
            assert value_of(client, "") == "42"
    rotation.close()


# The last ones have a parameter whose type is that of a column, which may change.
NEVER_KEPT = [
    "select length('x')",
    "select length($$x$$)",
    'select 1 as "\u00fc"',
    "show work_mem",
    "explain select 1",
    "/* hint */ select 1",
    "select 1 + $1",
    "select count(*) from pg_class where relpages = $1",
]


def test_unnamed_statements_that_may_mean_something_else_are_not_kept(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as client:
        for sql in NEVER_KEPT:
            asked_again(client, sql, values=[1] if "$1" in sql else [])
        client.ask("begin")
        asked_again(client, "select 7")
        client.ask("rollback")
        assert statements_of(pooler) == "0"


def test_unnamed_statements_are_kept_if_the_setting_says_so(start_pooler):
    pooler = start_pooler(default_pool_size=1, cache_unnamed_statements=0)
    with pooler.client() as client:
        asked_again(client, "select 7")
        assert statements_of(pooler) == "0"
        pooler.reload(cache_unnamed_statements=1)
        asked_again(client, "select 7")
        assert statements_of(pooler) == "1"
        pooler.reload(cache_unnamed_statements=0)
        asked_again(client, "select 8")
        assert statements_of(pooler) == "1"
    in_session = start_pooler(pool_mode="session")
    with in_session.client() as client:
        asked_again(client, "select 7")
        assert client.ask("select count(*) from pg_prepared_statements") == "0"


def test_texts_that_come_once_are_not_kept(start_pooler):
    pooler = start_pooler(default_pool_size=1, max_prepared_statements=10)
    with pooler.client() as client:
        prepared(client, "named", "select 7")
        for at in range(3000):
            asked_again(client, f"select {at}", times=1)
        assert int(statements_of(pooler)) <= 3
        for at in range(20):
            asked_again(client, f"select {at} + 1")
        assert statements_of(pooler) == "10"
        backend = client.ask("select pg_backend_pid()")
        assert value_of(client, "named") == "7"
        totals = {row["database"]: row for row in pooler.show("STATS_TOTALS")}["app"]
        assert client.ask("select pg_backend_pid()") == backend
        assert statements_of(pooler, "count(*) filter (where statement = 'select 7')") == "1"
        assert int(totals["server_parse_count"]) < 3100


def test_nobody_runs_the_unnamed_statement_of_another_client(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as one, pooler.client() as other:
        asked_again(one, "select 'mine'", times=1)
        check_error(request_of(other, bind() + execute()).error, "26000", "unnamed prepared statement does not exist")
        asked_again(one, "select 'mine'", times=1)
        check_error(request_of(other, describe()).error, "26000", "unnamed prepared statement does not exist")


def test_a_client_that_vanishes_leaves_nothing_behind(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as client:
        prepared(client, "s", "select 1")
        client.send(parse("select 2", "t") + bind(name="s") + execute())
        client.reset()
    with pooler.client() as client:
        check_error(request_of(client, bind(name="s") + execute()).error, "26000", '"s" does not exist')
        prepared(client, "s", "select 3")
        assert value_of(client, "s") == "3"


# Literals are read when a statement is prepared.

DAY = "select extract(day from date '01/02/2023')::int"
MOMENT = "select extract(epoch from timestamptz '2023-01-01 00:00')::int"
SETTINGS = [
    ("DateStyle", DAY, {"ISO, MDY": "2", "ISO, DMY": "1"}),
    ("TimeZone", MOMENT, {"UTC": "1672531200", "Asia/Tokyo": "1672498800"}),
    ("standard_conforming_strings", "select length('a\\\\b')", {"on": "4", "off": "3"}),
    (
        "IntervalStyle",
        "select extract(minute from interval '-1 2:03')::int",
        {"postgres": "3", "sql_standard": "-3"},
    ),
]


@pytest.mark.parametrize("setting,sql,values", SETTINGS, ids=[setting for setting, _, _ in SETTINGS])
def test_literals_are_those_of_the_settings_at_parse(start_pooler, setting, sql, values):
    pooler = start_pooler(default_pool_size=2)
    rotation = Rotation(pooler)
    first, second = values
    with pooler.client() as one, pooler.client() as other:
        one.status = other.status = "I"
        one.ask(f"set {setting} to '{first}'")
        other.ask(f"set {setting} to '{second}'")
        prepared(one, "s", sql)
        prepared(other, "s", sql)
        for _ in range(3):
            rotation.before(one)
            assert value_of(one, "s") == values[first]
            assert value_of(other, "s") == values[second]
        # On a server that has not seen it, it is prepared under the settings of then.
        one.ask(f"set {setting} to '{second}'")
        prepared(one, "t", f"{sql} + 0")
        one.ask(f"set {setting} to '{first}'")
        for _ in range(3):
            rotation.before(one)
            assert value_of(one, "t") == values[second]
            assert one.ask(f"show {setting}") == first
    rotation.close()


def test_literals_of_a_failed_transaction_leave_the_settings_alone(start_pooler):
    pooler = start_pooler(default_pool_size=2)
    rotation = Rotation(pooler)
    with pooler.client() as one:
        one.status = "I"
        one.ask("set datestyle to 'ISO, DMY'")
        prepared(one, "s", "select date '01/02/2023', 1 / $1::int")
        one.ask("set datestyle to 'ISO, MDY'")
        rotation.before(one)
        one.ask("begin")
        one.send(run("s", 0))
        check_error(one.read_result().error, "22012")
        one.ask("rollback")
        assert one.ask("show datestyle") == "ISO, MDY"
        assert value_of(one, "s", 1) == "2023-02-01"
    rotation.close()


# Columns that change.


@pytest.fixture
def changing(primary):
    primary.ask("create table changing (a int); insert into changing values (7); grant all on changing to app")
    yield primary
    primary.ask("drop table changing")


def test_a_client_gets_no_other_columns_than_it_was_told(start_pooler, changing):
    pooler = start_pooler(default_pool_size=2)
    rotation = Rotation(pooler)
    with pooler.client() as client, Wire(changing.address).startup("app", "app") as direct:
        client.status = "I"
        told = parse("select * from changing", "s") + describe("s") + sync()
        for wire in (client, direct):
            wire.send(told)
            assert wire.read_result().columns == [("a", 23)]
        changing.ask("alter table changing alter a type text")
        for _ in range(3):  # one of the servers has never seen it
            rotation.before(client)
            for wire in (client, direct):
                wire.send(bind(name="s") + execute() + sync())
                error = wire.read_result().error
                check_error(error, "0A000", "cached plan must not change result type", "ERROR")
        again = close_statement("s") + told
        for _ in range(2):
            rotation.before(client)
            for wire in (client, direct):
                wire.send(again)
                assert wire.read_result().columns == [("a", 25)]
                assert value_of(wire, "s") == "7"
    rotation.close()


def test_who_prepares_again_after_a_change_has_the_new_columns_on_every_server(start_pooler, changing):
    pooler = start_pooler(default_pool_size=2)
    rotation = Rotation(pooler)
    with pooler.client() as one, pooler.client() as other:
        one.status = other.status = "I"
        prepared(one, "s", "select * from changing")
        for _ in range(2):
            rotation.before(one)
            assert value_of(one, "s") == "7"
        changing.ask("alter table changing alter a type text using 'x' || a")
        rotation.before(one)
        one.send(run("s"))
        check_error(one.read_result().error, "0A000")
        prepared(other, "s", "select * from changing")
        for _ in range(3):
            rotation.before(other)
            assert value_of(other, "s") == "x7"
    rotation.close()


def test_who_prepares_after_a_change_never_hears_of_it(start_pooler, changing):
    pooler = start_pooler(default_pool_size=2)
    rotation = Rotation(pooler)
    told = parse("select * from changing", "s") + describe("s") + sync()
    with pooler.client() as old, pooler.client() as young, pooler.client() as later:
        old.status = young.status = later.status = "I"
        for _ in range(2):
            rotation.before(old)
            old.send(close_statement("s") + told)
            assert old.read_result().columns == [("a", 23)]
            assert value_of(old, "s") == "7"
        changing.ask("alter table changing alter a type text using 'x' || a")
        rotation.before(young)
        prepared(young, "before", "select 1")  # something else on the way
        for _ in range(3):
            rotation.before(young)
            young.send(told)
            assert young.read_result().columns == [("a", 25)]
            assert value_of(young, "s") == "x7"
            young.send(close_statement("s") + sync())
            young.read_result()
        for _ in range(3):
            rotation.before(old)
            old.send(run("s"))
            check_error(old.read_result().error, "0A000", "cached plan must not change result type")
        later.send(told)
        assert later.read_result().columns == [("a", 25)]
        for _ in range(3):
            rotation.before(later)
            assert value_of(later, "s") == "x7"
    rotation.close()


# By name in SQL.


def test_sql_statements_are_shared_too(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as one, pooler.client() as other:
        one.ask("prepare a(int) as select $1 + 1")
        other.ask("/* mine */ prepare b(int) as select $1 + 1")
        assert one.ask("execute a(1)") == "2" and other.ask("execute b(2)") == "3"
        assert statements_of(pooler) == "1"
        one.ask("deallocate a")
        assert other.ask("execute b(3)") == "4"


def test_what_cannot_be_placed_keeps_the_server(start_pooler, primary):
    pooler = start_pooler(default_pool_size=2)
    with pooler.client() as other:
        other.ask("begin")
        with pooler.client() as client:
            prepared(client, "known", "select 1")
            result = client.query("prepare s as select 2; execute s")
            assert result.tags == ["PREPARE", "SELECT 1"]
            assert pooler.log().count("keeps its server until it leaves: PREPARE, EXECUTE or DEALLOCATE among") == 1
            backend = client.ask("select pg_backend_pid()")
            other.ask("rollback")
            for _ in range(3):
                works(pooler)
                assert client.ask("execute s") == "2"
                assert value_of(client, "known") == "1"
                assert client.ask("select pg_backend_pid()") == backend
            assert client.query("deallocate s; deallocate s").error.code == "26000"
            assert pooler.log().count("keeps its server") == 1
    wait_until(
        lambda: primary.ask(f"select count(*) from pg_stat_activity where pid = {backend}") == 0,
        "the server is closed with its client",
    )
