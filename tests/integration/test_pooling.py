"""Pooling: who gets which server and for how long, limits, queues, the life of server connections."""

import contextlib
import time

import pytest

from fake_postgres import FakePostgres, never_answers
from harness import Stopwatch, check_error, closed_with, nothing_is_open, pgweir_only, refused, works
from pooler import seconds
from postgres import free_port
from wire import ConnectionClosed, ServerError, query, wait_until

PID = "select pg_backend_pid()"


@contextlib.contextmanager
def clients(pooler, count, **who):
    connected = [pooler.client(**who) for _ in range(count)]
    try:
        yield connected
    finally:
        for one in connected:
            one.close()


# Modes


def test_transaction_mode_shares_a_server_between_clients(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        assert first.ask(PID) == second.ask(PID) == first.ask(PID)


def test_transaction_mode_keeps_the_server_until_the_transaction_ends(start_pooler, primary):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        pid = first.ask(PID)
        second.send(query(PID))
        assert first.ask(PID) == pid
        assert second.silent_for(0.3)
        first.ask("commit")
        assert second.read_result().value == pid


def test_transaction_mode_keeps_the_server_through_a_failed_transaction(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        assert first.query("select 1/0").status == "E"
        second.send(query("select 1"))
        assert second.silent_for(0.3)
        assert first.query("select 1").error.code == "25P02"
        assert first.query("rollback").status == "I"
        assert second.read_result().value == "1"


def test_transactions_of_two_clients_run_on_two_servers(pooler):
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        second.ask("begin")
        assert first.ask(PID) != second.ask(PID)


def test_session_mode_keeps_one_server_for_the_whole_session(start_pooler):
    pooler = start_pooler(pool_mode="session", default_pool_size=2)
    with pooler.client() as first, pooler.client() as second:
        pid = first.ask(PID)
        other = second.ask(PID)
        assert pid != other
        for _ in range(3):
            assert first.ask(PID) == pid
            assert second.ask(PID) == other


def test_session_mode_hands_on_after_the_client_has_left(start_pooler):
    pooler = start_pooler(pool_mode="session", default_pool_size=1)
    first = pooler.client()
    pid = first.ask(PID)
    with pooler.client() as second:
        second.send(query(PID))
        assert second.silent_for(0.3)
        first.close()
        assert second.read_result().value == pid


def test_session_mode_resets_the_server_for_the_next_client(start_pooler):
    pooler = start_pooler(pool_mode="session", default_pool_size=1)
    with pooler.client() as first:
        pid = first.ask(PID)
        first.ask("set statement_timeout = '77s'; create temp table leftover (a int)")
        first.ask("prepare leftover as select 1")
    with pooler.client() as second:
        assert second.ask(PID) == pid
        assert second.ask("show statement_timeout") == "0"
        assert second.ask("select to_regclass('leftover')") is None
        assert second.ask("select count(*) from pg_prepared_statements") == "0"


def test_reset_query_is_the_configured_one(start_pooler, primary):
    primary.ask("create sequence resets")
    pooler = start_pooler(
        pool_mode="session", default_pool_size=1, server_reset_query="select nextval('resets')"
    )
    primary.ask("grant all on resets to app")
    with pooler.client() as first:
        first.ask("set statement_timeout = '77s'")
    with pooler.client() as second:
        assert second.ask("show statement_timeout") == "77s"
        assert second.ask("select last_value from resets") == "1"
    primary.ask("drop sequence resets")


def test_statement_mode_answers_single_statements(start_pooler):
    pooler = start_pooler(pool_mode="statement", default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        assert first.ask(PID) == second.ask(PID)
        assert first.extended("select $1::int", 5).value == "5"


@pytest.mark.parametrize("statement", ["begin", "start transaction", "begin; select 1"])
def test_statement_mode_refuses_transactions(start_pooler, primary, statement):
    pooler = start_pooler(pool_mode="statement")
    client = pooler.client()
    client.send(query(statement))
    closed_with(client, "25001", "transaction blocks not allowed in statement pooling mode")
    works(pooler)
    nothing_is_open(primary)


# Sizes


def test_pool_size_holds_under_50_clients(start_pooler, primary):
    pooler = start_pooler(default_pool_size=5)
    seen = set()
    with clients(pooler, 50) as everybody:
        for _ in range(4):
            for client in everybody:
                client.send(query(f"{PID} from pg_sleep(0.005)"))
            assert primary.backends() <= 5
            assert pooler.servers() <= 5
            for client in everybody:
                seen.add(client.read_result().value)
    assert len(seen) <= 5


def test_pools_are_by_database_and_user(start_pooler, primary):
    pooler = start_pooler(default_pool_size=1)
    pairs = [("app", "app"), ("app", "other"), ("second", "app"), ("second", "other")]
    pids = set()
    for database, user in pairs:
        with pooler.client(database=database, user=user) as client:
            pids.add(client.ask(PID))
            assert client.ask("select current_database() || current_user") == database + user
    assert len(pids) == 4


def test_queue_is_first_come_first_served(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as holder, clients(pooler, 10) as waiting:
        holder.ask("begin")
        for place, client in enumerate(waiting, 1):
            _wait_in_queue(pooler, client, place, "select clock_timestamp()::text from pg_sleep(0.01)")
        holder.ask("commit")
        served = [client.read_result().value for client in waiting]
    assert served == sorted(served)


def _wait_in_queue(pooler, client, place, sql):
    """The client asks, and is so many-th in the queue of the full pool. The next one will be later by more than the
    millisecond for which a server rather stays on its worker."""
    client.send(query(sql))
    wait_until(lambda: pooler.pool()["cl_waiting"] == place, f"{place} wait")
    time.sleep(0.005)


def _wait_for_answers(waiting, pending, until, at_most=1000):
    """Reads the answers that come until then; appends (index, time) in the order of their coming."""
    arrived = []
    while True:  # once at least, however late it is
        for index in sorted(pending):
            if not waiting[index].silent_for(0.002):
                waiting[index].read_result()
                arrived.append((index, time.monotonic()))
                pending.discard(index)
        if not pending or len(arrived) >= at_most or time.monotonic() >= until:
            return arrived


@pytest.mark.parametrize("setting", ["global", "database"])
def test_reserve_serves_five_after_its_timeout_and_the_rest_in_order(
    start_pooler, primary, setting
):
    """40 clients in open transactions, a pool of 25 and a reserve of 5."""
    patience = seconds(5)  # all have to be in the queue by then
    own = {"reserve_pool_size": 5}
    databases = None
    if setting == "database":
        own = {}
        where = f"host=127.0.0.1 port={primary.port}"
        databases = {"app": f"{where} pool_size=25 reserve_pool=5"}
    pooler = start_pooler(
        databases=databases, default_pool_size=25, reserve_pool_timeout=patience, **own
    )
    with clients(pooler, 40) as everybody:
        for client in everybody[:25]:
            client.ask("begin")
        first_asked = time.monotonic()
        for index in range(25, 40):
            _wait_in_queue(pooler, everybody[index], index - 24, "begin")
        pending = set(range(25, 40))
        last_asked = time.monotonic()
        arrived = _wait_for_answers(everybody, pending, last_asked + seconds(30), at_most=5)
        # All of the others have waited as long by now.
        arrived += _wait_for_answers(everybody, pending, max(last_asked + patience, time.monotonic()) + 1)
        assert sorted(index for index, _ in arrived) == [25, 26, 27, 28, 29]
        for _, when in arrived:
            assert when - first_asked >= patience
        assert primary.backends() == pooler.servers() == 30
        for index in range(30, 40):
            everybody[index - 30].ask("commit")
            wait_until(lambda: not everybody[index].silent_for(0.01), f"{index} is served")
            served = _wait_for_answers(everybody, pending, time.monotonic() + 0.1)
            assert [who for who, _ in served] == [index]
        for client in everybody[10:]:
            client.ask("rollback")


def test_reserve_is_not_used_when_nobody_waits_long(start_pooler, primary):
    pooler = start_pooler(default_pool_size=2, reserve_pool_size=5, reserve_pool_timeout=3)
    with clients(pooler, 10) as everybody:
        for _ in range(10):
            for client in everybody:
                client.send(query("select pg_sleep(0.01)"))
            for client in everybody:
                client.read_result()
        assert primary.backends() <= 2


def test_query_wait_timeout_ends_the_wait(start_pooler):
    pooler = start_pooler(default_pool_size=1, query_wait_timeout=1)
    with pooler.client() as holder, pooler.client() as waiter:
        holder.ask("begin")
        watch = Stopwatch()
        waiter.send(query("select 1"))
        closed_with(waiter, "53300", "query_wait_timeout")
        assert 0.9 <= watch.elapsed <= seconds(15)
        assert holder.ask("select 1") == "1"


def test_query_wait_timeout_of_one_user_alone(start_pooler):
    """Nothing else limits any client: PgBouncer then forgets this limit."""
    nothing = {"query_wait_timeout": 0, "client_login_timeout": 0}
    pooler = start_pooler(users={"app": "query_wait_timeout=1"}, default_pool_size=1, **nothing)
    with pooler.client() as holder, pooler.client() as waiter:
        holder.ask("begin")
        waiter.send(query("select 1"))
        closed_with(waiter, "53300", "query_wait_timeout")
        assert holder.ask("select 1") == "1"


def test_max_client_conn_refuses_one_more_but_not_the_console(start_pooler):
    pooler = start_pooler(max_client_conn=3)
    with clients(pooler, 3) as everybody:
        with refused("53300", "no more connections allowed (max_client_conn)"):
            pooler.client()
        for client in everybody:
            assert client.ask("select 1") == "1"
        everybody[0].close()
        wait_until(lambda: _can_connect(pooler), "a place is free")
    wait_until(lambda: _can_connect(pooler), "all places are free")


def _can_connect(pooler):
    try:
        works(pooler)
        return True
    except Exception:
        return False


def test_max_db_connections_evicts_an_idle_server_of_another_pool(start_pooler, primary):
    pooler = start_pooler(max_db_connections=2, default_pool_size=2)
    with clients(pooler, 2, user="app") as first:
        for client in first:
            client.ask("begin")
        for client in first:
            client.ask("commit")
        assert primary.backends("datname = 'app'") == 2
        with pooler.client(user="other") as second:
            assert second.ask("select current_user") == "other"
        # The evicted server is closed before the other is opened, but ends by itself.
        wait_until(lambda: primary.backends("datname = 'app'") <= 2, "two servers")


def test_max_db_connections_makes_wait_when_all_are_busy(start_pooler):
    pooler = start_pooler(max_db_connections=1)
    with pooler.client(user="app") as first, pooler.client(user="app") as second:
        first.ask("begin")
        second.send(query("select 1"))
        assert second.silent_for(0.4)
        first.ask("commit")
        assert second.read_result().value == "1"


def test_max_db_connections_leaves_other_databases_alone(start_pooler):
    pooler = start_pooler(max_db_connections=1)
    with pooler.client() as first, pooler.client(database="second") as second:
        first.ask("begin")
        assert second.ask("select 1") == "1"


def test_max_user_connections_evicts_an_idle_server_of_another_pool(start_pooler, primary):
    pooler = start_pooler(max_user_connections=1)
    with pooler.client(database="app") as first:
        assert first.ask("select 1") == "1"
    with pooler.client(database="second") as second:
        assert second.ask("select current_database()") == "second"
    wait_until(lambda: primary.backends("usename = 'app'") == 1, "one server")


def test_max_user_connections_of_one_user(start_pooler):
    pooler = start_pooler(users={"app": "max_user_connections=1"})
    with pooler.client() as first, pooler.client() as second, pooler.client(user="other") as third:
        with pooler.client(user="other") as fourth:
            first.ask("begin")
            third.ask("begin")
            assert fourth.ask("select 1") == "1"
            second.send(query("select 1"))
            assert second.silent_for(0.4)
            first.ask("commit")
            assert second.read_result().value == "1"


def test_min_pool_size_is_kept_ready(start_pooler, primary):
    pooler = start_pooler(min_pool_size=3)
    with pooler.client() as client:
        client.ask("select 1")
        wait_until(lambda: primary.backends() == 3, "three servers")
        primary.terminate_backends()
        wait_until(lambda: primary.backends() == 3, "three servers again")


# Life of server connections


def test_idle_servers_are_closed_after_server_idle_timeout(start_pooler, primary):
    pooler = start_pooler(server_idle_timeout=3)
    with pooler.client() as client:
        watch = Stopwatch()
        client.ask("select 1")
        assert primary.backends() == 1
        wait_until(lambda: primary.backends() == 0, "no server left")
        assert watch.elapsed >= 2.9
        assert client.ask("select 1") == "1"


def test_servers_are_replaced_after_server_lifetime(start_pooler, primary):
    pooler = start_pooler(server_lifetime=1, default_pool_size=1)
    with pooler.client() as client:
        pid = client.ask(PID)
        wait_until(lambda: client.ask(PID) != pid, "another server", every=0.2)
        wait_until(lambda: primary.backends() <= 1, "one server")


def test_lifetime_does_not_end_a_transaction(start_pooler):
    pooler = start_pooler(server_lifetime=1, default_pool_size=1)
    with pooler.client() as client:
        client.ask("begin")
        pid = client.ask(PID)
        time.sleep(2.2)
        assert client.ask(PID) == pid
        client.ask("commit")


def test_check_query_runs_before_a_server_is_reused(start_pooler, primary):
    primary.ask("create sequence checks; grant all on checks to app")
    pooler = start_pooler(server_check_delay=0, server_check_query="select nextval('checks')")
    with pooler.client() as client:
        for _ in range(3):
            client.ask("select 1")
            time.sleep(0.1)
    assert primary.ask("select last_value from checks") >= 2
    primary.ask("drop sequence checks")


def test_server_that_dies_of_its_check_is_replaced_unnoticed(start_pooler, primary):
    primary.ask("create table deadly (); grant select on deadly to app")
    pooler = start_pooler(
        default_pool_size=1,
        server_check_delay=0,
        server_check_query="select pg_terminate_backend(pg_backend_pid()) from deadly",
    )
    with pooler.client() as client:
        pid = client.ask(PID)
        time.sleep(0.5)
        primary.ask("insert into deadly default values")
        assert client.ask(PID) != pid
    primary.ask("drop table deadly")


def test_server_killed_while_idle_disturbs_nobody(start_pooler, primary):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as client:
        pid = client.ask(PID)
        primary.terminate_backends()
        wait_until(lambda: primary.backends() == pooler.servers() == 0, "the server is gone")
        assert client.ask(PID) != pid


def test_server_killed_in_a_transaction_is_an_error_and_the_next_works(start_pooler, primary):
    pooler = start_pooler(default_pool_size=1)
    client = pooler.client()
    client.ask("begin")
    primary.terminate_backends()
    result = client.read_to_end()
    assert result.errors
    works(pooler)


# Overrides


def test_database_overrides(start_pooler, primary):
    where = f"host=127.0.0.1 port={primary.port} dbname=app"
    pooler = start_pooler(
        databases={
            "small": f"{where} pool_size=1",
            "sticky": f"{where} pool_mode=session",
            "capped": f"{where} max_db_connections=1",
        }
    )
    with pooler.client("small") as first, pooler.client("small") as second:
        first.ask("begin")
        second.send(query("select 1"))
        assert second.silent_for(0.3)
        first.ask("commit")
        assert second.read_result().value == "1"
    with pooler.client("sticky") as first, pooler.client("sticky") as second:
        assert first.ask(PID) != second.ask(PID)
    with pooler.client("capped") as first, pooler.client("capped", user="app") as second:
        first.ask("begin")
        second.send(query("select 1"))
        assert second.silent_for(0.3)


def test_database_entry_renames_the_database(start_pooler, primary):
    where = f"host=127.0.0.1 port={primary.port}"
    pooler = start_pooler(databases={"alias": f"{where} dbname=second"})
    with pooler.client("alias") as client:
        assert client.ask("select current_database()") == "second"


def test_star_entry_takes_any_database(start_pooler, primary):
    pooler = start_pooler(databases={"*": f"host=127.0.0.1 port={primary.port}"})
    with pooler.client("postgres") as client:
        assert client.ask("select current_database()") == "postgres"
    with pytest.raises(Exception, match="not_there"):
        with pooler.client("not_there") as client:
            client.ask("select 1")
    works(pooler)


def test_database_entry_over_a_unix_socket(start_pooler, cluster, primary):
    where = f"host={cluster.folder} port={primary.port} dbname=app"
    pooler = start_pooler(databases={"local": where})
    with pooler.client("local") as client:
        assert client.ask("select inet_server_addr()") is None


def test_user_overrides_beat_the_database(start_pooler, primary):
    where = f"host=127.0.0.1 port={primary.port} dbname=app pool_mode=transaction"
    pooler = start_pooler(databases={"both": where}, users={"other": "pool_mode=session"})
    with pooler.client("both", "other") as first, pooler.client("both", "other") as second:
        assert first.ask(PID) != second.ask(PID)
    with pooler.client("both", "app") as first, pooler.client("both", "app") as second:
        assert first.ask(PID) == second.ask(PID)


@pgweir_only
def test_user_overrides_the_pool_size(start_pooler):
    pooler = start_pooler(users={"app": "pool_size=1"})
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        second.send(query("select 1"))
        assert second.silent_for(0.3)
        first.ask("commit")
        assert second.read_result().value == "1"


def test_forced_user_logs_in_at_the_server_and_shares_one_pool(start_pooler, primary):
    where = f"host=127.0.0.1 port={primary.port} dbname=app user=scram_user password='scram secret'"
    pooler = start_pooler(databases={"forced": f"{where} pool_size=1"})
    pids = set()
    for user in ("app", "other"):
        with pooler.client("forced", user) as client:
            assert client.ask("select current_user") == "scram_user"
            pids.add(client.ask(PID))
    assert len(pids) == 1


def test_connect_query_runs_once_on_a_new_server(start_pooler, primary):
    where = f"host=127.0.0.1 port={primary.port} dbname=app"
    setup = "connect_query='set statement_timeout = ''33s'''"
    pooler = start_pooler(databases={"prepared": f"{where} {setup}"})
    with pooler.client("prepared") as client:
        assert client.ask("show statement_timeout") == "33s"


def test_standby_is_served_like_any_database(start_pooler, cluster):
    where = f"host=127.0.0.1 port={cluster.standby.port} dbname=app"
    pooler = start_pooler(databases={"app_standby": where})
    with pooler.client("app_standby") as client, pooler.client() as writer:
        assert client.ask("select pg_is_in_recovery()") == "t"
        assert client.query("create table t (a int)").error.code == "25006"
        assert writer.ask("select pg_is_in_recovery()") == "f"


# A server that is away


def _gets_an_error(pooler, database):
    """A client of a database that cannot be reached is told so; it does not hang."""
    with pytest.raises((ServerError, ConnectionClosed)):
        with pooler.client(database, timeout=60) as client:
            client.ask("select 1")


def test_server_that_refuses_is_tried_again(start_pooler, cluster):
    pooler = start_pooler(server_login_retry=1, query_wait_timeout=5, client_login_timeout=5)
    works(pooler)
    cluster.primary.stop()
    try:
        _gets_an_error(pooler, "app")
    finally:
        cluster.primary.start()
    wait_until(lambda: _can_connect(pooler), "works again", every=0.2)


def test_client_that_waits_is_served_when_the_server_comes_back(start_pooler, cluster):
    pooler = start_pooler(server_login_retry=1, query_wait_timeout=60)
    with pooler.client() as client:
        client.ask("select 1")
        cluster.primary.stop()
        try:
            client.send(query("select 6 * 7"))
            time.sleep(0.3)
        finally:
            cluster.primary.start()
        assert client.read_result(seconds(30)).value == "42"


def test_server_that_never_answers_costs_server_connect_timeout(start_pooler):
    with FakePostgres(never_answers) as silent:
        pooler = start_pooler(
            databases={"silent": f"host=127.0.0.1 port={silent.port}"},
            server_connect_timeout=1,
            query_wait_timeout=10,
            client_login_timeout=10,
        )
        watch = Stopwatch()
        client = pooler.raw().startup("app", "silent", read=False)
        wait_until(lambda: silent.accepted >= 2, "a second attempt")
        assert watch.elapsed >= 0.9
        client.reset()
        _gets_an_error(pooler, "silent")
        works(pooler)


def test_address_where_nobody_listens_is_an_error(start_pooler):
    pooler = start_pooler(
        databases={"nobody": f"host=127.0.0.1 port={free_port()}"},
        query_wait_timeout=3,
        client_login_timeout=3,
    )
    _gets_an_error(pooler, "nobody")
    works(pooler)


# Timeouts


def test_client_idle_timeout(start_pooler):
    pooler = start_pooler(client_idle_timeout=1)
    watch = Stopwatch()
    closed_with(pooler.client(), "57P05", "client_idle_timeout")
    assert 0.9 <= watch.elapsed <= seconds(15)
    works(pooler)


@pgweir_only
def test_client_idle_timeout_of_one_user_is_no_one_elses(start_pooler):
    pooler = start_pooler(users={"other": "client_idle_timeout=1"})
    with pooler.client() as patient:
        closed_with(pooler.client(user="other"), "57P05", "client_idle_timeout")
        assert patient.ask("select 1") == "1"


def test_idle_transaction_timeout(start_pooler, primary):
    pooler = start_pooler(idle_transaction_timeout=1, default_pool_size=1)
    client = pooler.client()
    watch = Stopwatch()
    client.ask("begin")
    closed_with(client, "25P03", "idle transaction timeout")
    assert 0.8 <= watch.elapsed <= seconds(15)
    works(pooler)
    nothing_is_open(primary)


def test_idle_transaction_timeout_spares_busy_transactions(start_pooler):
    pooler = start_pooler(idle_transaction_timeout=3)
    with pooler.client() as client:
        client.ask("begin")
        assert client.ask("select 1 from pg_sleep(3.6)") == "1"
        client.ask("commit")
        time.sleep(3.5)
        assert client.ask("select 1") == "1"


@pgweir_only
def test_transaction_timeout(start_pooler, primary):
    pooler = start_pooler(transaction_timeout=3, default_pool_size=1)
    client = pooler.client()
    watch = Stopwatch()
    client.ask("begin")
    while watch.elapsed < 1:
        client.ask("select 1")
    closed_with(client, "25P04", "transaction timeout")
    assert 2.8 <= watch.elapsed <= seconds(15)
    works(pooler)
    nothing_is_open(primary)


def test_query_timeout(start_pooler):
    pooler = start_pooler(query_timeout=1)
    client = pooler.client()
    watch = Stopwatch()
    client.send(query("select pg_sleep(60)"))
    closed_with(client, "57014", "query timeout")
    assert 0.8 <= watch.elapsed <= seconds(15)
    works(pooler)


def test_client_login_timeout(start_pooler):
    # With tcp_defer_accept, who says nothing is nobody for 45 seconds.
    pooler = start_pooler(client_login_timeout=1, tcp_defer_accept=0)
    watch = Stopwatch()
    client = pooler.raw()
    client.read_to_end()
    assert 0.8 <= watch.elapsed <= seconds(15)
    works(pooler)


def test_client_login_timeout_while_a_password_is_owed(start_pooler):
    pooler = start_pooler(client_login_timeout=1, auth_type="scram-sha-256")
    client = pooler.raw().startup("app", "app", read=False)
    result = client.read_to_end()
    assert result.types[0] == "R"
    check_error(result.error, "57014", "client_login_timeout")
    works(pooler)
