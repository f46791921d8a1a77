"""Clients that vanish: what they leave behind is finished, rolled back or closed, and never somebody else's."""

import time

import pytest

from harness import check_error, nothing_is_open, pgweir_only, works
from pooler import seconds
from wire import (
    bind,
    copy_data,
    execute,
    flush,
    parse,
    query,
    request,
    sync,
    wait_until,
)

VANISH = ["vanish", "reset"]


@pytest.fixture
def ledger(primary):
    primary.ask("create table ledger (who text); grant all on ledger to app")
    yield primary
    primary.ask("drop table ledger")


@pytest.fixture
def narrow(start_pooler):
    """One server only: the next client gets the server of the client before it, or a new one."""
    return start_pooler(default_pool_size=1)


def check_clean(pooler, primary):
    """The next client sees no transaction and nothing of what was abandoned."""
    with pooler.client() as other:
        assert other.query("select 1").status == "I"
        assert other.ask("select count(*) from ledger where who = 'ghost'") == "0"
        assert other.query("commit").notices[0]["C"] == "25P01"
    nothing_is_open(primary)


@pytest.mark.parametrize("end", VANISH)
def test_open_transaction_is_rolled_back(narrow, ledger, end):
    client = narrow.client()
    client.ask("begin")
    client.ask("insert into ledger values ('ghost')")
    getattr(client, end)()
    check_clean(narrow, ledger)


def test_terminate_in_a_transaction_rolls_back(narrow, ledger):
    client = narrow.client()
    client.ask("begin")
    client.ask("insert into ledger values ('ghost')")
    client.close()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_failed_transaction_is_rolled_back(narrow, ledger, end):
    client = narrow.client()
    client.ask("begin")
    client.query("select 1/0")
    getattr(client, end)()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_statement_running_in_a_transaction_is_not_kept(narrow, ledger, end):
    client = narrow.client()
    client.ask("begin")
    client.ask("insert into ledger values ('ghost')")
    client.send(query("select pg_sleep(1)"))
    wait_until(lambda: ledger.backends("query like '%pg_sleep(1)%'") == 1, "it runs")
    getattr(client, end)()
    check_clean(narrow, ledger)


@pgweir_only
def test_statement_running_in_a_transaction_is_cancelled(narrow, ledger):
    """A minute of sleep would hold its locks and its server for nobody."""
    client = narrow.client()
    client.ask("begin")
    client.send(query("select pg_sleep(60)"))
    wait_until(lambda: ledger.backends("query like '%pg_sleep(60)%'") == 1, "it runs")
    client.reset()
    wait_until(
        lambda: ledger.backends("query like '%pg_sleep(60)%' and state = 'active'") == 0,
        "it has been cancelled",
        seconds(5),
    )
    check_clean(narrow, ledger)


def leave(pooler, client, how):
    """The client's end, by itself or by the operator."""
    if how == "killed":
        number = [row["id"] for row in pooler.show("CLIENTS") if row["state"] == "active"]
        pooler.command(f"KILL_CLIENT {number[0]}")
        client.read_to_end()
    else:
        client.reset()


@pgweir_only
@pytest.mark.parametrize("how", ["simple", "extended", "named", "killed"])
def test_proved_read_is_cancelled(narrow, ledger, how):
    """Nobody will hear of a minute of sleep, and nothing is lost without it."""
    sql = "select pg_sleep(60), count(*) from ledger"
    client = narrow.client()
    if how == "named":
        client.send(parse(sql, name="s") + sync())
        client.read_result()
        client.send(bind(name="s") + execute() + sync())
    else:
        client.send(request(sql) if how == "extended" else query(sql))
    wait_until(
        lambda: ledger.backends("query like 'select pg_sleep(60)%' and state = 'active'") == 1,
        "it runs",
    )
    process = ledger.ask("select pid from pg_stat_activity where query like 'select pg_sleep(60)%'")
    leave(narrow, client, how)
    with narrow.client() as other:
        assert other.ask("select pg_backend_pid()") == str(process), "the server is kept"
    check_clean(narrow, ledger)


@pgweir_only
def test_read_that_is_not_proved_is_left_to_finish(narrow, ledger):
    ledger.ask(
        "create function noting() returns int language plpgsql security definer as"
        " $$ begin perform pg_sleep(0.7); insert into ledger values ('kept'); return 1; end $$"
    )
    client = narrow.client()
    client.send(query("select noting()"))
    wait_until(lambda: ledger.backends("query like 'select noting%'") == 1, "it runs")
    client.reset()
    wait_until(lambda: ledger.ask("select count(*) from ledger") == 1, "the row")
    works(narrow)
    ledger.ask("drop function noting")


@pgweir_only
def test_transaction_that_ends_in_the_same_text_is_not_cancelled(narrow, ledger):
    client = narrow.client()
    client.ask("begin")
    client.send(query("insert into ledger select 'kept' from pg_sleep(0.7); commit"))
    wait_until(lambda: ledger.backends("query like 'insert%'") == 1, "it runs")
    client.reset()
    wait_until(lambda: ledger.ask("select count(*) from ledger") == 1, "the row")


@pytest.mark.parametrize("end", VANISH)
@pytest.mark.parametrize("how", ["simple", "extended", "named"])
def test_autocommit_write_under_way_is_committed(narrow, ledger, end, how):
    sql = "insert into ledger select 'kept' from pg_sleep(0.7)"
    client = narrow.client()
    if how == "named":
        client.send(parse(sql, name="s") + bind(name="s") + execute() + sync())
    else:
        client.send(query(sql) if how == "simple" else request(sql))
    wait_until(lambda: ledger.backends("query like 'insert%'") == 1, "it runs")
    getattr(client, end)()
    works(narrow)
    wait_until(lambda: ledger.ask("select count(*) from ledger") == 1, "the row")


def test_commit_under_way_is_done(narrow, ledger):
    """The answer to COMMIT is delayed by a deferred trigger; the client does not wait for it."""
    ledger.ask(
        "create function slow() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(1); return null; end $$;"
        "create constraint trigger slow after insert on ledger deferrable initially deferred"
        " for each row execute function slow()"
    )
    client = narrow.client()
    client.ask("begin")
    client.ask("insert into ledger values ('kept')")
    client.send(query("commit"))
    wait_until(lambda: ledger.backends("state = 'active' and query = 'commit'") == 1, "it commits")
    client.reset()
    works(narrow)
    wait_until(lambda: ledger.ask("select count(*) from ledger") == 1, "the row")
    ledger.ask("drop function slow cascade")


@pytest.mark.parametrize("end", VANISH)
@pytest.mark.parametrize("how", ["simple", "extended"])
def test_copy_in_is_not_kept(narrow, ledger, end, how):
    client = narrow.client()
    sql = "copy ledger from stdin"
    client.send(query(sql) if how == "simple" else request(sql))
    client.read_until("G")
    client.send(copy_data(b"ghost\n") * 10)
    time.sleep(0.1)
    getattr(client, end)()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_copy_in_cut_in_the_middle_of_a_message(narrow, ledger, end):
    client = narrow.client()
    client.send(query("copy ledger from stdin"))
    client.read_until("G")
    client.send(copy_data(b"ghost\n") + copy_data(b"ghost\n" * 100)[:77])
    time.sleep(0.1)
    getattr(client, end)()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_copy_out_of_a_client_that_left(narrow, ledger, end):
    client = narrow.client()
    client.send(query("copy (select repeat('x', 1000) from generate_series(1, 300000)) to stdout"))
    client.read_until("H")
    getattr(client, end)()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
@pytest.mark.parametrize(
    "data",
    [
        query("insert into ledger values ('ghost')"),
        parse("insert into ledger values ('ghost')") + bind() + execute() + sync(),
    ],
)
def test_message_cut_at_every_byte_does_nothing(narrow, ledger, end, data):
    with narrow.client() as witness:
        for at in range(len(data)):
            client = narrow.client()
            client.send(data[:at])
            getattr(client, end)()
            if at % 8 == 0:
                assert witness.ask("select count(*) from ledger") == "0", f"cut at {at}"
        assert witness.ask("select count(*) from ledger") == "0"
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_long_query_cut_in_the_middle(narrow, ledger, end):
    """Larger than every buffer, so that its beginning may already be at the server."""
    data = query("insert into ledger values ('ghost') /* " + "x" * 2_000_000 + " */")
    client = narrow.client()
    client.send(data[:1_500_000])
    time.sleep(0.2)
    getattr(client, end)()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_pipeline_without_sync(narrow, ledger, end):
    client = narrow.client()
    client.send(parse("insert into ledger values ('ghost')") + bind() + execute() + flush())
    client.read_until("C")
    getattr(client, end)()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_pipeline_after_an_error_without_sync(narrow, ledger, end):
    client = narrow.client()
    client.send(parse("selec"))
    client.read_until("E")
    getattr(client, end)()
    check_clean(narrow, ledger)


@pytest.mark.parametrize("end", VANISH)
def test_waiting_client_that_leaves_gets_no_server(narrow, ledger, end):
    with narrow.client() as holder:
        holder.ask("begin")
        waiter = narrow.client()
        waiter.send(query("insert into ledger values ('ghost')"))
        wait_until(lambda: narrow.pool()["cl_waiting"] == 1, "it waits")
        getattr(waiter, end)()
        wait_until(lambda: narrow.pool()["cl_waiting"] == 0, "it has left the queue")
        holder.ask("commit")
    check_clean(narrow, ledger)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_session_left_in_a_transaction(start_pooler, ledger, mode):
    pooler = start_pooler(pool_mode=mode, default_pool_size=1)
    client = pooler.client()
    client.ask("begin")
    client.ask("insert into ledger values ('ghost')")
    client.reset()
    check_clean(pooler, ledger)


def test_hundred_clients_that_vanish_at_once(start_pooler, ledger):
    pooler = start_pooler(default_pool_size=5)
    everybody = [pooler.client() for _ in range(100)]
    for client in everybody:
        client.send(query("begin; insert into ledger values ('ghost')"))
    time.sleep(0.3)
    for client in everybody:
        client.reset()
    for _ in range(10):
        works(pooler)
    nothing_is_open(ledger)
    assert ledger.ask("select count(*) from ledger") == 0
    wait_until(lambda: ledger.backends() <= 5, "the pool is within its size")


def test_client_left_while_logging_in(start_pooler):
    pooler = start_pooler(auth_type="scram-sha-256")
    for _ in range(50):
        pooler.raw().startup("app", "app", read=False).reset()
        client = pooler.raw().startup("app", "app", read=False)
        client.read_message()
        client.vanish()
    works(pooler)
    wait_until(lambda: _clients(pooler) == 0, "no client is left")


def _clients(pooler):
    return len([row for row in pooler.show("CLIENTS") if row["database"] == "app"])


def test_error_of_the_next_client_is_its_own(narrow, ledger):
    """The owed answers of a vanished client are not the next one's."""
    client = narrow.client()
    client.send(request("select 1/0") * 3 + query("select 'ghost' from pg_sleep(0.3)"))
    client.vanish()
    with narrow.client() as other:
        result = other.query("select 'mine'")
        assert result.rows == [("mine",)] and not result.errors
        check_error(other.query("select no_such_column").error, "42703")
