"""The protocol through the pooler: what a client gets is what PostgreSQL would have sent it."""

import contextlib
import threading
import time

import pytest

from harness import PASS, gate, pgweir_only, works
from pooler import memory, seconds
from wire import (
    Wire,
    bind,
    close_statement,
    copy_data,
    copy_done,
    copy_fail,
    describe,
    execute,
    flush,
    function_call,
    message,
    parse,
    query,
    request,
    startup_packet,
    sync,
    terminate,
    wait_until,
)

LENGTH_OID = 1317  # length(text)

# Every conversation is held twice, with PostgreSQL and through the pooler, and must give the same messages.
# Each ends in a state in which a Sync and a Query are answered.
CONVERSATIONS = {
    "simple": query("select 1 as a, null as b, 'ü' as c"),
    "empty": query(""),
    "only_comment": query("-- nothing"),
    "several_statements": query("select 1; select 2; select 3"),
    "error": query("select 1/0"),
    "syntax_error_position": query("select 1 +* 2"),
    "several_statements_with_error": query("select 1; select 1/0; select 3"),
    "transaction_in_one_query": query("begin; select 1; commit; select 2"),
    "open_and_failed_transaction": query("begin")
    + query("select 1/0")
    + query("select 2")
    + query("rollback"),
    "commit_without_transaction": query("commit"),
    "savepoints": query("begin")
    + query("savepoint a")
    + query("select 1/0")
    + query("rollback to a")
    + query("select 1")
    + query("commit"),
    "notice": query("do $$ begin raise notice 'hello %', 1; end $$"),
    "warning_and_rows": query("begin; begin; select 1; commit"),
    "extended": request("select $1::int + $2::int", 20, 22),
    "extended_null_and_empty": request("select $1::text, $2::text", None, ""),
    "extended_error_in_parse": request("selec 1"),
    "extended_error_in_bind": parse("select $1::int") + bind(["x"]) + execute() + sync(),
    "extended_error_in_execute": request("select 1 / $1::int", 0),
    "extended_empty": request(""),
    "extended_describe_statement": parse("select $1::int as a") + describe() + sync(),
    "extended_missing_statement": bind(name="missing") + execute() + sync(),
    "extended_missing_portal": execute("missing") + sync(),
    "extended_portal_in_parts": parse("select generate_series(1, 5)")
    + bind(portal="p")
    + execute("p", 2)
    + execute("p", 2)
    + execute("p", 2)
    + sync(),
    "extended_close": parse("select 1") + close_statement() + close_statement("p", "P") + sync(),
    "extended_transaction": request("begin") + request("select 1") + request("commit"),
    "extended_failed_transaction": request("begin")
    + request("select 1/0")
    + request("select 1")
    + request("rollback"),
    "only_syncs": sync() * 5,
    "pipeline_of_requests": b"".join(request("select $1::int", at) for at in range(10)),
    "pipeline_without_sync": (parse("select 1") + bind() + execute()) * 10 + sync(),
    "pipeline_error_skips_to_sync": parse("select 1")
    + bind()
    + execute()
    + parse("select 1/0")
    + bind()
    + execute()
    + parse("select 3")
    + bind()
    + execute()
    + sync()
    + request("select 4"),
    "pipeline_errors_in_several_segments": b"".join(
        request("select 1 / $1::int", at % 2) for at in range(8)
    ),
    "pipeline_mixed_with_simple": request("select 1") + query("select 2") + request("select 3"),
    "query_skipped_after_extended_error": parse("selec 1") + query("select 1") + sync(),
    "flush_skipped_after_extended_error": parse("selec 1") + flush() + sync(),
    "execute_without_sync_then_query": parse("select 1") + bind() + execute() + query("select 2"),
    "many_flushes": parse("select 1") + flush() + bind() + flush() + execute() + flush() + sync(),
    "function_call": function_call(LENGTH_OID, "hello"),
    "function_call_of_nothing": function_call(1, "hello"),
    "function_call_and_query": function_call(LENGTH_OID, "hello") + query("select 1"),
    "copy_out": query("copy (select generate_series(1, 100)) to stdout"),
    "copy_out_binary": query("copy (select 1::int, 'x'::text) to stdout (format binary)"),
    "copy_out_fails": query("copy (select 1 / (5 - x) from generate_series(1, 9) x) to stdout"),
    "copy_out_then_more": query("select 1; copy (select 2) to stdout; select 3"),
    "copy_out_extended": request("copy (select generate_series(1, 100)) to stdout"),
    "copy_in": query("copy lines from stdin") + copy_data(b"1\n2\n") + copy_data(b"3\n") + copy_done(),
    "copy_in_empty": query("copy lines from stdin") + copy_done(),
    "copy_in_fails_at_server": query("copy lines from stdin")
    + copy_data(b"1\nx\n")
    + copy_data(b"2\n")
    + copy_done(),
    "copy_in_gives_up": query("copy lines from stdin") + copy_data(b"1\n") + copy_fail(),
    "copy_in_no_table": query("copy no_such from stdin") + copy_data(b"1\n") + copy_done(),
    "copy_in_flush_and_sync_inside": query("copy lines from stdin")
    + flush()
    + sync()
    + copy_data(b"1\n")
    + copy_done(),
    "copy_in_then_more": query("copy lines from stdin; select 1")
    + copy_data(b"1\n")
    + copy_done()
    + query("select 2"),
    "two_copies_in_one_query": query("copy lines from stdin; copy lines from stdin")
    + (copy_data(b"1\n") + copy_done()) * 2,
    "copy_in_transaction": query("begin")
    + query("copy lines from stdin")
    + copy_data(b"x\n")
    + copy_done()
    + query("rollback"),
    "copy_in_extended": request("copy lines from stdin")
    + copy_data(b"1\n")
    + copy_data(b"2\n")
    + copy_done()
    + sync(),
    "copy_in_extended_fails_at_server": request("copy lines from stdin")
    + copy_data(b"x\n")
    + copy_data(b"2\n")
    + copy_done()
    + sync(),
    "copy_in_extended_gives_up": request("copy lines from stdin")
    + copy_data(b"1\n")
    + copy_fail()
    + sync(),
    "copy_in_extended_without_first_sync": parse("copy lines from stdin")
    + bind()
    + execute()
    + copy_data(b"1\n")
    + copy_done()
    + sync(),
    "copy_messages_out_of_place": copy_data(b"1\n") + copy_done() + copy_fail() + query("select 1"),
}


def messages_of(wire, data, deliver):
    """All messages that come for these bytes, up to a marker that ends the conversation."""
    deliver(wire, data + sync() + query("select 'the end of it'"))
    result = []
    marked = False
    while True:
        one = wire.read_message()
        if one.type == "D" and b"the end of it" in one.body:
            marked = True
        result.append((one.type, one.body))
        if marked and one.type == "Z":
            return result


def whole(wire, data):
    wire.send(data)


def byte_by_byte(wire, data):
    wire.send_split(data, 1)


@pytest.fixture
def lines(primary):
    primary.ask("create table if not exists lines (a int); grant all on lines to app")
    yield primary
    primary.ask("truncate lines")


@pytest.mark.parametrize(
    "mode", [pytest.param("transaction", marks=pgweir_only), "session"]
)
@pytest.mark.parametrize("deliver", [whole, byte_by_byte])
def test_conversations_are_those_of_postgres(start_pooler, lines, mode, deliver):
    pooler = start_pooler(pool_mode=mode, default_pool_size=1)
    with pooler.client() as through, Wire(lines.address).startup("app", "app") as direct:
        for name, data in CONVERSATIONS.items():
            expected = messages_of(direct, data, whole)
            received = messages_of(through, data, deliver)
            assert received == expected, name
            if mode == "transaction":
                works(pooler)


@pgweir_only
def test_two_clients_alternate_on_one_server(start_pooler, lines):
    """Conversations of one client at each step of another's, on the same server."""
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as other, pooler.client() as through:
        with Wire(lines.address).startup("app", "app") as direct:
            for name, data in CONVERSATIONS.items():
                other.send(request("select $1::text", name))
                through.send(data + sync() + query("select 'the end of it'"))
                other.send(query("select 'second'"))
                expected = messages_of(direct, data, whole)
                received = messages_of(through, b"", lambda *_: None)
                assert received == expected, name
                assert other.read_result().value == name
                assert other.read_result().value == "second"


def test_split_at_every_byte(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    data = query("select 1") + request("select $1::int", 2) + flush() + sync() + query("select 3")
    with pooler.client() as client:
        expected = None
        for at in range(len(data) + 1):
            client.send(data[:at])
            time.sleep(0.001)
            client.send(data[at:])
            results = [client.read_result() for _ in range(4)]
            seen = [(one.type, one.body) for result in results for one in result.messages]
            expected = expected or seen
            assert seen == expected, f"split at {at}"


@pgweir_only
def test_startup_split_at_every_byte(pooler):
    packet = startup_packet({"user": "app", "database": "app", "application_name": "splitter"})
    for at in range(1, len(packet)):
        client = pooler.raw()
        client.send(packet[:at])
        time.sleep(0.001)
        client.send(packet[at:] + query("select 1"))
        client.read_login("app")
        assert client.read_result().value == "1"
        client.close()


def test_requests_may_come_with_the_startup_packet(pooler):
    client = pooler.raw()
    packet = startup_packet({"user": "app", "database": "app"})
    client.send(packet + query("select 1") + request("select $1::int", 2))
    client.read_login("app")
    assert client.read_result().value == "1"
    assert client.read_result().value == "2"
    client.close()


def test_flush_brings_answers_before_sync(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as client:
        client.send(parse("select $1::int as a") + describe() + flush())
        assert [client.read_message().type for _ in range(3)] == ["1", "t", "T"]
        assert client.silent_for(0.1)
        client.send(bind([7]) + execute() + flush())
        assert [client.read_message().type for _ in range(3)] == ["2", "D", "C"]
        client.send(sync())
        assert client.read_result().status == "I"


def test_flush_keeps_the_server_until_sync(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.send(parse("select 1") + flush())
        assert first.read_message().type == "1"
        second.send(query("select 2"))
        assert second.silent_for(0.3)
        first.send(bind() + execute() + sync())
        assert first.read_result().value == "1"
        assert second.read_result().value == "2"


@pgweir_only
def test_error_without_sync_keeps_the_server_until_sync(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.send(parse("selec"))
        assert first.read_message().type == "E"
        second.send(query("select 2"))
        first.send(query("select 'skipped'") + sync())
        assert first.read_result().types == "Z"
        assert second.read_result().value == "2"


def test_syncs_under_way_keep_the_server(start_pooler, primary):
    """The first ReadyForQuery says idle, but more is owed."""
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        with gate(primary):
            first.send(request("select pg_backend_pid()") + request(f"select 1 from {PASS}") * 2)
            first.read_result()
            second.send(query("select 2"))
            assert second.silent_for(0.3)
        assert first.read_result().value == "1"
        assert first.read_result().value == "1"
        assert second.read_result().value == "2"


def test_many_messages_in_one_packet(pooler):
    with pooler.client() as client:
        client.send(b"".join(query(f"select {at}") for at in range(1000)))
        for at in range(1000):
            assert client.read_result().value == str(at)


def test_pipeline_longer_than_every_buffer(pooler):
    """The client sends 20 MB of requests and only then reads: somebody must be told to wait."""
    with pooler.client(timeout=60) as client:
        payload = "x" * 1000
        data = request("select $1::text || $2::text", payload, "y") * 20_000
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        time.sleep(0.5)
        for _ in range(20_000):
            assert len(client.read_result().value) == 1001
        sender.join()


def test_function_call(pooler):
    with pooler.client() as client:
        client.send(function_call(LENGTH_OID, "hello"))
        result = client.read_result()
        assert result.types == "VZ"
        assert result.messages[0].body.endswith(b"\0\0\0\x015")


def test_terminate_ends_the_connection(pooler):
    client = pooler.client()
    client.send(terminate())
    assert client.read_to_end().messages == []
    works(pooler)


@pgweir_only
def test_request_before_terminate_is_done(pooler, lines):
    client = pooler.client()
    client.send(query("insert into lines values (77)") + terminate())
    client.read_to_end()
    wait_until(lambda: lines.ask("select count(*) from lines where a = 77") == 1, "the row")


# COPY, one step after the other


def test_copy_in_and_out(pooler, lines):
    with pooler.client() as client:
        client.send(query("copy lines from stdin"))
        assert client.read_message().type == "G"
        for at in range(1000):
            client.send(copy_data(f"{at}\n".encode()))
        client.send(copy_done())
        assert client.read_result().tags == ["COPY 1000"]
        result = client.query("copy lines to stdout")
        assert len(result.copy_data) == 1000


def test_copy_in_keeps_the_server(start_pooler, lines):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.send(query("copy lines from stdin"))
        assert first.read_message().type == "G"
        second.send(query("select 2"))
        first.send(copy_data(b"1\n"))
        assert second.silent_for(0.3)
        first.send(copy_done())
        assert first.read_result().tags == ["COPY 1"]
        assert second.read_result().value == "2"


def test_late_copy_data_after_an_error_reaches_nobody_else(start_pooler, lines):
    """The server has given up and been handed on; the client does not know that yet."""
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.send(query("copy lines from stdin"))
        assert first.read_message().type == "G"
        first.send(copy_data(b"no number\n"))
        assert first.read_result().error.code == "22P02"
        second.send(query("copy lines from stdin"))
        first.send(copy_data(b"4444\n") * 100)
        time.sleep(0.2)
        first.send(copy_done())
        assert second.read_message().type == "G"
        second.send(copy_data(b"5\n") + copy_done())
        assert second.read_result().tags == ["COPY 1"]
        assert first.ask("select count(*) from lines where a = 4444") == "0"
        assert first.ask("select 1") == "1"


def test_copy_in_of_100_mb_keeps_memory_bounded(pooler, lines):
    lines.ask("create unlogged table bulk (a text); grant all on bulk to app")
    try:
        with pooler.client(timeout=60) as client:
            before = pooler.rss()
            client.send(query("copy bulk from stdin"))
            assert client.read_message().type == "G"
            chunk = copy_data((b"x" * 999 + b"\n") * 1000)
            highest = 0
            for _ in range(100):
                client.send(chunk)
                highest = max(highest, pooler.rss())
            client.send(copy_done())
            assert client.read_result().tags == ["COPY 100000"]
            assert highest - before < memory(30_000_000)
    finally:
        lines.ask("drop table bulk")


# Asynchronous messages


def test_notify_reaches_a_listener_in_session_mode(start_pooler):
    pooler = start_pooler(pool_mode="session")
    with pooler.client() as listener, pooler.client() as speaker:
        listener.ask("listen news")
        speaker.ask("notify news, 'hello'")
        one = listener.read_message()
        assert one.type == "A" and b"news\0hello\0" in one.body


def test_notices_come_while_a_query_runs(pooler, primary):
    with pooler.client() as client:
        with gate(primary):
            client.send(
                query(f"do $$ begin raise notice 'first'; perform {PASS}; raise notice 'second'; end $$")
            )
            assert client.read_message().type == "N"
            assert client.silent_for(0.1)
        assert client.read_message().type == "N"
        assert client.read_result().tags == ["DO"]


# Sizes


READY_IDLE = message("Z", b"I")


def read_everything(client):
    """Discards until a ReadyForQuery ends what has come."""
    seen, tail = 0, b""
    while not tail.endswith(READY_IDLE):
        data = client.socket.recv(1 << 20)
        assert data, "end of stream"
        seen += len(data)
        tail = (tail + data)[-64:]
    return seen


def test_slow_reader_of_100_mb_fills_no_memory(pooler):
    with pooler.client(timeout=60) as client, pooler.client() as other:
        client.ask("select 1")
        before = pooler.rss()
        client.send(query("select repeat('x', 1000000) from generate_series(1, 100)"))
        highest = 0
        for _ in range(20):
            time.sleep(0.05)
            highest = max(highest, pooler.rss())
            assert other.ask("select 1") == "1"
        assert highest - before < memory(20_000_000)
        assert read_everything(client) > 100_000_000
        assert pooler.rss() - before < memory(20_000_000)
        assert client.ask("select 1") == "1"


@pgweir_only
def test_who_reads_no_answers_cannot_ask_for_more(pooler):
    """Also where the pooler answers by itself: Close of a statement that there is not."""
    wire = Wire(pooler.unix_address, timeout=seconds(60)).startup("app", "app", password="")
    wire.ask("select 1")
    before = pooler.rss()
    batch = close_statement("a") * 10_000
    sent = 0
    wire.socket.settimeout(2)
    with contextlib.suppress(TimeoutError):
        while sent < 200_000_000:
            sent += wire.socket.send(batch[sent % len(close_statement("a")) :])
    assert sent < 100_000_000, "it reads on and on"
    assert pooler.rss() - before < memory(20_000_000)
    wire.socket.settimeout(seconds(60))
    rest = -sent % len(close_statement("a"))
    begun = close_statement("a")[len(close_statement("a")) - rest :] if rest else b""
    ended = threading.Thread(target=wire.send, args=(begun + sync(),))
    ended.start()
    assert read_everything(wire) > sent // len(close_statement("a")) * 5
    ended.join()
    assert wire.ask("select 2") == "2"
    wire.close()


def test_row_of_300_mb_passes_through(pooler):
    with pooler.client(timeout=120) as client:
        client.ask("select 1")
        before = pooler.rss()
        client.send(query("select repeat('x', 300000000)"))
        assert read_everything(client) > 300_000_000
        assert pooler.rss() - before < memory(20_000_000)


@pytest.mark.parametrize("size", [10_000, 1_000_000, 50_000_000])
def test_long_query_text(pooler, size):
    with pooler.client(timeout=60) as client:
        client.send(query("select length('" + "x" * size + "')"))
        assert client.read_result().value == str(size)
        client.send(request("select length($1::text)", "y" * size))
        assert client.read_result().value == str(size)
        client.send(request("select length('" + "z" * size + "')"))
        assert client.read_result().value == str(size)
    works(pooler)


def test_empty_and_wide_rows(pooler):
    with pooler.client() as client:
        result = client.query("select")
        assert result.rows == [()]
        columns = ", ".join(f"{at} as c{at}" for at in range(1600))
        result = client.query(f"select {columns}")
        assert len(result.rows[0]) == 1600


def test_connection_is_reusable_after_an_abandoned_result_of_another(pooler):
    """A client that goes away while a long result is on its way."""
    client = pooler.client()
    client.send(query("select repeat('x', 1000000) from generate_series(1, 500)"))
    assert client.read_message().type == "T"
    client.vanish()
    with pooler.client() as other:
        for _ in range(10):
            assert other.ask("select 1") == "1"
