"""Reads go to standbys, own writes are always seen, what a standby refuses is asked again, and a change of primary is
a pause. Each test has servers of its own."""

import contextlib
import itertools
import os
import signal
import threading
import time

import pytest

from harness import check_error, closed_with, pgweir_only
from pooler import memory, seconds
from postgres import free_port
from routed import READ, Routed
from wire import bind, describe, execute, parse, query, request, sync, wait_until

pytestmark = pgweir_only

SOON = {"read_wait_timeout": 0.01}  # where the standby cannot show what is asked, and the primary has to


@pytest.fixture
def route(replicas, start_pooler):
    """route(standbys=1, more="", **settings) -> Routed. The primary takes no reads, unless it is told to: they wait
    for the standby, however long that takes."""

    def start(standbys=1, more="", **settings):
        settings = {"read_from_primary": 0, "read_wait_timeout": 30, **settings}
        return Routed(replicas, start_pooler, standbys, more, settings)

    return start


# Where statements go.


def test_new_names_are_known_to_old_sessions_after_a_reload(route):
    """Also when the servers are asked in another way since then."""
    r = route()
    with r.pooler.client() as client:
        assert client.ask(READ) == "0"
        r.pooler.command("SET server_connect_timeout = 9")
        r.primary.ask("create table fresh (a int); grant all on fresh to public")
        wait_until(lambda: r.client_reads(client, "select a from fresh"), "it is read on the standby", seconds(60), 0.1)


def test_reads_go_to_the_standby_and_writes_to_the_primary(route):
    r = route()
    with r.pooler.client() as client:
        with r.counted("read on a standby", by=3):
            for a in (1, 2, 3):
                assert client.ask(f"select b from t where a = {a}") == "0"
        with r.counted("to the primary", "writes"):
            assert client.query("update t set b = 7 where a = 1").tags == ["UPDATE 1"]
        assert client.ask(READ) == "7"


def test_prepared_statements_go_where_their_text_goes(route):
    r = route()
    with r.pooler.client() as client:
        client.send(parse(READ, "r") + sync())
        assert not client.read_result().errors
        client.send(parse("update t set b = b + 1 where a = $1::int returning b", "w") + sync())
        assert not client.read_result().errors
        run = bind((), "r") + execute() + sync()
        client.send(run)
        assert client.read_result().value == "0"
        with r.counted("to the primary", "writes"):
            client.send(bind((1,), "w") + execute() + sync())
            assert client.read_result().value == "1"
        client.send(run)
        assert client.read_result().value == "1"
        before = r.count("read on a standby")
        r.wait_for_judgement()
        client.send(run)
        assert client.read_result().value == "1"
        assert r.count("read on a standby") > before


def test_unnamed_statements_are_read_on_the_standby(route):
    r = route()
    with r.pooler.client() as client:
        with r.counted("read on a standby", by=2):
            for _ in range(2):
                client.send(parse(READ) + bind() + describe("", "P") + execute() + sync())
                assert client.read_result().value == "0"


def test_pipeline_keeps_its_order_over_two_servers(route):
    r = route()
    with r.pooler.client() as client:
        client.send(
            query(READ) + query("update t set b = 1 where a = 1") + query(READ) + request(READ)
        )
        assert client.read_result().value == "0"
        assert client.read_result().tags == ["UPDATE 1"]
        assert client.read_result().value == "1"
        assert client.read_result().value == "1"


def test_what_is_sent_behind_a_read_goes_where_it_has_to(route):
    """However much comes in one piece: a standby gets only what is meant for it."""
    r = route()
    update = "update t set b = b + 1 where a = 1"
    with r.pooler.client() as client:
        client.send(b"".join(query(one) for one in ("begin read only", READ, "commit", update)))
        assert [client.read_result().tags for _ in range(4)] == [["BEGIN"], ["SELECT 1"], ["COMMIT"], ["UPDATE 1"]]
        client.send(query("begin read only") + query(READ))
        assert [client.read_result().tags for _ in range(2)] == [["BEGIN"], ["SELECT 1"]]
        client.send(request(READ) + request("commit") + request(update))
        assert [client.read_result().tags for _ in range(3)] == [["SELECT 1"], ["COMMIT"], ["UPDATE 1"]]
        client.send(query("/* pgweir: standby */ " + READ) + query(update) + query("set pgweir.routing = 'primary'"))
        assert [client.read_result().tags for _ in range(3)] == [["SELECT 1"], ["UPDATE 1"], ["SET"]]
        assert client.ask("show pgweir.routing") == "primary"
        assert client.ask(READ) == "3"


def test_request_that_is_cut_is_routed_too(route):
    r = route()
    for cut in (1, 3, 5, 9):
        with r.pooler.client() as client:
            client.send(query("select pg_backend_pid()") + query(READ)[:cut])
            assert client.read_result().tags == ["SELECT 1"]
            with r.counted("read on a standby"):
                client.send(query(READ)[cut:])
                assert client.read_result().value == "0"


def test_what_waits_behind_a_read_is_not_piled_up(route):
    r = route()
    with r.pooler.client(timeout=60) as client:
        assert client.ask("/* pgweir: standby */ select 1") == "1"
        before = r.pooler.rss()
        client.send(query("/* pgweir: standby */ select pg_sleep(4)"))
        client.socket.settimeout(1)
        batch, sent = query(READ) * 2000, 0
        with contextlib.suppress(TimeoutError):
            while sent < 200_000_000:
                sent += client.socket.send(batch[sent % len(query(READ)) :])
        assert sent < 100_000_000 and r.pooler.rss() - before < memory(20_000_000)
        client.reset()


def test_prepared_statement_that_a_standby_has_lost_is_prepared_again(route):
    """Also where the route is fixed, and nothing but that is repaired."""
    r = route(default_pool_size=1)
    r.primary.ask("create function forget() returns int language plpgsql as 'begin execute ''deallocate all''; return 1; end'")
    with r.pooler.client() as client, r.pooler.client() as other:
        for one in (client, other):
            assert not one.query("set pgweir.routing = 'standby'").errors
        wait_until(lambda: other.ask("select count(*) from pg_proc where proname = 'forget'") == "1", "it is there")
        client.send(parse(READ, "s") + sync())
        assert not client.read_result().errors
        for _ in range(2):
            client.send(bind((), "s") + execute() + sync())
            assert client.read_result().value == "0"
            assert other.ask("select forget()") == "1"


def test_statement_that_is_parsed_ahead_is_found_again(route):
    """Described first, executed later, as some drivers do with a statement without a name."""
    r = route(cache_unnamed_statements=0)
    with r.pooler.client() as client:
        for _ in range(5):
            client.send(parse(READ) + describe() + sync())
            assert not client.read_result().errors
            client.send(bind() + execute() + sync())
            assert client.read_result().value == "0"
        client.send(parse("begin") + describe() + sync())
        assert client.read_result().status == "I", "nothing was executed"
        client.send(bind() + execute() + sync())
        assert client.read_result().status == "T"
        assert client.query("rollback").status == "I"


def leases(r):
    return sum(int(row["total_server_assignment_count"]) for row in r.pooler.show("STATS") if row["database"] == "app")


def test_long_statement_that_comes_in_pieces_takes_one_server(route):
    r = route()
    text = parse(f"select '{'x' * 600_000}'", "long") + sync()
    with r.pooler.client() as client:
        before = leases(r)
        for at in range(0, len(text), 20_000):
            client.send(text[at : at + 20_000])
            time.sleep(0.005)
        assert not client.read_result().errors
        assert leases(r) - before <= 3


def test_half_a_long_statement_behind_a_long_answer_is_read_on(route):
    """The client does not read before it has sent half of the next request, and as much of the answer is left as is
    held for a client, or a little more."""
    r = route(tcp_socket_buffer=32768)
    text = parse(f"select '{'x' * 600_000}'", "long") + sync()
    with r.pooler.client(timeout=seconds(30)) as client:
        for size in range(250_000, 1_000_000, 15_000):
            client.send(query(f"/* pgweir: primary */ select repeat('y', {size})") + text[:150_000])
            time.sleep(0.05)
            assert len(client.read_result().value) == size
            client.send(text[150_000:])
            assert not client.read_result().errors
            assert client.query("deallocate long").tags == ["DEALLOCATE"]


def test_statements_beyond_the_limit_go_to_the_primary(route):
    """Where a client may stay for what cannot be shared. A transaction that is on a standby already does not."""
    r = route(default_pool_size=4, max_prepared_memory=8000)
    more = "/* " + "x" * 1000 + " */"
    with r.pooler.client() as client, r.pooler.client() as other:
        for number in range(6):
            client.send(parse(f"{READ} {more * number}", f"s{number}") + sync())
            assert not client.read_result().errors
        for number in range(6):
            client.send(bind((), f"s{number}") + execute() + sync())
            assert client.read_result().value == "0"
            assert client.query("update t set b = 0 where a = 1").tags == ["UPDATE 1"]
        assert client.ask("select pg_is_in_recovery()") == "f"
        assert r.pooler.log().count("keeps its server until it leaves") == 1
        for _ in range(2):
            wait_until(lambda: r.client_reads(other, READ), "a standby shows its last write")
            assert other.query("begin read only").tags == ["BEGIN"]
            with r.counted("read on a standby"):
                assert other.ask(READ) == "0"
            other.send(parse(f"select 1 {more}") + bind() + execute() + sync())
            assert other.read_result().value == "1"
            other.send(parse(f"select 2 {more * 3}", "t") + sync())
            assert not other.read_result().errors
            assert other.query("commit").tags == ["COMMIT"]
            assert other.query("update t set b = 0 where a = 1").tags == ["UPDATE 1"]
            assert other.query("deallocate t").tags == ["DEALLOCATE"]
        assert r.pooler.log().count("keeps its server until it leaves") == 1


def test_session_mode_keeps_to_the_primary(route):
    r = route()
    r.pooler.reload(pool_mode="session")
    with r.pooler.client() as client:
        with r.counted("read on a standby", by=0):
            assert client.ask(READ) == "0"
            assert client.query("update t set b = 1 where a = 1").tags == ["UPDATE 1"]
            assert client.ask(READ) == "1"
    with r.pooler.client() as client:
        assert client.ask("/* pgweir: standby */ select pg_is_in_recovery()") == "t"
        check_error(client.query("update t set b = 2").error, "25006", "read-only")


def test_several_statements_go_by_the_strictest(route):
    r = route()
    with r.pooler.client() as client:
        with r.counted("read on a standby", by=0):
            assert not client.query("select 1; update t set b = 3 where a = 1").errors
        assert r.primary.ask(READ) == 3


def test_what_belongs_to_a_session_is_the_primarys(route):
    r = route()
    with r.pooler.client() as client:
        for sql in (
            "listen x",
            "create temporary table own (a int)",
            "select pg_advisory_lock(1)",
            "declare c cursor with hold for select 1",
            "select * from t for update",
            "select nextval('s')",
            "show search_path",
        ):
            if "nextval" in sql:
                r.primary.ask("create sequence s; grant all on s to public")
            before = r.count("read on a standby")
            assert not client.query(sql).errors, sql
            assert r.count("read on a standby") == before, sql


def test_names_are_looked_up_by_the_path_of_the_session(route):
    """The same text is a read of a table in one schema, and asks the server about itself in another."""
    r = route()
    r.primary.ask("create schema other; grant usage on schema other to public")
    r.primary.ask("create view other.t as select a, pg_backend_pid() as b from public.t; grant select on other.t to public")
    r.primary.ask("create schema tenant; grant usage on schema tenant to public")
    r.primary.ask("create table tenant.own (a int); insert into tenant.own values (5); grant select on tenant.own to public")
    with r.pooler.client() as client:
        assert client.ask(READ) == "0"
        assert not client.query("set search_path = other, public").errors
        wait_until(lambda: r.primary.ask("select 1") and client.ask(READ) != "0", "the view is there")
        with r.counted("read on a standby", by=0):
            for _ in range(5):
                assert client.ask(READ) == client.ask("select pg_backend_pid()")
        assert not client.query("set search_path = tenant").errors

        def reads_there():
            before = r.count("read on a standby")
            assert client.ask("select a from own") == "5"
            return r.count("read on a standby") > before

        wait_until(reads_there, "it is known as a read by that path", seconds(30), 0.1)
        for empty in ("set search_path = ''", "select set_config('search_path', '', false)"):
            assert not client.query(empty).errors
            with r.counted("read on a standby", by=0):
                assert client.query("select a from own").error.code == "42P01"
    with r.pooler.client(parameters={"options": "-c search_path=other"}) as client:
        with r.counted("read on a standby", by=0):
            assert client.ask(READ) == client.ask("select pg_backend_pid()")


def test_reads_are_spread_by_weight(route):
    r = route(standbys=2, more="weight=1,1,2", read_from_primary=1)
    clients = [r.pooler.client() for _ in range(8)]
    try:
        for client in clients:
            assert client.ask(READ) == "0"
        before = r.count("read on a standby")
        part = r.count("read on the primary", "its part")
        for _ in range(5):
            for client in clients:
                assert client.ask(READ) == "0"
        assert r.count("read on a standby") - before == 30
        assert r.count("read on the primary", "its part") - part == 10
    finally:
        for client in clients:
            client.close()


# Routes that are asked for.


def test_hint_setting_and_startup_option_fix_the_route(route):
    r = route()
    with r.pooler.client() as client:
        with r.counted("fixed route", by=1):
            check_error(
                client.query("/* pgweir: standby */ update t set b = 1").error, "25006", "read-only"
            )
        with r.counted("read on a standby", by=0):
            assert client.ask("/* pgweir: primary */ " + READ) == "0"
        assert not client.query("set pgweir.routing = 'primary'").errors
        assert client.ask("show pgweir.routing") == "primary"
        with r.counted("read on a standby", by=0):
            assert client.ask(READ) == "0"
        assert client.query("reset pgweir.routing").tags == ["RESET"]
        with r.counted("read on a standby"):
            assert client.ask(READ) == "0"
        check_error(client.query("set pgweir.routing = 'moon'").error, "22023", "pgweir.routing")
    with r.pooler.client(parameters={"options": "-c pgweir.routing=primary"}) as client:
        assert client.ask("show pgweir.routing") == "primary"


def test_own_settings_follow_the_session_like_others(route):
    r = route()
    with r.pooler.client(parameters={"options": "-c pgweir.routing=prefer-standby"}) as client:
        for reset in ("discard all", "reset all", "reset pgweir.routing"):
            assert client.query("set pgweir.routing = 'primary'").tags == ["SET"]
            assert not client.query(reset).errors
            assert client.ask("show pgweir.routing") == "prefer-standby", reset
        assert not client.query("set pgweir.routing = 'primary'").errors
        for end, now in (("rollback", "primary"), ("commit", "standby")):
            for sql in ("begin", "update t set b = 1 where a = 1", "set pgweir.routing = 'standby'", end):
                assert not client.query(sql).errors
            assert client.ask("show pgweir.routing") == now
    with r.pooler.client() as other:
        assert other.ask("show pgweir.routing") == "auto"


def test_ports_fix_the_route(route):
    reads, writes = free_port(), free_port()
    r = route(listen_port_standby=reads, listen_port_primary=writes)
    main = r.pooler.port
    try:
        r.pooler.port = reads
        with r.pooler.client() as client:
            check_error(client.query("update t set b = 1").error, "25006", "read-only")
            assert client.ask(READ) == "0"
        r.pooler.port = writes
        with r.pooler.client() as client:
            assert not client.query("update t set b = 1 where a = 1").errors
            assert client.ask("select pg_is_in_recovery()") == "f"
    finally:
        r.pooler.port = main


# Transactions.


def test_begin_is_sent_with_the_first_request(route):
    r = route()
    with r.pooler.client() as client:
        servers = r.pooler.servers()
        result = client.query("begin")
        assert (result.tags, result.status) == (["BEGIN"], "T")
        assert r.pooler.pool()["sv_active"] == 0
        result = client.query("commit")
        assert (result.tags, result.status) == (["COMMIT"], "I")
        assert r.pooler.servers() == servers, "an empty transaction needs no server"
        for end, kept in (("commit", "5"), ("rollback", "5")):
            assert client.query("begin").status == "T"
            assert client.ask(READ) in ("0", "5")
            assert client.query(f"update t set b = {5 if end == 'commit' else 9} where a = 1").status == "T"
            assert client.query(end).status == "I"
            assert client.ask(READ) == kept


def test_error_position_is_that_of_the_statement(route):
    r = route()
    with r.pooler.client() as client:
        client.query("begin")
        result = client.query("select 1 from nowhere")
        assert result.error.code == "42P01"
        assert result.error.fields["P"] == "15"
        assert result.status == "E"
        assert client.query("rollback").status == "I"


def test_begin_by_extended_query(route):
    r = route()
    with r.pooler.client() as client:
        client.send(request("begin"))
        assert client.read_result().status == "T"
        client.send(request("update t set b = 4 where a = 1"))
        assert client.read_result().status == "T"
        client.send(request("rollback"))
        assert client.read_result().status == "I"
        assert client.ask(READ) == "0"


def test_read_only_transaction_runs_whole_on_the_standby(route):
    r = route()
    with r.pooler.client() as client:
        with r.counted("read on a standby"):
            assert client.query("begin read only").status == "T"
            assert client.ask(READ) == "0"
            assert client.ask("select pg_is_in_recovery()") == "t"
            check_error(client.query("update t set b = 1").error, "25006", "read-only")
            assert client.query("rollback").status == "I"


def test_transaction_that_may_write_is_the_primarys_from_the_start(route):
    r = route()
    with r.pooler.client() as client:
        with r.counted("read on a standby", by=0):
            client.query("begin")
            assert client.ask(READ) == "0"
            assert not client.query("update t set b = 2 where a = 1").errors
            assert client.query("commit").status == "I"
        assert r.primary.ask(READ) == 2


def test_modes_of_a_transaction_cost_the_server_nothing(route):
    """What is prepared there stays."""
    r = route()

    def parsed():
        return next(int(row["total_server_parse_count"]) for row in r.pooler.show("STATS") if row["database"] == "app")

    with r.pooler.client() as client:
        client.send(parse(READ, "r") + sync())
        assert not client.read_result().errors
        before = parsed()
        for _ in range(5):
            assert client.query("begin").status == "T"
            assert client.query("set transaction isolation level repeatable read").status == "T"
            client.send(bind((), "r") + execute() + sync())
            assert client.read_result().value == "0"
            assert client.ask("show transaction_isolation") == "repeatable read"
            assert client.query("commit").status == "I"
        assert parsed() - before <= 1


def test_timeouts_run_from_the_clients_begin(route):
    r = route(idle_transaction_timeout=0.3)
    with r.pooler.client() as client:
        assert client.query("begin").status == "T"
        closed_with(client, "25P03", "idle transaction timeout", seconds(10))


def test_statement_mode_refuses_begin(route):
    r = route(pool_mode="statement")
    with r.pooler.client() as client:
        client.send(query("begin"))
        closed_with(client, "25001", "transaction blocks")


def test_deferring_begin_can_be_turned_off(route):
    r = route(deferred_begin=0)
    with r.pooler.client() as client:
        client.query("begin")
        wait_until(lambda: r.pooler.pool()["sv_active"] == 1, "the transaction has a server")
        client.query("commit")


# What a read shows.


def test_own_write_is_seen_while_the_standby_is_behind(route):
    r = route(**SOON)
    with r.pooler.client() as client:
        r.pause_replay()
        for value in range(1, 6):
            client.query(f"update t set b = {value} where a = 1")
            assert client.ask(READ) == str(value)
        assert r.count("read on the primary", "no standby fresh in time") >= 5
        r.resume_replay()

        def reads_there():
            before = r.count("read on a standby")
            assert client.ask(READ) == "5"
            return r.count("read on a standby") > before

        wait_until(reads_there, "the standby is read again", seconds(20))


def test_write_behind_a_read_is_a_write(route):
    r = route(read_consistency="own_writes", **SOON)
    with r.pooler.client() as client:
        r.pause_replay()
        client.send(b"".join(query(one) for one in ("begin", READ, "update t set b = 6 where a = 1", "commit")))
        assert [client.read_result().tags for _ in range(4)][2:] == [["UPDATE 1"], ["COMMIT"]]
        assert client.ask(READ) == "6"
        r.resume_replay()


def test_what_was_seen_is_never_unseen(route):
    r = route(standbys=2, **SOON)
    with r.pooler.client() as reader, r.pooler.client() as writer:
        r.standbys[1].ask("select pg_wal_replay_pause()")
        seen = 0
        for value in range(1, 30):
            writer.query(f"update t set b = {value} where a = 1")
            now = int(reader.ask(READ))
            assert now >= seen
            seen = now


def begin_commit(r, writer):
    """Commits a value that the standby shows and the primary does not, because it waits for a standby that there is
    not. Returns the value."""
    r.primary.configure("synchronous_commit", "on")
    r.primary.configure("synchronous_standby_names", "nobody")
    tried = itertools.count(1)

    def is_answered():
        return not writer.silent_for(0.05)

    def waits():
        """PostgreSQL's processes read the settings one by one: commits wait when all have."""
        value = next(tried)
        writer.send(query(f"update t set b = {value} where a = 1"))
        wait_until(lambda: is_answered() or r.primary.backends("wait_event = 'SyncRep'") == 1, "it is answered or waits")
        if not is_answered():
            return str(value)
        assert not writer.read_result().errors
        return None

    return wait_until(waits, "a commit waits for a standby")


def end_commit(r, writer):
    r.primary.configure("synchronous_standby_names", "")
    assert not writer.read_result().errors


def test_primary_that_does_not_show_a_commit_yet_is_waited_for(route):
    r = route(primary_wait_timeout=60)
    with r.pooler.client() as client, r.pooler.client() as reader, r.pooler.client() as writer:
        value = begin_commit(r, writer)
        wait_until(lambda: reader.ask(READ) == value, "the standby shows it")
        assert client.ask("/* pgweir: primary */ " + READ) != value, "who has not seen it need not wait"
        reader.send(query("/* pgweir: primary */ " + READ))
        assert reader.silent_for(0.5), "what it has seen is not there yet"
        end_commit(r, writer)
        assert reader.read_result().value == value
        assert r.count("to the primary", "what was seen is not shown in time") == 0


def refuse_log_ins(r, standby):
    """Of the pooler's servers; who looks after the cluster is still let in."""
    with open(f"{standby.data}/pg_hba.conf", "r+", encoding="utf-8") as file:
        rules = file.read()
        file.seek(0)
        file.write("host app app all reject\n" + rules)
    loaded = standby.ask("select pg_conf_load_time()")
    standby.ask("select pg_reload_conf()")
    wait_until(lambda: standby.ask("select pg_conf_load_time()") > loaded, "log-ins are refused")
    standby.terminate_backends("usename = 'app'")
    wait_until(
        lambda: all(int(row["port"]) != standby.port for row in r.pooler.show("SERVERS")), "the pooler has none of them"
    )


def test_standby_that_refuses_log_ins_is_replaced_where_the_primary_may_be_asked(route):
    r = route(server_login_retry=60)
    refuse_log_ins(r, r.standbys[0])
    with r.pooler.client() as client:
        for _ in range(3):
            assert client.ask(READ) == "0"
        assert client.query("set pgweir.routing = 'prefer-standby'").tags == ["SET"]
        for _ in range(3):
            assert client.ask("select pg_is_in_recovery()") == "f"
        assert client.query("set pgweir.routing = 'standby'").tags == ["SET"]
        client.send(query(READ))
        assert "reject" in client.read_to_end().error.message


@pytest.mark.parametrize("fixed", [True, False])
def test_standby_that_refuses_log_ins_is_replaced_by_another(route, fixed):
    r = route(standbys=2, server_login_retry=60)
    refuse_log_ins(r, r.standbys[0])
    options = "-c pgweir.routing=standby" if fixed else ""
    for number in range(8):
        with r.pooler.client(parameters={"options": options}) as client:
            for _ in range(3):
                client.send(query(READ))
                result = client.read_result()
                assert not result.errors, result.errors
                assert result.value == "0"
    assert r.standbys[0].backends("usename = 'app'") == 0
    if not fixed:
        with r.pooler.client() as client, r.counted("read on a standby", by=20):
            for _ in range(20):
                assert client.ask(READ) == "0"


def test_standby_that_refuses_log_ins_is_no_reason_to_unsee(route):
    """Whether that was known before or is found out: the primary is waited for."""
    r = route(primary_wait_timeout=60, server_login_retry=60)
    with r.pooler.client() as writer, r.pooler.client() as reader:
        value = begin_commit(r, writer)
        wait_until(lambda: reader.ask(READ) == value, "the standby shows it")
        refuse_log_ins(r, r.standbys[0])
        with r.pooler.client() as other:
            assert other.ask(READ) != value, "who has not seen it need not wait"
        reader.send(query(READ))
        assert reader.silent_for(0.5), "what it has seen is not there yet"
        end_commit(r, writer)
        assert reader.read_result().value == value
        assert r.count("to the primary", "what was seen is not shown in time") == 0


def test_primary_that_does_not_show_a_commit_is_not_waited_for_for_ever(route):
    r = route(primary_wait_timeout=0.3)
    with r.pooler.client() as reader, r.pooler.client() as writer:
        value = begin_commit(r, writer)
        wait_until(lambda: reader.ask(READ) == value, "the standby shows it")
        assert reader.ask("/* pgweir: primary */ " + READ) != value
        assert r.count("to the primary", "what was seen is not shown in time") == 1
        end_commit(r, writer)


def test_wait_for_the_primary_begins_anew_after_a_read_on_the_standby(route):
    r = route(more="read_consistency=database", primary_wait_timeout=6, **SOON)
    with r.pooler.client() as reader, r.pooler.client() as writer, r.pooler.client() as other:
        value = begin_commit(r, writer)
        wait_until(lambda: reader.ask(READ) == value, "the standby shows it")
        r.pause_replay()
        assert not other.query("set synchronous_commit = local; update t set b = 5 where a = 2").errors
        reader.send(query(READ))  # the standby has not the last write, the primary does not show what was seen
        assert reader.silent_for(0.3)
        r.resume_replay()
        assert reader.read_result().value == value
        time.sleep(6)  # longer than that read might have waited
        reader.send(query("/* pgweir: primary */ " + READ))
        assert reader.silent_for(0.5), "this wait is another one"
        end_commit(r, writer)
        assert reader.read_result().value == value
        assert r.count("to the primary", "what was seen is not shown in time") == 0


def test_read_that_is_cancelled_while_it_waits_leaves_nothing_behind(route):
    r = route(more="pool_size=1")
    with r.pooler.client() as slow, r.pooler.client() as client:
        slow.send(query("/* pgweir: standby */ select pg_sleep(60)"))
        wait_until(lambda: r.standbys[0].backends("query like '%pg_sleep(60)' and state = 'active'") == 1, "it runs")
        client.send(query(READ))
        wait_until(lambda: r.pooler.pool()["cl_waiting"] == 1, "it waits for the standby's server")
        client.cancel()
        assert client.read_result().error.code == "57014"
        assert client.ask("/* pgweir: primary */ select 7") == "7"
        slow.cancel()
        assert slow.read_result().error.code == "57014"
        with r.counted("read on a standby"):
            assert client.ask(READ) == "0"


def test_eventual_shows_what_there_is(route):
    r = route(more="read_consistency=eventual", **SOON)
    with r.pooler.client() as client:
        r.pause_replay()
        client.query("update t set b = 1 where a = 1")
        assert client.ask(READ) == "0"
        assert not client.query("set pgweir.read_consistency = 'session'").errors
        assert client.ask(READ) == "1"
        assert not client.query("set pgweir.read_consistency = 'primary'").errors
        with r.counted("read on a standby", by=0):
            assert client.ask(READ) == "1"
        r.resume_replay()


def test_write_of_one_connection_is_read_on_another_in_database_mode(route):
    r = route(more="read_consistency=database", **SOON)
    with r.pooler.client() as writer, r.pooler.client() as reader:
        assert reader.ask(READ) == "0"
        r.pause_replay()
        writer.query("update t set b = 1 where a = 1")
        assert reader.ask(READ) == "1"
        r.resume_replay()


def test_position_is_carried_to_another_connection(route):
    r = route(**SOON)
    with r.pooler.client() as writer, r.pooler.client() as reader:
        assert reader.ask(READ) == "0"
        assert writer.ask("show pgweir.last_write") == ""
        r.pause_replay()
        writer.query("update t set b = 1 where a = 1")
        position = writer.ask("show pgweir.last_write")
        assert position.startswith("1/0/")
        assert not reader.query(f"set pgweir.read_after = '{position}'").errors
        assert reader.ask("show pgweir.read_after") == position
        assert reader.ask(READ) == "1"
        r.resume_replay()


def test_late_standby_is_not_read(route):
    r = route(max_standby_lag=1000, max_standby_lag_time=0, more="read_consistency=eventual", **SOON)
    r.pause_replay()
    r.primary.ask("update t set b = 1")
    wait_until(
        lambda: any(row["state"] == "late" for row in r.pooler.show("TOPOLOGY")), "it is late"
    )
    with r.pooler.client() as client:
        with r.counted("read on a standby", by=0):
            assert client.ask(READ) == "1"
    r.resume_replay()


# Repair.


def make_liar(r, sql):
    """A function that only reads, until it is known as one that does: then it writes."""
    r.primary.ask("create function lies() returns int stable language sql as 'select 5'")
    r.wait_for_judgement(sql)
    r.change_unnoticed(
        "create or replace function lies() returns int volatile language sql as"
        " 'insert into t values (1000 + (random() * 1e9)::int, 0) returning 5'",
        "select provolatile = 'v' from pg_proc where proname = 'lies'",
    )


def test_what_the_standby_refuses_is_asked_of_the_primary_and_learnt(route):
    r = route()
    sql = "select lies()"
    make_liar(r, sql)
    with r.pooler.client() as client:
        rows = r.primary.ask("select count(*) from t")
        with r.counted("sent again to the primary", "refused"):
            assert client.ask(sql) == "5"
        assert r.primary.ask("select count(*) from t") == rows + 1, "once, and there"
        with r.counted("sent again to the primary", "refused", by=0):
            with r.counted("to the primary", "refused"):
                assert client.ask(sql) == "5"


def test_refused_first_read_of_a_transaction_takes_its_begin_along(route):
    r = route()
    r.primary.ask("create table u (a int); grant all on u to public")
    r.wait_for_judgement("select count(*) from u")
    r.change_unnoticed(
        "drop table u; create unlogged table u (a int); grant all on u to public",
        "select relpersistence = 'u' from pg_class where relname = 'u'",
    )
    with r.pooler.client() as client:
        with r.counted("sent again to the primary", "other"):
            client.query("begin read only")
            assert client.ask("select count(*) from u") == "0"
            check_error(client.query("insert into u values (1)").error, "25006", "read-only")
            assert client.query("rollback").status == "I"
        assert client.ask(READ) == "0"


def test_prepared_read_is_repaired_with_its_name(route):
    r = route()
    make_liar(r, "select lies() as c")
    with r.pooler.client() as client:
        with r.counted("sent again to the primary", "refused"):
            client.send(parse("select lies() as c", "s") + bind((), "s") + execute() + sync())
            result = client.read_result()
            assert not result.errors, result.errors
            assert (result.types, result.value) == ("12DCZ", "5")
        client.send(bind((), "s") + execute() + sync())
        assert client.read_result().value == "5"
        client.send(parse("select 1", "s") + sync())
        check_error(client.read_result().error, "42P05", "already exists")


def test_error_of_the_primary_is_the_clients(route):
    r = route()
    r.wait_for_judgement("select 1 / a from t where a = 1")
    with r.pooler.client() as client:
        with r.counted("sent again to the primary", "other", by=0):
            check_error(client.query("select 1 / (a - a) from t where a = 1").error, "22012", "zero")
        assert client.ask(READ) == "0"


def test_standby_that_is_lost_before_it_answers_is_replaced_unseen(route):
    r = route()
    slow = "select pg_sleep(0.7), b from t where a = 1"
    r.wait_for_judgement(slow)
    with r.pooler.client() as client:
        standby = r.standbys[0]
        client.send(query(slow))

        def is_at_it():
            if not client.silent_for(0.001):  # it was over before anybody looked
                assert not client.read_result().errors
                client.send(query(slow))
            return standby.backends("query like 'select pg_sleep%' and usename = 'app' and state = 'active'") == 1

        wait_until(is_at_it, "the standby is at it")
        standby.stop("immediate")
        result = client.read_result(seconds(20))
        assert not result.errors, result.errors
        assert result.rows[0][1] == "0"
        assert client.ask(READ) == "0"


def test_standby_that_is_lost_before_it_is_asked_is_replaced_unseen(route):
    """It has to take over the client's settings first, and ends over that. The client gets one answer."""
    r = route()
    standby = r.standbys[0]
    servers = [row[0] for row in standby.rows("select pid from pg_stat_activity where usename = 'app'")]
    with r.pooler.client(parameters={"application_name": "another"}) as client:
        for pid in servers:
            os.kill(pid, signal.SIGSTOP)
        client.send(query(READ))
        assert client.silent_for(0.2)
        for pid in servers:
            standby.ask(f"select pg_terminate_backend({pid})")
            os.kill(pid, signal.SIGCONT)
        assert client.read_result(seconds(20)).value == "0"
        assert client.ask("select 2") == "2"
        assert r.count("sent again to the primary", "lost") == 1


# Another primary.


class Writers:
    """Clients that write and read one statement after the other; what was answered is remembered."""

    def __init__(self, pooler, count):
        self.pooler = pooler
        self.acknowledged = []
        self.errors = []
        self.longest = 0.0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        value = 0
        client = None
        while not self.stopping.is_set():
            value += 1
            key = 10_000 + number * 100_000 + value
            begin = time.monotonic()
            try:
                if client is None:
                    client = self.pooler.client(timeout=60)
                result = client.query(f"insert into t values ({key}, 0)")
                if result.errors:
                    self.errors.append(result.errors[0])
                else:
                    self.acknowledged.append(key)
                assert not client.query(READ).errors
            except Exception as failure:  # the connection is gone
                self.errors.append(failure)
                if client is not None:
                    client.vanish()
                    client = None
            self.longest = max(self.longest, time.monotonic() - begin)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def test_promotion_is_a_pause(route):
    r = route(default_pool_size=10)
    idle = r.pooler.client()
    with Writers(r.pooler, 6) as writers:
        time.sleep(0.5)
        r.primary.stop("fast")
        with r.pooler.client() as client:
            assert client.ask(READ) == "0", "reads go on"
        r.standbys[0].promote()
        r.wait_for_primary(r.standbys[0])
        done = len(writers.acknowledged)
        wait_until(lambda: len(writers.acknowledged) > done + 20, "writes go on", seconds(30))
    assert len(writers.errors) <= 6, writers.errors
    kept = {row[0] for row in r.standbys[0].rows("select a from t")}
    assert set(writers.acknowledged) <= kept, "a clean stop ships everything"
    assert idle.ask("update t set b = 8 where a = 1 returning b") == "8"
    idle.close()


def test_primary_that_hangs_is_left(route):
    r = route()
    r.primary.freeze()
    r.standbys[0].promote()
    r.wait_for_primary(r.standbys[0])
    with r.pooler.client() as client:
        assert client.query("update t set b = 1 where a = 1").tags == ["UPDATE 1"]
    assert r.standbys[0].ask(READ) == 1


def test_old_primary_that_comes_back_gets_nothing(route):
    r = route()
    r.primary.stop("fast")
    r.standbys[0].promote()
    r.wait_for_primary(r.standbys[0])
    r.primary.start()
    wait_until(
        lambda: any(
            int(row["port"]) == r.primary.port and row["state"] in ("fenced", "outdated")
            for row in r.pooler.show("TOPOLOGY")
        ),
        "the old primary is fenced",
        seconds(30),
    )
    with r.pooler.client() as client:
        for value in range(1, 20):
            client.query(f"update t set b = {value} where a = 1")
            assert client.ask(READ) == str(value)
    assert r.primary.ask(READ) == 0


def test_restart_of_the_primary_is_a_pause(route):
    r = route()
    with r.pooler.client() as client:
        client.query("update t set b = 1 where a = 1")
        r.primary.stop("fast")
        client.send(query("update t set b = 2 where a = 1"))
        time.sleep(0.5)
        r.primary.start()
        result = client.read_result(seconds(30))
        assert not result.errors, result.errors
        assert client.ask(READ) == "2"


def test_wait_for_a_primary_ends(route):
    r = route(failover_wait_timeout=1, **SOON)
    with r.pooler.client() as client:
        r.primary.stop("fast")
        assert client.ask(READ) == "0"
        client.send(query("update t set b = 2"))
        closed_with(client, "57P03", "no primary server", seconds(20))


def test_wait_for_a_standby_ends_as_any_wait_for_a_server(route):
    r = route(failover_wait_timeout=0, query_wait_timeout=5)
    with r.pooler.client() as client:
        r.standbys[0].stop("fast")
        assert not client.query("set pgweir.routing = 'standby'").errors
        client.send(query(READ))
        closed_with(client, "57P03", "no server to read from", seconds(30))


def stop_prober(r):
    """What the primary is asked about itself stays without an answer. Returns the process that does not answer."""
    process = int(r.primary.ask("select pid from pg_stat_activity where application_name = 'pgweir topology'"))
    os.kill(process, signal.SIGSTOP)
    return process


def test_position_of_a_write_is_not_waited_for_for_ever(route):
    r = route(failover_wait_timeout=1, topology_interval=3, **SOON)
    prober = stop_prober(r)
    with r.pooler.client() as client:
        assert not client.query("update t set b = 2 where a = 1").errors
        assert client.query("show pgweir.last_write", seconds(30)).error.code == "57P03"
        assert client.ask("/* pgweir: primary */ " + READ) == "2", "the session goes on"
    os.kill(prober, signal.SIGCONT)


def test_read_that_no_standby_can_answer_waits_for_a_primary_no_longer_than_a_write(route):
    r = route(failover_wait_timeout=1, topology_interval=3, **SOON)
    prober = stop_prober(r)
    with r.pooler.client() as client:
        assert not client.query("update t set b = 2 where a = 1").errors
        r.primary.kill(prober)  # nobody knows how much of the log the standby must have for that
        client.send(query(READ))
        closed_with(client, "57P03", "no primary server", seconds(30))


def test_clients_that_wait_for_a_primary_are_limited(route):
    r = route(failover_wait_clients=1)
    with r.pooler.client() as first, r.pooler.client() as second:
        r.primary.stop("fast")
        wait_until(
            lambda: not any(
                row["role"] == "primary" and row["state"] == "serving"
                for row in r.pooler.show("TOPOLOGY")
            ),
            "the loss is known",
            seconds(10),
        )
        first.send(query("update t set b = 2"))
        wait_until(lambda: r.pooler.pool()["cl_waiting"] == 1, "it waits")
        second.send(query("update t set b = 3"))
        closed_with(second, "53300", "failover_wait_clients")
        r.primary.start()
        assert not first.read_result(seconds(30)).errors
