"""The console and the signals: what monitoring reads, what operators type."""

import re
import signal
import time

import pytest

from harness import IS_PGBOUNCER, Stopwatch, check_error, closed_with, is_closed, pgweir_only, refused, works
from pooler import ADMIN, ENGINE, STATS, WORKERS, seconds
from wire import ServerError, Wire, query, request, wait_until

INT4, INT8, TEXT, NUMERIC = 23, 20, 25, 1700


def columns(names, kind=TEXT, **others):
    return [(name, others.get(name, kind)) for name in names.split()]


STATS_NAMES = (
    "server_assignment_count xact_count query_count received sent xact_time query_time wait_time"
    " client_parse_count server_parse_count bind_count client_login_count"
)
AVERAGES = STATS_NAMES.replace("received", "recv")

SOCKET_COLUMNS = columns(
    "type user database replication state addr port local_addr local_port connect_time request_time"
    " wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id",
    port=INT4,
    local_port=INT4,
    wait=INT4,
    wait_us=INT4,
    close_needed=INT4,
    remote_pid=INT4,
    prepared_statements=INT4,
    id=INT4,
)

COLUMNS = {
    "POOLS": columns(
        "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active"
        " sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us"
        " pool_mode load_balance_hosts",
        INT4,
        database=TEXT,
        user=TEXT,
        pool_mode=TEXT,
        load_balance_hosts=TEXT,
    ),
    "CLIENTS": SOCKET_COLUMNS,
    "SERVERS": SOCKET_COLUMNS,
    "DATABASES": columns(
        "name host port database force_user pool_size min_pool_size reserve_pool_size"
        " server_lifetime pool_mode load_balance_hosts max_connections current_connections"
        " max_client_connections current_client_connections paused disabled",
        INT4,
        name=TEXT,
        host=TEXT,
        database=TEXT,
        force_user=TEXT,
        pool_mode=TEXT,
        load_balance_hosts=TEXT,
    ),
    "USERS": columns(
        "name pool_size reserve_pool_size pool_mode max_user_connections current_connections"
        " max_user_client_connections current_client_connections",
        INT4,
        name=TEXT,
        pool_size=TEXT,
        reserve_pool_size=TEXT,
        pool_mode=TEXT,
    ),
    "STATS": [("database", TEXT)]
    + [(f"total_{name}", NUMERIC) for name in STATS_NAMES.split()]
    + [(f"avg_{name}", NUMERIC) for name in AVERAGES.split()],
    "STATS_TOTALS": columns(
        "database server_assignment_count xact_count query_count bytes_received bytes_sent"
        " xact_time query_time wait_time client_parse_count server_parse_count bind_count"
        " client_login_count",
        NUMERIC,
        database=TEXT,
    ),
    "STATS_AVERAGES": columns(
        "database server_assignment_count xact_count query_count bytes_received bytes_sent"
        " xact_time query_time wait_time avg_client_parse_count avg_server_parse_count"
        " avg_bind_count avg_client_login_count",
        NUMERIC,
        database=TEXT,
    ),
    "TOTALS": [("name", TEXT), ("value", NUMERIC)],
    "LISTS": [("list", TEXT), ("items", INT4)],
    "CONFIG": columns("key value default changeable"),
    "MEM": columns("name size used free memtotal", INT4, name=TEXT),
    "STATE": columns("key value"),
    "VERSION": columns("version"),
}


@pgweir_only
@pytest.mark.parametrize("what", COLUMNS)
def test_columns_are_those_of_pgbouncer(pooler, what):
    works(pooler)
    result = pooler.command(f"SHOW {what}")
    assert result.columns == COLUMNS[what]
    assert result.tags == ["SHOW"]
    assert all(len(row) == len(COLUMNS[what]) for row in result.rows)


WORKER_COLUMNS = columns(
    "worker engine clients servers turns events events_per_turn migrations_in migrations_out accepted",
    NUMERIC,
    worker=INT4,
    engine=TEXT,
    clients=INT4,
    servers=INT4,
)


COUNTS = "clients servers turns events migrations_in migrations_out accepted".split()


@pgweir_only
@pytest.mark.parametrize("ask", [query, request])
def test_workers_have_a_row_each(pooler, ask):
    with pooler.console() as console:
        console.send(ask("show workers"))
        result = console.read_result()
    assert result.columns == WORKER_COLUMNS
    assert [row[0] for row in result.rows] == [str(at) for at in range(WORKERS)]
    engines = {row[1] for row in result.rows}
    assert engines == {ENGINE} or (ENGINE == "auto" and len(engines) == 1)


@pgweir_only
def test_workers_count_what_they_do(start_pooler):
    """Two clients take turns on the only server, so it goes from worker to worker."""
    pooler = start_pooler(default_pool_size=1)
    names = [name for name, _ in WORKER_COLUMNS]

    def sums():
        rows = [dict(zip(names, row)) for row in console.query("show workers").rows]
        for row in rows:
            average = int(row["events"]) / max(1, int(row["turns"]))
            assert abs(float(row["events_per_turn"]) - average) <= 0.01
        return {name: sum(int(row[name]) for row in rows) for name in COUNTS}

    with pooler.console() as console:
        before = sums()
        with pooler.client() as first, pooler.client() as second:
            for _ in range(5):
                assert first.ask("select 1") == second.ask("select 1") == "1"
            after = sums()
            assert (after["clients"], after["servers"]) == (3, 1)  # with the console
            assert after["accepted"] - before["accepted"] == 2
            assert after["turns"] > before["turns"]
            assert after["events"] - before["events"] >= 20
            assert after["migrations_in"] == after["migrations_out"]
            assert after["migrations_in"] >= 9 if WORKERS > 1 else after["migrations_in"] == 0
        wait_until(lambda: sums()["clients"] == 1, "only the console is left")


def test_help_is_a_notice(pooler):
    result = pooler.command("SHOW HELP")
    assert "SHOW" in result.notices[0]["D"]
    assert not result.rows


def test_version(pooler):
    (row,) = pooler.show("VERSION")
    assert re.search(r"\d+\.\d+", row["version"])


def test_pools_follow_what_happens(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        watch = Stopwatch()
        second.send(query("select 1"))
        wait_until(lambda: pooler.pool()["cl_waiting"] == 1, "one waits")
        row = pooler.pool()
        assert (row["cl_active"], row["sv_active"], row["sv_idle"]) == (1, 1, 0)
        assert row["pool_mode"] == "transaction"
        time.sleep(1.1)
        assert 1 <= pooler.pool()["maxwait"] <= watch.elapsed + 1
        first.ask("commit")
        second.read_result()
        # The client has its answer a moment before its server is free.
        wait_until(lambda: pooler.pool()["sv_active"] == 0, "the server is free")
        row = pooler.pool()
        assert row["cl_waiting"] == 0
        assert row["sv_idle"] + row["sv_used"] == 1


def test_clients_and_servers_are_listed(pooler, primary):
    with pooler.client(parameters={"application_name": "seen"}) as client:
        client.ask("begin")
        pid = client.ask("select pg_backend_pid()")
        (row,) = [row for row in pooler.show("CLIENTS") if row["database"] == "app"]
        assert row["type"] == "C" and row["user"] == "app" and row["state"] == "active"
        assert row["addr"] == "127.0.0.1"
        assert int(row["port"]) == client.socket.getsockname()[1]
        assert IS_PGBOUNCER or row["application_name"] == "seen"
        (server,) = [row for row in pooler.show("SERVERS") if row["database"] == "app"]
        assert server["type"] == "S" and server["state"] == "active"
        assert server["remote_pid"] == pid
        assert int(server["port"]) == primary.port
        assert server["link"] == row["ptr"] and row["link"] == server["ptr"]
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["connect_time"])
        client.ask("commit")


def test_databases_are_listed(start_pooler, primary):
    where = f"host=127.0.0.1 port={primary.port} dbname=app"
    pooler = start_pooler(
        databases={"mine": f"{where} user=other pool_size=7 reserve_pool=2 pool_mode=session"}
    )
    works(pooler)
    rows = {row["name"]: row for row in pooler.show("DATABASES")}
    mine = rows["mine"]
    assert (mine["host"], mine["port"], mine["database"]) == ("127.0.0.1", str(primary.port), "app")
    assert (mine["force_user"], mine["pool_size"], mine["pool_mode"]) == ("other", "7", "session")
    assert mine["paused"] == mine["disabled"] == "0"
    assert rows["app"]["current_connections"] == "1"
    assert "pgbouncer" in rows


def test_users_are_listed(start_pooler):
    pooler = start_pooler(users={"other": "pool_mode=session max_user_connections=9"})
    rows = {row["name"]: row for row in pooler.show("USERS")}
    assert rows["other"]["pool_mode"] == "session"
    assert IS_PGBOUNCER or rows["other"]["max_user_connections"] == "9"
    assert "app" in rows


def test_statistics_count(pooler):
    works(pooler)
    with pooler.client() as client:
        for _ in range(5):
            client.ask("select 1")
        client.ask("begin")
        client.ask("select 1")
        client.ask("commit")

    def totals():
        (row,) = [row for row in pooler.show("STATS_TOTALS") if row["database"] == "app"]
        return {name: int(value) for name, value in row.items() if name != "database"}

    # The client has its answer a moment before it is counted.
    wait_until(lambda: (row := totals())["query_count"] >= 9 and row["xact_count"] >= 7, "all are counted")
    row = totals()
    assert (row["query_count"], row["xact_count"]) == (9, 7)
    assert row["bytes_received"] > 100 and row["bytes_sent"] > 300


def test_config_knows_every_setting(start_pooler):
    pooler = start_pooler(default_pool_size=13)
    rows = {row["key"]: row for row in pooler.show("CONFIG")}
    assert rows["default_pool_size"]["value"] == "13"
    assert rows["default_pool_size"]["default"] == "20"
    assert rows["listen_port"]["changeable"] == "no"
    assert rows["pool_mode"]["value"] == "transaction"
    assert IS_PGBOUNCER or rows["io_engine"]["value"] == ENGINE
    for name in ("max_client_conn", "query_wait_timeout", "server_reset_query", "auth_type"):
        assert name in rows


def test_lists_have_their_rows(pooler):
    works(pooler)
    rows = {row["list"]: int(row["items"]) for row in pooler.show("LISTS")}
    for name in ("databases", "users", "pools", "used_clients", "free_servers", "dns_names"):
        assert name in rows
    assert rows["databases"] >= 2 and rows["used_clients"] >= 1


def test_totals_have_their_rows(pooler):
    works(pooler)
    names = [row["name"] for row in pooler.show("TOTALS")]
    assert "total_query_count" in names and "avg_query_count" in names


@pytest.mark.parametrize("text", ["show pools", "SHOW POOLS;", "  Show   Pools ; ", "show pools\n"])
def test_commands_are_written_as_one_likes(pooler, text):
    assert pooler.command(text).columns[0][0] == "database"


@pytest.mark.parametrize("text", ["select 1", "show nothing", "drop table x", "show pools; show pools"])
def test_unknown_command_is_an_error_and_the_console_goes_on(pooler, text):
    with pooler.console() as console:
        check_error(console.query(text).error, "08P01", severity="ERROR")
        assert console.query("show version").rows


@pgweir_only
def test_long_command_is_an_error_and_the_console_goes_on(pooler):
    with pooler.console() as console:
        check_error(console.query("show " + "x" * 1000).error, "08P01", severity="ERROR")
        assert console.query("show version").rows


def test_extended_protocol_is_understood(pooler):
    """PgBouncer refuses it, which keeps Npgsql and others out."""
    console = pooler.console()
    console.send(request("show version"))
    result = console.read_result()
    assert result.error is None
    assert "pgweir" in result.rows[0][0]
    works(pooler)


@pgweir_only
def test_console_answers_by_both_names(pooler):
    for name in ("pgbouncer", "pgweir"):
        with pooler.console(database=name) as console:
            assert console.query("show version").rows
            assert re.match(r"\d+\.\d+\.\d+/", console.parameters["server_version"])


def test_console_needs_a_listed_user(pooler):
    with refused("42501", "not allowed"):
        pooler.console(user="app")


ADMIN_COMMANDS = ["RELOAD", "PAUSE", "RESUME", "SHUTDOWN", "KILL app", "RECONNECT", "DISABLE app"]


@pytest.mark.parametrize("text", ADMIN_COMMANDS)
def test_stats_user_may_look_but_not_touch(pooler, text):
    with pooler.console(user=STATS) as console:
        assert console.query("show pools").rows
        check_error(console.query(text).error, "08P01", "admin access needed", "ERROR")
    works(pooler)


@pgweir_only
def test_console_is_open_when_clients_are_at_their_limit(start_pooler):
    pooler = start_pooler(max_client_conn=1)
    with pooler.client():
        assert pooler.show("POOLS")


# PAUSE and RESUME


@pytest.mark.parametrize("which", ["", " app"])
def test_pause_waits_for_transactions_and_holds_new_ones(pooler, primary, which):
    with pooler.client() as busy, pooler.client() as late, pooler.console() as console:
        busy.ask("begin")
        console.send(query(f"PAUSE{which}"))
        assert console.silent_for(0.5)
        late.send(query("select 2"))
        assert late.silent_for(0.3)
        busy.ask("commit")
        assert console.read_result().tags == ["PAUSE"]
        wait_until(lambda: primary.backends("datname = 'app'") == 0, "servers closed")
        assert late.silent_for(0.3)
        assert console.query(f"RESUME{which}").tags == ["RESUME"]
        assert late.read_result().value == "2"
        assert busy.ask("select 1") == "1"


def test_pause_of_one_database_spares_the_others(pooler):
    pooler.command("PAUSE app")
    with pooler.client(database="second") as other:
        assert other.ask("select 1") == "1"
    rows = {row["name"]: row["paused"] for row in pooler.show("DATABASES")}
    assert rows["app"] == "1" and rows["second"] == "0"
    pooler.command("RESUME app")
    works(pooler)


@pgweir_only
def test_state_says_whether_it_is_paused(pooler):
    def state():
        return {row["key"]: row["value"] for row in pooler.show("STATE")}

    (engine,) = {row["engine"] for row in pooler.show("WORKERS")}
    assert state() == {"active": "yes", "paused": "no", "suspended": "no", "io_engine": engine}
    pooler.command("PAUSE")
    assert state()["paused"] == "yes"
    pooler.command("RESUME")
    assert state()["active"] == "yes"


def test_pause_twice_and_resume_of_nothing_are_errors(pooler):
    with pooler.console() as console:
        assert console.query("RESUME").error
        console.query("PAUSE")
        for command in ("PAUSE", "PAUSE app", "KILL app"):
            check_error(console.query(command).error, "08P01", "already suspended/paused", "ERROR")
        console.query("RESUME")
        assert console.query("PAUSE nowhere").error
        assert console.query("PAUSE pgbouncer").error
        for _ in range(2):
            assert console.query("PAUSE app").tags == ["PAUSE"], "a script may try again"
        assert console.query("RESUME app").tags == ["RESUME"]
        assert console.query("RESUME app").error
    works(pooler)


@pgweir_only
@pytest.mark.parametrize("which", ["", " app"])
def test_pause_that_is_cancelled_holds_nobody(pooler, which):
    with pooler.client() as busy, pooler.client() as late, pooler.console() as console:
        busy.ask("begin")
        console.send(query(f"PAUSE{which}"))
        late.send(query("select 2"))
        assert console.silent_for(0.3) and late.silent_for(0.1)
        console.cancel()
        check_error(console.read_result().error, "57014", "canceling statement")
        assert late.read_result().value == "2"
        assert console.query("show version").rows


@pgweir_only
@pytest.mark.parametrize("which", ["", " app"])
def test_pause_that_is_resumed_meanwhile_has_not_paused(pooler, which):
    """Whoever waits for it must not believe that nobody is at work."""
    with pooler.client() as busy, pooler.console() as console:
        busy.ask("begin")
        console.send(query(f"PAUSE{which}"))
        assert console.silent_for(0.3)
        pooler.command(f"RESUME{which}")
        check_error(console.read_result().error, "57014", "resumed")
        busy.ask("commit")


def test_kill_pauses_each_database(start_pooler):
    pooler = start_pooler()
    with pooler.client() as client, pooler.client(database="second") as second:
        client.ask("select 1")
        pooler.command("KILL")
        for one in (client, second):
            closed_with(one, "57P01")
    assert {row["name"]: row["paused"] for row in pooler.show("DATABASES")}["app"] == "1"
    pooler.command("RESUME app")
    works(pooler)


def test_killed_client_is_there(pooler):
    with pooler.console() as console:
        check_error(console.query("KILL_CLIENT 999999").error, "08P01", "client not found", "ERROR")
        with pooler.client() as client:
            client.ask("select 1")
            (number,) = [row["id"] for row in pooler.show("CLIENTS") if row["database"] == "app"]
            assert console.query(f"KILL_CLIENT {number}").tags == ["KILL_CLIENT"]
            closed_with(client, "57P01")


@pgweir_only
def test_idle_clients_are_active_ones(pooler):
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        second.ask("select 1")
        assert pooler.pool()["cl_active"] == 2
    assert [row["cl_active"] for row in pooler.show("POOLS") if row["database"] == "pgbouncer"] == ["1"]


@pgweir_only
def test_console_is_there_while_clients_finish(start_pooler):
    """On the Unix socket, to see who is left; and what is paused can be resumed."""
    pooler = start_pooler()
    with pooler.client() as client:
        client.ask("select 1")
        pooler.command("PAUSE app")
        client.send(query("select 1"))
        wait_until(lambda: pooler.pool()["cl_waiting"] == 1, "it waits")
        pooler.command("SHUTDOWN WAIT_FOR_CLIENTS")
        pooler.expect_exit = True
        with Wire(pooler.unix_address, timeout=20) as console:
            console.startup(ADMIN, "pgbouncer", password="")
            assert [row for row in console.query("SHOW CLIENTS").rows if "app" in row]
            check_error(console.query("RESUME").error, "08P01", "shutting down", "ERROR")
            assert console.query("RESUME app").tags == ["RESUME"]
        assert client.read_result().value == "1"
        with pytest.raises(OSError):
            Wire(pooler.address, timeout=5)
    assert pooler.wait_for_exit() == 0


@pgweir_only
def test_set_reads_no_files(start_pooler):
    """What somebody is writing there is for RELOAD."""
    pooler = start_pooler(auth_type="scram-sha-256")
    with open(f"{pooler.folder}/userlist.txt", "w", encoding="utf-8") as file:
        file.write('"half a li')
    pooler.command("SET default_pool_size = 3")
    assert {row["key"]: row["value"] for row in pooler.show("CONFIG")}["default_pool_size"] == "3"
    with pooler.console() as console:
        assert console.query("RELOAD").error
        assert console.query("SET auth_type = 'md5'").error, "which is about that file"
    works(pooler, password="app secret")


# RELOAD


def test_reload_takes_changed_settings(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    pooler.reload(default_pool_size=2)
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        assert second.ask("select 1") == "1"


def test_reload_adds_a_database(pooler, primary):
    with refused("3D000"):
        pooler.client(database="later")
    pooler.databases["later"] = f"host=127.0.0.1 port={primary.port} dbname=second"
    pooler.reload()
    with pooler.client(database="later") as client:
        assert client.ask("select current_database()") == "second"


def test_reload_removes_a_database_with_its_clients(pooler):
    with pooler.client() as staying:
        staying.ask("select 1")
        leaving = pooler.client(database="second")
        leaving.ask("select 1")
        del pooler.databases["second"]
        pooler.reload()
        closed_with(leaving, "57P01", "database removed")
        with refused("3D000"):
            pooler.client(database="second")
        assert staying.ask("select 1") == "1"


def test_reload_with_a_moved_database_replaces_its_servers(pooler, primary):
    with pooler.client() as client:
        client.ask("begin")
        pooler.databases["app"] = f"host=127.0.0.1 port={primary.port} dbname=second"
        pooler.reload()
        assert client.ask("select current_database()") == "app"
        client.ask("commit")
        wait_until(lambda: client.ask("select current_database()") == "second", "moved")


def test_reload_reads_the_user_list(start_pooler):
    pooler = start_pooler(auth_type="scram-sha-256")
    with refused("28P01"):
        pooler.client(user="newcomer", password="fresh")
    pooler.passwords["app"] = "changed"
    time.sleep(1.1)  # the list is read again when its time of change is another second
    pooler.reload()
    with refused("28P01"):
        pooler.client(user="app", password="app secret")
    with pooler.client(user="app", password="changed") as client:
        assert client.auth_methods[0] == 10


BROKEN = {
    "unknown_key": "no_such_key = 1",
    "bad_value": "default_pool_size = many",
    "bad_mode": "pool_mode = sometimes",
    "unknown_section": "[elsewhere]\na = 1",
    "no_equals": "just words",
}


@pgweir_only
@pytest.mark.parametrize("how", BROKEN)
def test_reload_of_a_broken_file_changes_nothing(start_pooler, how):
    pooler = start_pooler(default_pool_size=1, query_wait_timeout=2)
    pooler.settings["default_pool_size"] = 3
    pooler.databases["later"] = "host=127.0.0.1"
    pooler.write()
    with open(pooler.file, "a", encoding="utf-8") as file:
        file.write(BROKEN[how] + "\n")
    line = sum(1 for _ in open(pooler.file, encoding="utf-8"))
    with pytest.raises(ServerError) as caught:
        pooler.command("RELOAD")
    check_error(caught.value, "F0000", "RELOAD failed", "ERROR")
    assert re.search(rf"pgweir\.ini:{line - BROKEN[how].count(chr(10))}\b", pooler.log()), pooler.log()
    with refused("3D000"):
        pooler.client(database="later")
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        second.send(query("select 1"))
        closed_with(second, "53300", "query_wait_timeout")


@pgweir_only
@pytest.mark.parametrize("how", BROKEN)
def test_start_with_a_broken_file_fails_with_its_line(start_pooler, primary, how):
    from pooler import Pooler

    pooler = Pooler(primary)
    pooler.settings["zzz"] = "1\n" + BROKEN[how]
    if how != "unknown_key":
        del pooler.settings["zzz"]
        pooler.settings["max_client_conn"] = "100\n" + BROKEN[how]
    pooler.expect_exit = True
    try:
        pooler.spawn()
        assert pooler.exit_of(pooler.process, 30) == 1
        assert re.search(r"pgweir\.ini:\d+", pooler.log()), pooler.log()
    finally:
        pooler.remove()


# SHUTDOWN and signals


def test_shutdown_ends_the_program(start_pooler):
    pooler = start_pooler()
    client = pooler.client()
    client.ask("select 1")
    with pooler.console() as console:
        console.send(query("SHUTDOWN"))
        pooler.wait_for_exit()
    is_closed(client)


@pgweir_only
def test_sigterm_waits_for_clients(start_pooler):
    pooler = start_pooler()
    client = pooler.client()
    client.ask("select 1")
    pooler.signal(signal.SIGTERM)
    wait_until(lambda: _refuses(pooler), "no new clients")
    assert client.ask("select 2") == "2"
    client.close()
    assert pooler.wait_for_exit() == 0


@pgweir_only
def test_sigint_waits_for_servers(start_pooler):
    pooler = start_pooler()
    busy = pooler.client()
    busy.ask("begin")
    idle = pooler.client()
    pooler.signal(signal.SIGINT)
    wait_until(lambda: _refuses(pooler), "no new clients")
    assert busy.ask("select 1") == "1"
    assert busy.ask("commit") is None
    assert pooler.wait_for_exit() == 0
    is_closed(idle)


@pgweir_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(start_pooler, number):
    pooler = start_pooler()
    client = pooler.client()
    client.ask("begin")
    pooler.signal(number)
    wait_until(lambda: _refuses(pooler), "no new clients")
    assert pooler.alive()
    pooler.signal(number)
    assert pooler.wait_for_exit() == 0


@pgweir_only
def test_sigquit_ends_at_once(start_pooler):
    pooler = start_pooler()
    client = pooler.client()
    client.ask("begin")
    pooler.signal(signal.SIGQUIT)
    assert pooler.wait_for_exit() == 0


def _refuses(pooler):
    try:
        Wire(pooler.address, timeout=1).vanish()
        return False
    except OSError:
        return True


def test_sighup_reloads(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    pooler.settings["default_pool_size"] = 3
    pooler.write()
    pooler.signal(signal.SIGHUP)

    def changed():
        rows = {row["key"]: row["value"] for row in pooler.show("CONFIG")}
        return rows["default_pool_size"] == "3"

    wait_until(changed, "the new setting")


@pgweir_only
def test_sigusr1_pauses_and_sigusr2_resumes(pooler):
    def paused():
        return {row["key"]: row["value"] for row in pooler.show("STATE")}["paused"] == "yes"

    with pooler.client() as client:
        client.ask("select 1")
        pooler.signal(signal.SIGUSR1)
        wait_until(paused, "paused")
        client.send(query("select 2"))
        assert client.silent_for(0.3)
        pooler.signal(signal.SIGUSR2)
        assert client.read_result().value == "2"


# Command line


@pgweir_only
def test_refuses_to_run_as_root(start_pooler, primary):
    import os
    import subprocess

    from pooler import PROGRAM, Pooler

    if os.geteuid() != 0:
        pytest.skip("needs root")
    pooler = Pooler(primary)
    pooler.write()
    done = subprocess.run([PROGRAM, pooler.file], capture_output=True, timeout=10, check=False)
    pooler.remove()
    assert done.returncode == 1
    assert b"root" in done.stdout + done.stderr


@pgweir_only
def test_version_option():
    import subprocess

    from pooler import PROGRAM

    done = subprocess.run([PROGRAM, "--version"], capture_output=True, timeout=10, check=True)
    assert re.search(rb"\d+\.\d+", done.stdout)


@pgweir_only
def test_log_says_who_came_and_went(start_pooler):
    pooler = start_pooler(log_connections=1, log_disconnections=1)
    with pooler.client(parameters={"application_name": "noted"}) as client:
        client.ask("select 1")
    wait_until(lambda: re.search(r"app.*127\.0\.0\.1", pooler.log()), "a line")
    assert "app secret" not in pooler.log()


def test_passwords_are_never_logged(start_pooler):
    pooler = start_pooler(auth_type="plain", verbose=2)
    with pooler.client(user=ADMIN, database="pgbouncer") as console:
        console.query("show config")
        console.query("set auth_ldap_options = 'ldapserver=127.0.0.1 ldapbindpasswd=hush'")
    wait_until(lambda: "SET auth_ldap_options" in pooler.log(), "a line")
    assert "admin secret" not in pooler.log() and "hush" not in pooler.log()


def test_database_that_was_removed_comes_back_unpaused(start_pooler, primary):
    pooler = start_pooler()
    before = dict(pooler.databases)
    for command in ("PAUSE app", "DISABLE app"):
        pooler.command(command)
        del pooler.databases["app"]
        pooler.reload()
        pooler.databases.update(before)
        pooler.reload()
        with pooler.client() as client:
            assert client.ask("select 1") == "1"
