"""Cancel requests: they reach the query they are meant for, and no other."""

import random
import threading
import time

import pytest

from harness import PASS, Stopwatch, check_error, gate, pgweir_only, works
from pooler import memory, seconds
from wire import cancel_request, query, startup_packet, wait_until


def running(primary, text="pg_sleep"):
    return primary.backends(f"state = 'active' and query like '%{text}%'") > 0


def test_cancel_reaches_the_running_query(pooler, primary):
    with pooler.client() as client:
        client.send(query("select pg_sleep(20)"))
        wait_until(lambda: running(primary), "the query runs")
        watch = Stopwatch()
        client.cancel()
        check_error(client.read_result().error, "57014", "canceling statement due to user request")
        assert watch.elapsed < seconds(15)
        assert client.ask("select 1") == "1"


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_cancel_reaches_the_one_among_many(start_pooler, primary, mode):
    pooler = start_pooler(pool_mode=mode, default_pool_size=5)
    everybody = [pooler.client() for _ in range(5)]
    with gate(primary):
        for at, client in enumerate(everybody):
            client.send(query(f"select {at} from {PASS}"))
        wait_until(lambda: primary.backends("state = 'active'") == 5, "five queries")
        everybody[2].cancel()
        wait_until(lambda: primary.backends("state = 'active'") == 4, "one is cancelled")
    for at, client in enumerate(everybody):
        result = client.read_result()
        if at == 2:
            check_error(result.error, "57014")
        else:
            assert result.value == str(at)
        client.close()


def test_cancel_in_a_transaction_leaves_it_failed(pooler, primary):
    with pooler.client() as client:
        client.ask("begin")
        client.send(query("select pg_sleep(20)"))
        wait_until(lambda: running(primary), "the query runs")
        client.cancel()
        result = client.read_result()
        check_error(result.error, "57014")
        assert result.status == "E"
        assert client.query("rollback").status == "I"


def test_wrong_key_does_nothing(pooler, primary):
    with pooler.client() as client:
        with gate(primary):
            client.send(query(f"select 5 from {PASS}"))
            wait_until(lambda: running(primary, PASS), "the query runs")
            wrong = bytes([client.key[0] ^ 1]) + client.key[1:]
            pooler.cancel(client.process_id, wrong)
            pooler.cancel(client.process_id ^ 1, client.key)
            pooler.cancel(0, b"\0\0\0\0")
            assert client.silent_for(0.2)
        assert client.read_result().value == "5"


@pytest.mark.parametrize("key", [b"", b"k", b"k" * 3, b"k" * 5, b"k" * 32, b"k" * 256, b"k" * 257])
def test_keys_of_other_lengths_do_nothing(pooler, key):
    with pooler.client() as client:
        one = pooler.raw()
        one.send(cancel_request(client.process_id, key))
        result = one.read_to_end()
        assert "R" not in result.types
        assert client.ask("select 1") == "1"


def test_cancel_for_an_idle_client_hurts_nobody(start_pooler, primary):
    """Its last server now works for another."""
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as idle, pooler.client() as busy:
        idle.ask("select 1")
        with gate(primary):
            busy.send(query(f"select 7 from {PASS}"))
            wait_until(lambda: running(primary, PASS), "the query runs")
            for _ in range(5):
                idle.cancel()
            assert busy.silent_for(0.2)
        assert busy.read_result().value == "7"


@pgweir_only
def test_cancel_for_a_waiting_client_ends_its_wait(start_pooler):
    """PgBouncer cannot do this (its issue 1222)."""
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as holder, pooler.client() as waiter:
        holder.ask("begin")
        waiter.send(query("select 1"))
        wait_until(lambda: pooler.pool()["cl_waiting"] == 1, "it waits")
        waiter.cancel()
        check_error(waiter.read_result(seconds(15)).error, "57014")
        assert holder.ask("select 1") == "1"
        holder.ask("commit")
        assert waiter.ask("select 2") == "2"


@pgweir_only
def test_cancel_of_a_long_query_that_waits_leaves_the_client_readable(start_pooler):
    """So much was sent ahead that the pooler had stopped reading."""
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as holder, pooler.client() as waiter:
        holder.ask("begin")
        waiter.send(query("select 1 -- " + 100_000 * "x"))
        wait_until(lambda: pooler.pool()["cl_waiting"] == 1, "it waits")
        assert waiter.silent_for(0.5)
        waiter.cancel()
        check_error(waiter.read_result(seconds(15)).error, "57014")
        holder.ask("commit")
        assert waiter.ask("select 2") == "2"


@pgweir_only
def test_cancel_of_half_a_query_that_waits_does_not_lose_the_rest(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as holder, pooler.client() as waiter:
        holder.ask("begin")
        data = query("select 1 -- " + 40_000 * "x")
        waiter.send(data[:20_000])
        assert waiter.silent_for(0.5)
        waiter.cancel()
        time.sleep(0.3)
        waiter.send(data[20_000:])
        holder.ask("commit")
        assert waiter.read_result(seconds(15)).value == "1"


def test_cancel_for_a_client_that_has_left_hurts_nobody(start_pooler, primary):
    pooler = start_pooler(default_pool_size=1)
    gone = pooler.client()
    gone.ask("select 1")
    key = (gone.process_id, gone.key)
    gone.close()
    with pooler.client() as busy:
        with gate(primary):
            busy.send(query(f"select 7 from {PASS}"))
            wait_until(lambda: running(primary, PASS), "the query runs")
            pooler.cancel(*key)
            assert busy.silent_for(0.2)
        assert busy.read_result().value == "7"


def test_cancel_works_when_the_pool_and_the_server_count_are_full(start_pooler, primary):
    pooler = start_pooler(default_pool_size=1, max_db_connections=1)
    with pooler.client() as client:
        client.send(query("select pg_sleep(20)"))
        wait_until(lambda: running(primary), "the query runs")
        client.cancel()
        check_error(client.read_result(seconds(15)).error, "57014")


def test_cancel_over_the_unix_socket(pooler, primary):
    from wire import Wire

    with Wire(pooler.unix_address) as client:
        client.startup("app", "app")
        client.send(query("select pg_sleep(20)"))
        wait_until(lambda: running(primary), "the query runs")
        client.cancel()
        check_error(client.read_result(seconds(15)).error, "57014")


def test_cancel_storm_hits_only_its_owner(start_pooler):
    """Two clients take turns on one server; one is cancelled all the time, the other never."""
    pooler = start_pooler(default_pool_size=1)
    stop = threading.Event()
    outcome = {"innocent": 0, "canceled": 0, "victim": 0, "wrong": []}
    random.seed(4)

    def innocent():
        with pooler.client() as client:
            while not stop.is_set():
                result = client.query("select 'innocent' from pg_sleep(0.002)")
                outcome["innocent"] += 1
                if result.errors or result.value != "innocent":
                    outcome["wrong"].append(str(result.errors or result.rows))

    def victim(client):
        while not stop.is_set():
            result = client.query("select 'victim' from pg_sleep(0.002)")
            outcome["victim"] += 1
            if result.errors:
                outcome["canceled"] += 1
                if result.error.code != "57014":
                    outcome["wrong"].append(str(result.error))
            elif result.value != "victim":
                outcome["wrong"].append(str(result.rows))

    with pooler.client() as target:
        threads = [
            threading.Thread(target=innocent),
            threading.Thread(target=innocent),
            threading.Thread(target=victim, args=(target,)),
        ]
        for thread in threads:
            thread.start()
        begin = time.monotonic()

        def is_over():
            enough = outcome["innocent"] > 50 and outcome["victim"] > 20 and outcome["canceled"] > 0
            return time.monotonic() - begin > (5 if enough else 60)

        while not is_over():
            target.cancel()
            time.sleep(random.uniform(0, 0.004))
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
    assert not outcome["wrong"], outcome["wrong"][:5]
    assert outcome["innocent"] > 50 and outcome["victim"] > 20
    assert outcome["canceled"] > 0
    works(pooler)


def test_thousand_cancels_leave_nothing_behind(pooler):
    with pooler.client() as client:
        client.ask("select 1")
        before = pooler.rss()
        for _ in range(1000):
            client.cancel()
        assert client.ask("select 1") == "1"
        assert pooler.rss() - before < memory(10_000_000)


def test_startup_after_a_cancel_request_is_not_a_login(pooler):
    one = pooler.raw()
    one.send(cancel_request(1, b"abcd") + startup_packet({"user": "app", "database": "app"}))
    assert "Z" not in one.read_to_end().types
    works(pooler)
