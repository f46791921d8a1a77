"""Settings of PgBouncer's that have an effect of their own on a client, as an existing pgbouncer.ini uses them."""

import contextlib
import os
import re
import shutil
import subprocess

import pytest

from harness import check_error, closed_with, pgweir_only, works
from pooler import Pooler, executable, seconds
from postgres import free_port, unprivileged
from wire import bind, close_statement, execute, parse, query, request, sync, wait_until

QUEUED = "No server connection available in postgres backend, client being queued"


def test_who_waits_is_told_once(start_pooler):
    pooler = start_pooler(default_pool_size=1, query_wait_notify=1)
    with pooler.client() as busy, pooler.client() as waiting:
        busy.ask("begin")
        waiting.send(query("select 1"))
        notice = waiting.read_message(seconds(20))
        assert notice.type == "N", notice
        busy.ask("select pg_sleep(1.5)")  # would be time for a second one
        busy.ask("commit")
        result = waiting.read_result()
        assert result.value == "1" and not result.notices
        waiting.send(query("select 2"))
        assert waiting.read_result().value == "2", "who does not wait is not told"


def test_notice_names_what_is_the_matter(start_pooler):
    pooler = start_pooler(default_pool_size=1, query_wait_notify=1)
    with pooler.client() as busy, pooler.client() as waiting:
        busy.ask("begin")
        waiting.send(request("select $1::int", "7"))
        fields = waiting.read_result(seconds(20), until="N").notices[0]
        assert fields["M"] == QUEUED and fields["C"] == "00000" and fields["S"] == "NOTICE"
        busy.ask("commit")
        assert waiting.read_result().value == "7"


def test_query_wait_timeout_comes_behind_the_notice(start_pooler):
    pooler = start_pooler(default_pool_size=1, query_wait_notify=1, query_wait_timeout=2)
    with pooler.client() as busy, pooler.client() as waiting:
        busy.ask("begin")
        waiting.send(query("select 1"))
        result = closed_with(waiting, text="query_wait_timeout", timeout=seconds(20))
        assert [notice["M"] for notice in result.notices] == [QUEUED]


def test_without_query_wait_notify_nobody_is_told(start_pooler):
    pooler = start_pooler(default_pool_size=1, query_wait_notify=0, query_wait_timeout=2)
    with pooler.client() as busy, pooler.client() as waiting:
        busy.ask("begin")
        waiting.send(query("select 1"))
        assert not closed_with(waiting, text="query_wait_timeout", timeout=seconds(20)).notices


@pgweir_only
def test_log_in_is_greeted(start_pooler):
    pooler = start_pooler(login_notify_message="Down for repair on Sunday")
    with pooler.client() as greeted:
        assert [notice["M"] for notice in greeted.notices] == ["Down for repair on Sunday"]
        assert greeted.ask("select 1") == "1"
    pooler.reload(login_notify_message="")
    with pooler.client() as silent:
        assert silent.notices == []


@pgweir_only
def test_reload_and_set_are_answered_when_all_workers_know(start_pooler):
    pooler = start_pooler()
    for number in range(30):
        pooler.reload(login_notify_message=f"{number}")
        with pooler.client() as one, pooler.client() as other:
            assert [notice["M"] for client in (one, other) for notice in client.notices] == [f"{number}"] * 2
        pooler.command(f"SET login_notify_message = 'at {number}'")
        with pooler.client() as one, pooler.client() as other:
            assert [notice["M"] for client in (one, other) for notice in client.notices] == [f"at {number}"] * 2


@pytest.mark.parametrize("sent", ["select 1", ""])
def test_simple_query_can_be_disallowed(start_pooler, sent):
    pooler = start_pooler(disable_pqexec=1)
    with pooler.client() as simple, pooler.client() as extended:
        simple.send(query(sent))
        closed_with(simple, "08P01", "PQexec disallowed")
        extended.send(request("select $1::text", "here"))
        assert extended.read_result().value == "here"
        extended.send(parse("select 1") + query("select 1"))
        closed_with(extended, "08P01", "PQexec disallowed")


@pgweir_only
def test_what_came_before_a_disallowed_query_reaches_nobody_else(start_pooler):
    """It goes to its own client's server, or nowhere."""
    pooler = start_pooler(disable_pqexec=1, default_pool_size=20)
    others = [pooler.client() for _ in range(12)]
    for _ in range(6):
        with pooler.client() as client:
            before = parse("select 'theirs'") + bind() + execute() + sync()
            client.send(before + close_statement("x") + query("select 1"))
            client.read_to_end()
        for number, other in enumerate(others):
            other.send(request(f"select 'mine {number}'"))
            assert other.read_result().value == f"mine {number}"
    for other in others:
        other.close()


@pgweir_only
def test_console_has_nothing_but_simple_query(start_pooler):
    assert start_pooler(disable_pqexec=1).show("VERSION")


def test_idle_session_leaves_a_server_that_is_to_close(start_pooler):
    pooler = start_pooler(pool_mode="session", server_fast_close=1)
    with pooler.client() as idle, pooler.client() as working:
        idle.ask("select 1")
        working.ask("begin")
        pooler.command("RECONNECT")
        closed_with(idle, "57P01", "database configuration changed", timeout=seconds(20))
        assert working.ask("select 1") == "1", "its transaction goes on"
        working.send(query("commit"))
        result = working.read_to_end(seconds(20))
        assert result.tags == ["COMMIT"]
        check_error(result.error, "57P01", "database configuration changed", "FATAL")
        works(pooler)


def test_without_server_fast_close_sessions_stay(start_pooler):
    pooler = start_pooler(pool_mode="session", server_fast_close=0)
    with pooler.client() as idle:
        pid = idle.ask("select pg_backend_pid()")
        pooler.command("RECONNECT")
        assert idle.ask("select pg_backend_pid()") == pid


@pgweir_only
@pytest.mark.parametrize("defer", [1, 0])
def test_silent_connection_is_accepted_when_it_speaks(start_pooler, defer):
    pooler = start_pooler(tcp_defer_accept=defer)

    def accepted():
        return sum(int(worker["accepted"]) for worker in pooler.show("WORKERS"))

    before = accepted()
    with pooler.raw() as silent:
        if not defer:
            wait_until(lambda: accepted() - before >= 2, "the silent one and who asks are accepted")
        else:
            works(pooler)  # came later
            assert accepted() - before == 2, "one that works, and one that asks"
        assert silent.startup("app", "app").ask("select 1") == "1"


@pgweir_only
@pytest.mark.parametrize("balance", ["round-robin", "disable"])
def test_host_that_is_not_there_is_no_error(start_pooler, primary, balance):
    nobody = free_port()
    hosts = f"host=127.0.0.1,127.0.0.1 port={nobody},{primary.port} dbname=app load_balance_hosts={balance}"
    pooler = start_pooler(databases={"listed": hosts}, server_login_retry=600, default_pool_size=3)
    with pooler.client("listed") as one, pooler.client("listed") as two:
        for client in (one, two):
            client.ask("begin")
            assert client.ask("select inet_server_port()") == str(primary.port)
    assert pooler.log().count("cannot connect") == 1, "it is not asked again"


@pgweir_only
def test_hosts_of_a_list_are_used_in_turn(start_pooler, primary):
    """The same server by two names, as two of them would show no more."""
    hosts = f"host=127.0.0.1,localhost port={primary.port} dbname=app"
    pooler = start_pooler(databases={"listed": hosts}, default_pool_size=4)
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(pooler.client("listed")).ask("begin")
    names = re.findall(r"listed/app at ([^:]+):\d+: connected", pooler.log())
    assert sorted(names) == ["127.0.0.1", "127.0.0.1", "localhost", "localhost"]


ADMINS = "admin_users is empty: only user pgbouncer over the Unix socket can PAUSE and RELOAD"
SAMPLE = "/etc/pgbouncer/pgbouncer.ini"


class Sample(Pooler):
    """Runs on the configuration that Debian's pgbouncer brings; only places are others."""

    def write(self):
        super().write()
        with open(SAMPLE, encoding="utf-8") as file:
            text = file.read()
        for old, new in (
            ("listen_port = 6432", f"listen_port = {self.port}"),
            ("/etc/pgbouncer/userlist.txt", f"{self.folder}/userlist.txt"),
            ("/var/log/postgresql", self.folder),
            ("/var/run/postgresql", self.folder),
            ("[databases]", f"[databases]\napp = {self.databases['app']}"),
        ):
            assert old in text, f"{SAMPLE} has changed: no {old}"
            text = text.replace(old, new)
        self._write_file("pgweir.ini", text)
        secrets = f"{self.folder}/userlist.txt"
        owner = os.stat(self.folder)
        os.chown(secrets, owner.st_uid, owner.st_gid)
        os.chmod(secrets, 0o640)


@pytest.mark.skipif(not os.access(SAMPLE, os.R_OK), reason=f"{SAMPLE} is not here, or not for us to read")
def test_conffile_is_read_at_the_next_reload(start_pooler):
    pooler = start_pooler(query_wait_timeout=20)
    other = f"{pooler.folder}/other.ini"
    with open(f"{pooler.folder}/pgweir.ini", encoding="utf-8") as file:
        text = file.read()
    with open(other, "w", encoding="utf-8") as file:
        file.write(text.replace("query_wait_timeout = 20", "query_wait_timeout = 30"))
    os.chmod(other, 0o644)

    def value(key):
        return {row["key"]: row["value"] for row in pooler.show("config")}[key]

    pooler.command(f"set conffile = '{other}'")
    assert value("query_wait_timeout") == "20"
    pooler.command("reload")
    assert value("query_wait_timeout") == "30"
    assert value("conffile") == other
    pooler.command(f"set conffile = '{other}.not'")
    with pytest.raises(Exception, match="RELOAD failed"):
        pooler.command("reload")
    assert f"{other}.not" in pooler.log()
    assert value("query_wait_timeout") == "30"


def test_samples_of_the_package_work_as_they_are(primary):
    pooler = Sample(primary, {"listen_port": free_port()})
    try:
        pooler.start()
        works(pooler)
        with open(f"{pooler.folder}/pgbouncer.log", encoding="utf-8") as file:
            log = file.read()
        assert "listening" in log
        assert "WARNING" not in log.upper(), log
        pooler.stop()
    finally:
        pooler.remove()


@pgweir_only
def test_start_in_the_background_that_fails_says_why():
    pooler = Pooler(None, {"auth_type": "hba", "auth_hba_file": "/nowhere/hba"})
    pooler.settings["pidfile"] = f"{pooler.folder}/pid"
    pooler.write()
    path, reachable = executable()
    if not reachable:
        path = shutil.copy(path, f"{pooler.folder}/pgweir-new")
    done = subprocess.run(
        [path, "-d", pooler.file], capture_output=True, text=True, check=False, timeout=seconds(30), **unprivileged()
    )
    assert done.returncode == 1 and "/nowhere/hba" in done.stderr, done
    assert not os.path.exists(pooler.settings["pidfile"])
    pooler.remove()


@pgweir_only
def test_check_says_what_is_wrong_and_starts_nothing(tmp_path):
    file = tmp_path / "pgweir.ini"

    def check(text):
        file.write_text(text)
        done = subprocess.run([executable()[0], "--check", file], capture_output=True, text=True, check=False, timeout=seconds(20))
        return done.returncode, done.stdout

    good = "[databases]\napp = host=127.0.0.1\n[pgbouncer]\nauth_type = any\n"
    assert check(good) == (0, f"note: {ADMINS}\n{file}: good\n")
    code, said = check(good + "listen_addr = *\nquery_wait_timeout = 0\n")
    assert code == 1 and said.count("danger: ") == 2
    code, said = check(good + "pool_size = 3\n")
    assert code == 2 and "pgweir.ini:5: " in said and said.startswith("error: ")
    code, said = check(good.replace("127.0.0.1", "127.0.0.1,127.0.0.2 routing=auto"))
    assert code == 2 and "user" in said and said.startswith("error: "), said
