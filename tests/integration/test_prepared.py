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
