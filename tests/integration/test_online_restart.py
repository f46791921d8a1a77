"""pgweir -R: a new process takes the place of the running one, and no client notices."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from certificates import Authority, client_context
from harness import check_error, pgweir_only, works
from pooler import SLOW, Pooler, executable, seconds
from postgres import free_port, program, unprivileged
from routed import READ, Routed
from wire import Wire, bind, describe, execute, parse, query, sync, wait_until

pytestmark = pgweir_only


def over_unix(pooler, database="app", user="app"):
    return Wire(pooler.unix_address, timeout=seconds(20)).startup(user, database, password="")


def door(pooler):
    return f"{pooler.folder}/.s.pgweir-restart.{pooler.port}"


def try_restart(pooler, *arguments, program=None, below=None):
    """A new process that does not come to serve: its exit code and all that it says. `below`: a shell's commands that
    come first."""
    path, reachable = executable()
    if not reachable:
        path = shutil.copy(path, f"{pooler.folder}/pgweir-new")
    done = subprocess.run(
        [*(["sh", "-c", f'{below}; exec "$@"', "sh"] if below else []), program or path, "-R", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds(60),
        cwd=pooler.folder,
        **unprivileged(),
    )
    return done.returncode, done.stdout + done.stderr


def goes_on(pooler):
    """The process is there and serves old and new clients, on every socket."""
    assert pooler.alive()
    with pooler.client() as client, over_unix(pooler) as local:
        assert client.ask("select 1") == "1" and local.ask("select 2") == "2"
    assert os.path.exists(pooler.unix_address) and os.path.exists(door(pooler))


# The new process serves, the old one finishes.


def test_both_sockets_go_over(pooler):
    with pooler.console() as first:
        assert first.query("show version").rows
    old = pooler.restart()
    with pooler.client() as client, over_unix(pooler) as local:
        assert client.ask("select 1") == "1" and local.ask("select 2") == "2"
    assert pooler.exit_of(old) == 0
    goes_on(pooler)


def test_three_in_a_row(pooler):
    for _ in range(3):
        old = pooler.restart()
        assert pooler.exit_of(old) == 0
        goes_on(pooler)


def test_files_are_the_new_process_s():
    """Sockets and pidfile belong to the process that serves, and go with it alone."""
    pooler = Pooler(None)
    pidfile = f"{pooler.folder}/pid"
    pooler.settings["pidfile"] = pidfile
    pooler.start()
    try:

        def pid():
            with open(pidfile, encoding="utf-8") as file:
                return int(file.read() or 0)

        assert pid() == pooler.process.pid
        old = pooler.restart()
        wait_until(lambda: pid() == pooler.process.pid, "the pidfile is the new process's")
        assert pooler.exit_of(old) == 0
        assert pid() == pooler.process.pid and os.path.exists(pooler.unix_address)
        assert os.stat(door(pooler)).st_mode & 0o777 == 0o600
        pooler._end()
        assert not os.path.exists(pidfile) and not os.path.exists(pooler.unix_address)
        assert not os.path.exists(door(pooler))
    finally:
        pooler.stop()


def test_in_the_background(pooler):
    """The parent ends when the new process is in charge, and says how that went."""
    pooler.settings["pidfile"] = f"{pooler.folder}/pid"
    pooler.settings["logfile"] = f"{pooler.folder}/log-of-the-new"
    pooler.write()
    old = pooler.process
    code, said = try_restart(pooler, "-d", pooler.file)
    assert code == 0, said + pooler.log()
    with open(f"{pooler.folder}/pid", encoding="utf-8") as file:
        new = int(file.read())
    try:
        assert new != old.pid
        pooler.expect_exit = True
        assert pooler.exit_of(old) == 0
        with pooler.client() as client:
            assert client.ask("select 1") == "1"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            with open(pooler.file, "a", encoding="utf-8") as file:
                file.write(f"listen_port_primary = {taken.getsockname()[1]}\n")
            code, said = try_restart(pooler, "-d", pooler.file)
        assert code == 1 and "cannot listen on" in said and "see its log" in said, said
        with pooler.client() as client:
            assert client.ask("select 1") == "1"
    finally:
        os.kill(new, signal.SIGQUIT)
    wait_until(lambda: not os.path.exists(f"{pooler.folder}/pid"), "it ends")


def test_settings_that_need_a_restart_are_the_new_ones(pooler):
    """What is listened on no more is closed, and what is new is opened."""
    other = free_port()
    pooler.settings["listen_port_primary"] = other
    pooler.restart()
    with Wire(("127.0.0.1", other), timeout=seconds(20)).startup("app", "app", password="") as client:
        assert client.ask("select 1") == "1"
    del pooler.settings["listen_port_primary"]
    old = pooler.restart()
    assert pooler.exit_of(old) == 0
    with pytest.raises(ConnectionRefusedError):
        Wire(("127.0.0.1", other), timeout=seconds(20))
    assert not os.path.exists(f"{pooler.folder}/.s.PGSQL.{other}")
    goes_on(pooler)


def test_transaction_finishes_where_it_began(pooler, primary):
    client = pooler.client()
    client.query("create table if not exists restarted (n int)")
    client.query("begin")
    client.query("insert into restarted values (1)")
    old = pooler.restart()
    assert client.ask("select count(*) from restarted") == "1"
    assert old.poll() is None and client.query("rollback").errors == []
    client.close()
    assert pooler.exit_of(old) == 0


def test_cancel_request_finds_its_client_in_the_old_process(pooler, primary):
    """And in the one before that."""
    running = "state = 'active' and query like 'select pg_sleep%'"
    client = pooler.client()
    client.send(query("select pg_sleep(60)"))
    wait_until(lambda: primary.backends(running) == 1, "it runs")
    pooler.restart()
    pooler.restart()
    client.cancel()
    check_error(client.read_result().error, "57014")
    client.close()


def test_log_in_that_has_begun_is_finished(pooler):
    wire = pooler.raw()
    pooler.restart()
    wire.startup("app", "app", password="")
    assert wire.ask("select 1") == "1"
    wire.close()


def test_without_a_running_process_it_just_starts(primary):
    pooler = Pooler(primary)
    pooler.spawn("-R")
    try:
        wait_until(pooler._listens, "the pooler listens", seconds(15))
        goes_on(pooler)
    finally:
        pooler.stop()


def test_without_a_directory_for_unix_sockets(start_pooler):
    pooler = start_pooler(unix_socket_dir="")
    old = pooler.restart()
    with pooler.client() as client:
        assert client.ask("select 1") == "1"
    assert pooler.exit_of(old) == 0


def test_nobody_is_turned_away_meanwhile(pooler):
    """Clients that come all the time, while the place changes hands."""
    stop = threading.Event()
    failures = []
    came = [0]

    def come_and_go():
        while not stop.is_set():
            try:
                with pooler.client() as client:
                    assert client.ask("select 1") == "1"
                came[0] += 1
            except Exception as failure:  # any of them is one too many
                failures.append(failure)
                return

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = came[0]
            wait_until(lambda before=before: came[0] > before + 20 or failures, "clients come", seconds(60))
            pooler.restart()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures


# Clients go over when nothing of them is anywhere but in the old process.


def over(pooler, old):
    """The old process has ended: whoever is still connected has gone over."""
    assert pooler.exit_of(old, 30) == 0


def test_idle_clients_go_over(pooler):
    clients = [pooler.client() for _ in range(30)]
    local = [over_unix(pooler) for _ in range(3)]
    assert clients[0].ask("select 0") == "0"
    old = pooler.restart()
    over(pooler, old)
    for number, client in enumerate(clients + local):
        assert client.ask(f"select {number}") == str(number)
    assert len([row for row in pooler.show("CLIENTS") if row["database"] == "app"]) == len(clients + local)
    for client in clients + local:
        client.close()
    wait_until(lambda: pooler.pool()["cl_active"] == 0, "they are gone from the counts, too")


def test_clients_go_over_again_and_again(pooler):
    client = pooler.client()
    client.query("set application_name = 'wanderer'")
    for _ in range(4):
        over(pooler, pooler.restart())
        assert client.ask("show application_name") == "wanderer"
    client.close()


def test_settings_go_with_their_client(pooler):
    one = pooler.client(parameters={"options": "-c datestyle=german"})
    other = pooler.client()
    one.query("set statement_timeout = '7s'")
    one.query("set search_path = pg_catalog, public")
    one.query("set timezone = 'Asia/Tokyo'")
    over(pooler, pooler.restart())
    for name, value in [("statement_timeout", "7s"), ("search_path", "pg_catalog, public"), ("timezone", "Asia/Tokyo")]:
        assert one.ask(f"show {name}") == value
        assert other.ask(f"show {name}") != value
    one.query("reset timezone")
    assert one.ask("show datestyle").startswith("German") and one.ask("show timezone") != "Asia/Tokyo"
    one.close()
    other.close()


def run(client, name, value):
    """A statement that was prepared before."""
    client.send(bind([value], name) + execute() + sync())
    result = client.read_result()
    assert result.errors == [], result.errors
    return result.value


def test_prepared_statements_go_with_their_client(pooler):
    client = pooler.client()
    stranger = pooler.client()
    client.send(parse("select $1::int + 1", "plus", [23]) + describe("plus") + sync())
    client.read_result()
    client.query("prepare by_sql as select 7")
    client.send(parse("set work_mem = '3MB'", "setting") + sync())
    client.read_result()
    for _ in range(3):  # often enough to be shared
        client.send(parse("select $1::int * 2", "", [23]) + bind(["4"]) + execute() + sync())
        assert client.read_result().value == "8"
    over(pooler, pooler.restart())
    assert run(client, "plus", "41") == "42"
    assert client.ask("execute by_sql") == "7"
    check_error(client.query("prepare by_sql as select 8").error, "42P05")
    stranger.send(bind(["1"], "plus") + execute() + sync())
    check_error(stranger.read_result().error, "26000")
    client.send(bind([], "setting") + execute() + sync())
    client.read_result()
    assert client.ask("show work_mem") == "3MB"
    client.close()
    stranger.close()


def test_statement_without_a_name_is_used_before_its_client_goes(pooler):
    """As Go's drivers do it: parsed and described, and executed after a Sync."""
    client = pooler.client()
    client.send(parse("select $1::int + 1", "", [23]) + describe("") + sync())
    client.read_result()
    old = pooler.restart()
    time.sleep(1)  # longer than the old process looks for clients that can go
    assert old.poll() is None
    client.send(bind(["41"]) + execute() + sync())
    assert client.read_result().value == "42"
    over(pooler, old)
    assert client.ask("select 1") == "1"
    client.close()


def test_half_a_message_goes_with_its_client(pooler):
    """In its header, in its body, and between two of them."""
    message = query("select 'a text that is cut somewhere'")
    clients = []
    for cut in (1, 4, 5, 11, len(message) - 1):
        client = pooler.client()
        client.send(message[:cut])
        clients.append((client, message[cut:]))
    wait_until(lambda: len(pooler.show("CLIENTS")) == len(clients) + 1, "all are there")
    over(pooler, pooler.restart())
    for client, rest in clients:
        client.send(rest)
        assert client.read_result().value == "a text that is cut somewhere"
        client.close()


def test_client_that_waits_goes_over_with_its_request(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    holder = pooler.client()
    holder.query("begin")
    waiting = pooler.client()
    waiting.send(query("select 'served'"))
    wait_until(lambda: pooler.pool()["cl_waiting"] == 1, "it waits")
    old = pooler.restart()
    assert waiting.read_result().value == "served"
    assert old.poll() is None and holder.query("commit").errors == []
    over(pooler, old)
    assert holder.ask("select 1") == "1"
    holder.close()
    waiting.close()


def test_client_goes_over_when_its_transaction_ends(pooler):
    client = pooler.client()
    client.query("begin")
    old = pooler.restart()
    assert client.ask("select 5") == "5" and old.poll() is None
    client.query("commit")
    over(pooler, old)
    assert client.ask("select 6") == "6"
    client.close()


def test_client_of_the_process_before_the_last_one(pooler, primary):
    """Three processes: it is found by its cancel key, and goes all the way."""
    client = pooler.client()
    client.query("begin")
    oldest = pooler.restart()
    old = pooler.restart()
    client.send(query("select pg_sleep(60)"))
    wait_until(lambda: primary.backends("state = 'active' and query like 'select pg_sleep%'") == 1, "it runs")
    client.cancel()
    check_error(client.read_result().error, "57014")
    assert oldest.poll() is None and old.poll() is None
    client.query("rollback")
    over(pooler, oldest)
    over(pooler, old)
    assert client.ask("select 1") == "1"
    assert len([row for row in pooler.show("CLIENTS") if row["database"] == "app"]) == 1
    client.close()


def test_client_that_reads_slowly_goes_over_when_it_has_all(pooler):
    client = pooler.client()
    rows = 20000
    client.send(query(f"select repeat('x', 1000) from generate_series(1, {rows})"))
    old = pooler.restart()
    works(pooler)
    assert old.poll() is None
    assert len(client.read_result().rows) == rows
    over(pooler, old)
    assert client.ask("select 1") == "1"
    client.close()


def test_sessions_whose_clients_read_slowly_go_over(start_pooler, primary):
    """Each has so much of its answer left in the old process that it would slow its server down, if more came."""
    pooler = start_pooler(pool_mode="session", default_pool_size=40)
    clients = [over_unix(pooler) for _ in range(32)]
    sizes = [430_000 + 4_000 * number for number in range(len(clients))]
    for client, size in zip(clients, sizes):
        client.send(query(f"select repeat('x', {size})"))
    wait_until(lambda: primary.backends("query like 'select repeat%' and state = 'idle'") > 8, "some have all")
    old = pooler.restart()
    works(pooler)
    for client, size in zip(clients, sizes):
        assert len(client.read_result().value) == size
    over(pooler, old)
    for client in clients:
        assert client.ask("select 1") == "1"
        client.close()


def test_cancel_key_goes_with_its_client(pooler, primary):
    running = "state = 'active' and query like 'select pg_sleep%'"
    clients = [pooler.client() for _ in range(4)]
    over(pooler, pooler.restart())
    pooler.settings["workers"] = 1  # fewer than the keys speak of, maybe
    over(pooler, pooler.restart())
    for client in clients:
        client.send(query("select pg_sleep(60)"))
        wait_until(lambda: primary.backends(running) == 1, "it runs")
        client.cancel()
        check_error(client.read_result().error, "57014")
        client.close()


def test_keys_of_scram_go_over(start_pooler, primary):
    """The pooler knows the user's secret only from its log-in, and needs it for a server."""
    secret = primary.ask("select rolpassword from pg_authid where rolname = 'scram_user'")
    pooler = start_pooler(auth_type="scram-sha-256", passwords={"scram_user": secret, "admin_user": "admin secret"})
    client = pooler.client(user="scram_user", password="scram secret")
    over(pooler, pooler.restart())
    assert client.ask("select current_user") == "scram_user"
    client.close()
    assert secret not in pooler.log()


def test_database_that_is_no_more(start_pooler):
    pooler = start_pooler()
    client = pooler.client(database="second")
    del pooler.databases["second"]
    over(pooler, pooler.restart())
    check_error(client.read_to_end().error, "3D000", severity="FATAL")


# Servers go over when nobody has them, or with the client of a session.


def server_processes(primary):
    rows = primary.rows(
        "select pid from pg_stat_activity where backend_type = 'client backend' and application_name <> 'observer'"
    )
    return {row[0] for row in rows}


def open_servers(pooler, number):
    """As many as that, free."""
    clients = [pooler.client() for _ in range(number)]
    for client in clients:
        client.query("begin")
    for client in clients:
        client.query("commit")
        client.close()


def test_idle_servers_go_over(pooler, primary):
    open_servers(pooler, 3)
    before = server_processes(primary)
    assert len(before) == 3
    for _ in range(2):
        over(pooler, pooler.restart())
        wait_until(lambda: pooler.pool()["sv_idle"] == 3, "they are idle there")
        assert server_processes(primary) == before
        assert {int(row["remote_pid"]) for row in pooler.show("SERVERS")} == before
    with pooler.client() as client:
        assert int(client.ask("select pg_backend_pid()")) in before
    assert server_processes(primary) == before


def test_what_was_prepared_on_a_server_is_nobodys(start_pooler, primary):
    """The next process gives names of its own to statements, and a server has none of the old ones."""
    pooler = start_pooler(default_pool_size=1)
    client = pooler.client()
    client.send(parse("select $1::int + 1", "plus", [23]) + sync())
    client.read_result()
    before = server_processes(primary)
    over(pooler, pooler.restart())
    other = pooler.client()
    other.send(parse("select $1::int * 10", "times", [23]) + sync())
    other.read_result()
    assert run(other, "times", "4") == "40"
    assert run(client, "plus", "4") == "5"
    assert client.ask("select count(*) from pg_prepared_statements") == "2"
    assert server_processes(primary) == before and len(before) == 1
    client.close()
    other.close()


def test_servers_of_another_configuration_do_not_go_over(start_pooler, primary):
    pooler = start_pooler()
    open_servers(pooler, 2)
    before = server_processes(primary)
    pooler.databases["app"] += " timezone=Asia/Tokyo"
    over(pooler, pooler.restart())
    with pooler.client() as client:
        assert client.ask("show timezone") == "Asia/Tokyo"
    wait_until(lambda: not before & server_processes(primary), "the old ones are closed")


def test_no_more_servers_go_over_than_there_may_be(start_pooler, primary):
    pooler = start_pooler(default_pool_size=4)
    open_servers(pooler, 4)
    pooler.settings["default_pool_size"] = 2
    before = server_processes(primary)
    over(pooler, pooler.restart())
    wait_until(lambda: pooler.pool()["sv_idle"] == 2, "two are idle")
    wait_until(lambda: len(server_processes(primary)) == 2, "two are closed")
    assert server_processes(primary) < before


def test_session_goes_over_with_its_server(start_pooler, primary):
    pooler = start_pooler(pool_mode="session")
    client = pooler.client()
    client.query("create temporary table own as select 7 as n")
    client.query("listen here")
    client.send(parse("select n from own", "kept") + sync())
    client.read_result()
    process = client.ask("select pg_backend_pid()")
    waiting = pooler.client()
    for _ in range(2):
        over(pooler, pooler.restart())
        assert client.ask("select n from own") == "7"
        client.send(bind([], "kept") + execute() + sync())
        assert client.read_result().value == "7"
    assert client.ask("select pg_backend_pid()") == process
    primary.ask("notify here, 'still'")
    wait_until(lambda: b"still" in b"".join(m.body for m in client.query("select 1").messages), "it is told")
    client.send(query("select pg_sleep(60)"))
    wait_until(lambda: primary.backends("state = 'active' and query like 'select pg_sleep%'") == 1, "it runs")
    client.cancel()
    check_error(client.read_result().error, "57014")
    over(pooler, pooler.restart())
    assert client.ask("select n from own") == "7", "it has been cancelled before, and goes over all the same"
    client.close()
    assert waiting.ask("select to_regclass('own') is null") == "t", "the next one finds nothing of it"
    waiting.close()


def test_sessions_go_over_when_their_transaction_ends(start_pooler):
    pooler = start_pooler(pool_mode="session")
    client = pooler.client()
    client.query("begin")
    client.query("create temporary table own as select 7 as n")
    old = pooler.restart()
    assert client.ask("select n from own") == "7" and old.poll() is None
    client.query("commit")
    over(pooler, old)
    assert client.ask("select n from own") == "7"
    client.close()


def test_own_write_is_seen_after_it(replicas, start_pooler):
    """What a session has written and seen of a routed database goes with it."""
    r = Routed(replicas, start_pooler, 1, "", {"read_from_primary": 0})
    r.pause_replay()
    client = r.pooler.client()
    client.query("update t set b = 5 where a = 1")
    for _ in range(2):
        over(r.pooler, r.pooler.restart())
        assert client.ask(READ) == "5"
    r.resume_replay()
    wait_until(lambda: r.client_reads(client, READ) and r.count("read on a standby") > 0, "it reads there again")
    client.close()


# Who stays until it leaves.


def stays(pooler, client):
    """It is served by the old process, which ends with it."""
    old = pooler.restart()
    for number in range(3):
        assert client.ask(f"select {number}") == str(number)
        works(pooler)
    assert old.poll() is None
    client.close()
    over(pooler, old)


def test_client_over_tls_stays(start_pooler, cluster):
    certificate, key = Authority(cluster.folder).server("pgweir")
    pooler = start_pooler(client_tls_sslmode="allow", client_tls_cert_file=certificate, client_tls_key_file=key)
    wire = pooler.raw()
    wire.secure(client_context())
    stays(pooler, wire.startup("app", "app", password=""))


def test_client_stays_until_its_transaction_on_its_own_server_ends(start_pooler):
    pooler = start_pooler(pool_mode="session")
    client = pooler.client()
    client.query("begin")
    stays(pooler, client)


def test_next_process_that_dies_later(pooler):
    """Who is still in the old process then, stays there."""
    client = pooler.client()
    client.query("begin")
    old = pooler.restart()
    pooler.process.kill()
    pooler.process.wait()
    wait_until(lambda: "clients stay in this process" in pooler.log(), "the old process has noticed")
    assert client.query("commit").errors == []
    for number in range(3):
        assert client.ask(f"select {number}") == str(number)
    client.close()
    over(pooler, old)
    pooler.earlier.clear()
    pooler.process = old
    pooler.expect_exit = True


def test_start_while_the_process_before_the_dead_one_finishes(pooler):
    """Nobody is behind the door any more, so a third process just starts, and can be replaced again."""
    client = pooler.client()
    client.query("begin")
    old = pooler.restart()
    pooler.process.kill()
    pooler.process.wait()
    pooler.spawn("-R")
    wait_until(lambda: "no process to take over from" in pooler.log(), "it has found nobody")
    wait_until(pooler._listens, "it serves")
    goes_on(pooler)
    assert client.query("commit").errors == []
    client.close()
    over(pooler, old)
    over(pooler, pooler.restart())
    goes_on(pooler)


# The proof.


# With a sanitizer, which takes twice the time, one has to do.
@pytest.mark.parametrize("protocol", ["simple", "prepared"] if SLOW == 1 else ["extended"])
def test_pgbench_notices_nothing(start_pooler, primary, protocol):
    """Two hundred clients, three restarts, no error, and every transaction is there once."""
    pooler = start_pooler(default_pool_size=10)
    primary.ask("create table counted (n int); grant insert on counted to app")
    script = f"{pooler.folder}/count.sql"
    with open(script, "w", encoding="utf-8") as file:
        # pgbench 15 waits for one PREPARE with all clients of a thread, of which some would have all servers.
        begin, commit = ("", "") if protocol == "prepared" else ("begin;\n", "commit;\n")
        file.write(f"{begin}insert into counted values (:client_id);\nselect 1;\n{commit}select 2;\n")
    command = [program("pgbench"), "-n", "-f", script, "-M", protocol, "-c", "200", "-j", "2", "-T", "600", pooler.dsn()]
    output = f"{pooler.folder}/pgbench.txt"

    def said():
        with open(output, encoding="utf-8") as file:
            return file.read()

    with open(output, "w", encoding="utf-8") as file, subprocess.Popen(command, stdout=file, stderr=file) as bench:
        try:
            def runs():
                assert bench.poll() is None, said()
                return primary.ask("select count(*) from counted") > 200

            for _ in range(3):
                wait_until(runs, "it runs", seconds(30))
                over(pooler, pooler.restart())
            assert bench.poll() is None, said()
            bench.send_signal(signal.SIGALRM)  # as if its time were over
            assert bench.wait(seconds(60)) == 0, said()
            assert "number of failed transactions: 0 " in said(), said()
            done = int(re.search(r"transactions actually processed: (\d+)", said())[1])
            assert primary.ask("select count(*) from counted") == done
        finally:
            bench.kill()
            primary.ask("drop table counted")


# The new process fails, and the old one goes on.


def test_configuration_that_does_not_load(pooler):
    with open(f"{pooler.folder}/bad.ini", "w", encoding="utf-8") as file:
        file.write("[pgbouncer]\nlisten_port = nonsense\n")
    client = pooler.client()
    code, said = try_restart(pooler, f"{pooler.folder}/bad.ini")
    assert code == 1 and "listen_port" in said
    assert client.ask("select 1") == "1"
    goes_on(pooler)


def test_port_that_cannot_be_had(pooler):
    """The sockets have been lent by then."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with open(pooler.file, encoding="utf-8") as file:
            text = file.read()
        with open(f"{pooler.folder}/new.ini", "w", encoding="utf-8") as file:
            file.write(f"{text}listen_port_primary = {port}\n")
        code, said = try_restart(pooler, f"{pooler.folder}/new.ini")
    assert code == 1 and f"cannot listen on 127.0.0.1:{port}" in said
    goes_on(pooler)


def test_program_that_is_none(pooler):
    path = f"{pooler.folder}/broken"
    with open(path, "wb") as file:
        file.write(b"\x7fELF and nothing else")
    os.chmod(path, 0o755)
    with pytest.raises(OSError):
        try_restart(pooler, pooler.file, program=path)
    goes_on(pooler)


class Impostor:
    """Speaks to the door as a new process does, as far as a test likes."""

    HELLO, REFUSAL, WELCOME, SOCKETS, READY, YOURS, ACCEPTING, DONE = range(1, 9)

    def __init__(self, pooler):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds(30))
        wait_until(lambda: self._knock(pooler), "it is open")

    def _knock(self, pooler):
        try:
            self.socket.connect(door(pooler))
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, kind, body=b""):
        self.socket.sendall(struct.pack("!IB", len(body), kind) + body)

    def hello(self, version=2):
        self.say(self.HELLO, struct.pack("!II", version, 4) + b"test")

    def hear(self):
        head = b""
        descriptors = []
        while len(head) < 5:
            got, these, _, _ = socket.recv_fds(self.socket, 5 - len(head), 253)
            assert got, "it hung up"
            head += got
            descriptors += these
        length, kind = struct.unpack("!IB", head)
        body = b""
        while len(body) < length:
            body += self.socket.recv(length - len(body))
        for one in descriptors:
            os.close(one)
        return kind, body, len(descriptors)

    def expect(self, kind):
        got, body, descriptors = self.hear()
        assert got == kind, (got, body)
        return body, descriptors

    def hangs_up(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def unprivileged_impostor(pooler):
    """As the user that the program runs as: the door is for nobody else."""
    ids = unprivileged()
    if not ids:
        return Impostor(pooler)
    os.setegid(ids["group"])
    os.seteuid(ids["user"])
    try:
        return Impostor(pooler)
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_limit_of_open_files_is_too_low(pooler):
    """It could not take all clients, so the old process goes on."""
    code, said = try_restart(pooler, pooler.file, below="ulimit -Hn 40; ulimit -n 40")
    assert code == 1 and "raise the limit (ulimit -Hn" in said, said
    goes_on(pooler)


@pytest.mark.parametrize("stage", ["nothing", "hello", "ready"])
def test_new_process_that_dies_half_way(pooler, stage):
    client = pooler.client()
    with unprivileged_impostor(pooler) as impostor:
        if stage != "nothing":
            impostor.hello()
            impostor.expect(Impostor.WELCOME)
            _, descriptors = impostor.expect(Impostor.SOCKETS)
            assert descriptors == 3  # TCP, Unix, the door
        if stage == "ready":
            impostor.say(Impostor.READY)
            impostor.expect(Impostor.YOURS)
    wait_until(lambda: "online restart" in pooler.log(), "the old process has noticed")
    assert client.ask("select 1") == "1"
    goes_on(pooler)
    pooler.restart()  # and a real one comes through
    goes_on(pooler)
    client.close()


@pytest.mark.parametrize(
    "said",
    [
        struct.pack("!IB", 0xFFFFFFFF, 1),
        struct.pack("!IB", 4, 1) + b"\0\0\0\1",
        struct.pack("!IB", 0, 7),
        struct.pack("!IB", 12, 1) + struct.pack("!II", 1, 4) + b"test" + b"",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["endless", "cut", "out of turn", "hello and gone", "nonsense"],
)
def test_nonsense_at_the_door(pooler, said):
    with unprivileged_impostor(pooler) as impostor:
        impostor.socket.sendall(said)
    goes_on(pooler)
    pooler.restart()
    goes_on(pooler)


def test_other_version_is_refused(pooler):
    with unprivileged_impostor(pooler) as impostor:
        impostor.hello(version=999)
        body, _ = impostor.expect(Impostor.REFUSAL)
        assert b"version 999" in body
        assert impostor.hangs_up()
    goes_on(pooler)


def test_other_user_is_refused(pooler):
    if os.geteuid() != 0:
        pytest.skip("only root is another user who may open the door")
    with Impostor(pooler) as impostor:
        assert impostor.hangs_up()
    wait_until(lambda: "runs as another user" in pooler.log(), "the log says why")
    goes_on(pooler)


def test_two_at_once(pooler):
    """Each waits for its turn: the second takes over from the first."""
    old = pooler.process
    pooler.spawn("-R")
    first = pooler.process
    pooler.spawn("-R")
    second = pooler.process
    pooler.earlier = [old]
    ended = [p for p in (old, first, second)]

    def one_is_left():
        return sum(p.poll() is None for p in ended) == 1

    wait_until(one_is_left, "one of them is left", seconds(60))
    (left,) = [p for p in ended if p.poll() is None]
    assert left is not old
    pooler.process = left
    loser = first if left is second else second
    assert loser.returncode in (0, 1), pooler.log()
    goes_on(pooler)


def test_a_process_that_ends_is_not_taken_over(pooler):
    client = pooler.client()
    pooler.signal(signal.SIGTERM)
    wait_until(lambda: "shutdown" in pooler.log().lower(), "it ends")
    pooler.expect_exit = True
    code, said = try_restart(pooler, pooler.file)
    assert code == 1 and "it ends" in said
    client.close()
    assert pooler.wait_for_exit() == 0


def test_a_process_that_is_told_to_end_meanwhile_is_not_taken_over(pooler):
    client = pooler.client()
    with unprivileged_impostor(pooler) as impostor:
        impostor.hello()
        impostor.expect(Impostor.WELCOME)
        impostor.expect(Impostor.SOCKETS)
        pooler.signal(signal.SIGTERM)
        wait_until(lambda: "shutdown" in pooler.log().lower(), "it is told")
        impostor.say(Impostor.READY)
        reason, _ = impostor.expect(Impostor.REFUSAL)
        assert b"it ends" in reason
    pooler.expect_exit = True
    assert client.ask("select 1") == "1"
    client.close()
    assert pooler.wait_for_exit() == 0
