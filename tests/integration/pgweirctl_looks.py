"""What pgweirctl shows and how it judges: checks, lag, health, monitoring, the dashboard."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time

import pytest

from managed import Managed
from pooler import seconds
from wire import wait_until


@pytest.fixture(scope="module")
def managed():
    one = Managed(standbys=2)
    try:
        one.make()
        one.start_pooler()
        yield one
    finally:
        one.remove()


@pytest.fixture
def paused(managed):
    """standby1 does not replay, and 3 MB wait for it."""
    managed.superuser("standby1", "select pg_wal_replay_pause()")
    managed.superuser("primary", "create table waits as select repeat(md5(n::text), 30) as t from generate_series(1, 3000) n")

    def waits():
        standby = standbys(managed)["standby1"]
        return standby["replay_lag_bytes"] > 1_000_000 and not standby["pending_bytes"] and not standby["flush_lag_bytes"]

    wait_until(waits, "it has received them")
    yield
    managed.superuser("standby1", "select pg_wal_replay_resume()")
    managed.superuser("primary", "drop table waits")
    wait_for_no_lag(managed)


def standbys(managed, *arguments):
    return {s["standby"]: s for s in managed.json("lag", *arguments)["standbys"]}


def wait_for_no_lag(managed):
    wait_until(lambda: not any(s["replay_lag_bytes"] for s in standbys(managed).values()), "no lag")


def outcomes(answer):
    found = {}
    for one in answer["checks"]:
        found.setdefault(one["outcome"], []).append(one["name"])
    return found


def test_thirty_of_thirty(managed):
    answer = managed.json("check", "--exercise")
    assert answer["ok"], answer
    assert len(outcomes(answer)["pass"]) == 30


def test_without_exercise_nothing_is_written(managed):
    counted = "select sum(tup_inserted + tup_updated + tup_deleted) from pg_stat_database where datname = 'connect'"
    # Who has written before is counted when it ends, or some seconds later.
    managed.superuser("primary", "select pg_terminate_backend(pid, 30000) from pg_stat_activity where datname = 'connect'")
    before = managed.superuser("primary", counted)
    answer = managed.json("check")
    assert answer["ok"], answer
    assert len(outcomes(answer)["pass"]) == 25 and len(outcomes(answer)["skip"]) == 5
    assert managed.superuser("primary", counted) == before


def test_lag_is_zero_within_a_second_of_many_rows(managed):
    with managed.connect("primary") as connection:
        connection.execute("create table many as select n from generate_series(1, 100000) n")
    written = time.monotonic()
    parts = [f"{part}_bytes" for part in ("pending", "write_lag", "flush_lag", "replay_lag")]
    wait_until(lambda: not any(standby[part] for standby in standbys(managed).values() for part in parts), "no lag")
    print(f"\nno lag {time.monotonic() - written:.2f} s after the rows")
    with managed.connect("primary") as connection:
        connection.execute("drop table many")


def test_exit_codes_below_at_and_above_the_thresholds(managed, paused):
    def lag():
        return standbys(managed)["standby1"]["replay_lag_bytes"]

    def of_one_size():
        """PostgreSQL writes a little to its log whenever it likes: None if it did."""
        size = lag()
        found = [
            (managed.run("lag", "--warn", f"{warn},1000s", "--critical", f"{critical},1000s"), code, word)
            for warn, critical, code, word in [
                (size + 1, size + 2, 0, "OK"),
                (size, size + 1, 1, "WARNING"),
                (size - 1, size + 1, 1, "WARNING"),
                (1, size, 2, "CRITICAL"),
                (1, size - 1, 2, "CRITICAL"),
            ]
        ]
        return found if lag() == size else None

    for done, code, word in wait_until(of_one_size, "the log stays as it is"):
        assert done.returncode == code, done.stdout
        assert re.match(rf"\S+ LAG {word} - standby1 ", done.stdout) and done.stdout.count("\n") == 1


def test_time_counts_too(managed, paused):
    deadline = time.monotonic() + seconds(20)
    while (done := managed.run("lag", "--warn", "1GB,1s", "--critical", "1GB,1000s")).returncode == 0:
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.1)
    assert done.returncode == 1, done.stdout


def test_health_of_a_late_standby(managed, paused):
    assert "standby2 is healthy" in managed.do("health", "standby", "standby2", "--max-lag", "10MB")
    said = managed.refused("health", "standby", "standby1", "--max-lag", "100kB")
    assert "received and not replayed" in said
    managed.do("health", "standby", "standby1", "--max-lag", "1GB,1000s")


def test_health_by_role(managed):
    managed.do("health", "primary")
    assert "it is a standby" in managed.refused("health", "primary", "standby1")
    assert "it is no standby" in managed.refused("health", "standby", "primary")
    assert "which standby?" in managed.refused("health", "standby")


def test_unknown_when_the_primary_does_not_answer(managed):
    done = managed.run("--set", "primary.port=1", "--set", "standby1.port=2", "--set", "standby2.port=3", "lag")
    assert done.returncode == 3 and "LAG UNKNOWN" in done.stdout
    assert managed.run("lag", "--warn", "soon").returncode == 3


def test_watching_goes_on(managed):
    with subprocess.Popen(
        managed.command("lag", "--watch", "--interval", "0.2"), stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(3):
            assert "LAG OK" in process.stdout.readline()
        process.terminate()


def test_what_cron_runs_works_in_its_environment(managed):
    folder = f"{managed.folder}/cron.d"
    os.mkdir(folder)
    managed.do("monitor", "install", "--cron", "--folder", folder, "--warn", "20MB,10s")
    with open(f"{folder}/pgweir-lag-trial", encoding="utf-8") as file:
        lines = file.read().splitlines()
    variables = [line for line in lines if re.match(r"[A-Z]+=", line)]
    entry = re.fullmatch(r"\*/5 \* \* \* \* postgres (.*)", lines[-1])[1]
    command = ["env", "-i", *variables, "/bin/sh", "-c", entry.replace("\\%", "%")]
    assert subprocess.run(command, check=False, cwd="/").returncode == 0
    with open(f"{managed.root}/log/lag.log", encoding="utf-8") as file:
        line = file.read()
    assert "LAG OK" in line and "20971520" in line
    assert "already so" in managed.do("monitor", "install", "--cron", "--folder", folder, "--warn", "20MB,10s")


def test_systemd_takes_the_units(managed):
    folder = f"{managed.folder}/system"
    os.mkdir(folder)
    managed.do("monitor", "install", "--systemd", "--folder", folder)
    with open(f"{folder}/pgweir-lag-trial.service", encoding="utf-8") as file:
        command = re.search(r"^ExecStart=(.*)$", file.read(), re.M)[1]
    words = re.findall(r'"([^"]*)"', command)
    assert subprocess.run(["env", "-i", *words], check=False, capture_output=True).returncode == 0
    assert os.path.exists(f"{folder}/pgweir-lag-trial.timer")


def test_monitor_goes_as_it_came(managed):
    folder = f"{managed.folder}/monitor"
    os.mkdir(folder)
    managed.do("monitor", "install", "--systemd", "--folder", folder)
    managed.do("monitor", "install", "--cron", "--folder", folder)
    assert len(os.listdir(folder)) == 3
    assert "would" in managed.do("--dry-run", "monitor", "remove", "--folder", folder)
    assert len(os.listdir(folder)) == 3
    assert "systemctl disable --now pgweir-lag-trial.timer" in managed.do("monitor", "remove", "--folder", folder)
    assert os.listdir(folder) == []
    assert "already so" in managed.do("monitor", "remove", "--folder", folder)
    with open(f"{folder}/pgweir-lag-trial", "w", encoding="utf-8") as file:
        file.write("# somebody else's\n")
    result = managed.run("monitor", "remove", "--cron", "--folder", folder)
    assert result.returncode == 1 and "by hand" in result.stderr
    assert os.listdir(folder) == ["pgweir-lag-trial"]


class Screen:
    """The dashboard on a terminal of its own."""

    def __init__(self, managed, rows, columns):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            command = managed.command("dashboard", "--interval", "0.3")
            os.execv(command[0], command)
        self.resize(rows, columns)
        self.text = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, wanted):
        deadline = time.monotonic() + seconds(20)
        while not re.search(wanted, self.text):
            assert time.monotonic() < deadline, self.text[-3000:]
            try:
                self.text += os.read(self.terminal, 65536).decode()
            except OSError:  # the other end is closed
                break
        assert re.search(wanted, self.text), self.text[-3000:]
        seen, self.text = self.text, ""
        return seen

    def end(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)


def test_the_dashboard_is_coloured_resizes_and_leaves_on_q(managed):
    screen = Screen(managed, 40, 110)
    first = screen.read_until(r"HISTORY[\s\S]*transactions/s")
    assert "\x1b[?1049h" in first and "\x1b[32m" in first
    assert re.search(r"streaming.*behind", first)
    screen.resize(5, 40)
    small = r"\x1b\[H(?:(?!HISTORY)[\s\S])*?STANDBY(?:(?!HISTORY)[\s\S])*?\x1b\[J"
    frame = re.search(small, screen.read_until(small))[0]
    frame = frame[frame.rindex("\x1b[H"):]
    assert frame.count("\r\n") == 4
    os.write(screen.terminal, b"q")
    screen.read_until(r"\x1b\[\?1049l")
    assert screen.end() == 0


def test_the_dashboard_is_plain_where_there_is_no_terminal(managed):
    picture = managed.do("dashboard")
    assert "\x1b" not in picture
    assert "of 200 connections" in picture and "POOLER" in picture


def test_a_down_server_fails_its_checks_with_hints(managed):
    managed.do("stop", "standby2")
    try:
        answer = managed.json("check")
        failed = [c for c in answer["checks"] if c["outcome"] == "FAIL"]
        assert any(c["name"] == "standby: answers" for c in failed)
        assert all("standby2" in c["problem"] and c["hint"] for c in failed if c["name"].startswith("standby"))
        assert managed.run("lag").returncode == 2
        assert "down" in managed.do("dashboard")
    finally:
        managed.do("start", "standby2")
    managed.do("check")


def test_json_is_one_object_everywhere(managed):
    for arguments in [("status",), ("check",), ("lag",), ("health", "primary"), ("init",), ("start",)]:
        done = managed.run("--json", *arguments)
        answer = json.loads(done.stdout)
        assert answer["command"] == arguments[0] and answer["exit_code"] == done.returncode
        assert done.stderr == ""
