"""Changes of primary by pgweirctl, under load; pgweirctl_deaths.py has what dies in the middle of them."""

import os
import re
import signal
import subprocess
import time

import pytest

from managed import Ledger
from pooler import seconds
from postgres import program, unprivileged


@pytest.mark.parametrize("routing", ["off", "on"])
def test_switchover_there_and_back_three_times_fails_no_transaction(make, routing):
    managed = make(standbys=2, routing=routing)
    assert managed.bench("-i", "-q", "-s", "5").wait() == 0
    load = managed.bench("-c", "50", "-j", "2", "-T", "30", "--max-tries", "1")
    pauses = []
    for target in ["standby1", "primary"] * 3:
        said = managed.do("switchover", "--to", target)
        pauses.append(float(re.search(r"Work was held for ([0-9.]+) s", said)[1]))
    output, _ = load.communicate(timeout=seconds(90))
    assert load.returncode == 0, output
    assert re.search(r"number of failed transactions: 0 ", output), output
    processed = int(re.search(r"transactions actually processed: (\d+)", output)[1])
    assert managed.ask("primary", "select count(*) from pgbench_history") == processed
    sums = "select (select sum(delta) from pgbench_history) = (select sum(abalance) from pgbench_accounts)"
    assert managed.ask("primary", sums)
    print(f"\nheld for at most {max(pauses):.2f} s of {pauses}; {processed} transactions")
    assert max(pauses) < seconds(15)


def test_switchover_to_another_machine_and_back(make):
    """Each machine has a root of its own; what is done on the other one is asked over the network."""
    managed = make(standbys=0, routing="on")
    managed.add_server("standby1")
    managed.do("init")
    there = ["--root", managed.another_machine(("replication", "prober", "admin", "app"))]
    managed.do(*there, "add-standby", "standby1")
    managed.console("reload")
    ledger = Ledger(managed)
    try:
        ledger.wait_for_another(20)
        managed.do("switchover", "--to", "standby1")
        ledger.wait_for_another(20)
        assert managed.ask("primary", "select pg_is_in_recovery()")
        managed.do(*there, "switchover", "--to", "primary")
        ledger.wait_for_another(20)
        assert not managed.ask("primary", "select pg_is_in_recovery()")
    finally:
        ledger.stop()
        managed.do(*there, "check")
        managed.do(*there, "stop", "standby1")
    assert ledger.errors == 0
    assert not ledger.lost("primary")


def test_switchover_to_another_machine_does_not_forget_for_whom_commits_wait(make):
    managed = make(standbys=0, settings={"sync": "on"}, pooler=False)
    managed.add_server("standby1")
    managed.do("init")
    there = ["--root", managed.another_machine(), "--set", "pooler.host="]
    managed.do(*there, "add-standby", "standby1")
    said = managed.refused("switchover", "--to", "standby1")
    assert "there: pgweirctl promote standby1; here: pgweirctl rejoin primary" in said
    assert not managed.ask("primary", "select pg_is_in_recovery()")
    managed.do(*there, "stop", "standby1")


@pytest.mark.parametrize("sync", ["off", "on"])
def test_a_lost_primary(make, sync):
    managed = make(settings={"sync": sync})
    ledger = Ledger(managed)
    try:
        ledger.wait_for_another(20)
        managed.kill_server("primary")
        time.sleep(0.2)
        begin = time.monotonic()
        said = managed.do("promote")
        ledger.wait_for_another(30)
        took = time.monotonic() - begin
    finally:
        ledger.stop()
    assert took < seconds(15), said
    lost = ledger.lost("standby1")
    print(f"\nsync = {sync}: writes after {took:.2f} s, {len(lost)} of {len(ledger.confirmed)} confirmed rows lost")
    if sync == "on":
        assert not lost
    managed.do("rejoin", "primary")
    managed.do("check")
    assert managed.primary_now() == "standby1"
    assert managed.ask("primary", "select pg_is_in_recovery()")
    expected = "ANY 1 (primary)" if sync == "on" else ""
    assert managed.superuser("standby1", "show synchronous_standby_names") == expected
    assert managed.superuser("primary", "show synchronous_standby_names") == ""


def test_an_old_primary_that_went_on_is_rewound(make):
    managed = make(pooler=False)
    managed.superuser("primary", "create table t as select 1 as x")
    managed.superuser("standby1", "select pg_wal_replay_pause()")
    managed.do("stop", "standby1")
    managed.superuser("primary", "create table lost as select 2 as x")
    managed.do("stop", "primary")
    managed.do("start", "standby1")
    managed.do("promote", "standby1")
    managed.superuser("standby1", "create table kept as select 3 as x")
    assert "(rewound)" in managed.do("rejoin", "primary")
    assert managed.superuser("primary", "select to_regclass('lost') is null") == "t"
    deadline = time.monotonic() + seconds(10)
    while managed.superuser("primary", "select to_regclass('kept') is not null") != "t":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    said = managed.json("status")["servers"]
    assert {s["name"] for s in said if s["healthy"]} == {"primary", "standby1"}


def test_what_cannot_be_rewound_is_copied_again_and_kept(make):
    managed = make(pooler=False)
    managed.kill_server("primary")
    managed.do("promote", "standby1")
    # A killed pg_rewind leaves its mark, and data of no use.
    with open(f"{managed.root}/primary.rewinding", "w", encoding="utf-8"):
        pass
    said = managed.do("rejoin", "primary")
    assert "copied again" in said
    subprocess.run(["test", "-e", f"{managed.root}/primary.backup/PG_VERSION"], check=True)
    assert managed.ask("primary", "select pg_is_in_recovery()")


def test_the_other_standby_follows_the_new_primary(make):
    managed = make(standbys=2, pooler=False)
    managed.kill_server("primary")
    managed.do("promote", "standby2")
    managed.superuser("standby2", "create table t as select 42 as x")
    deadline = time.monotonic() + seconds(10)
    while managed.superuser("standby1", "select to_regclass('t') is not null") != "t":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    managed.do("rejoin", "primary")
    slots = "select string_agg(slot_name, ' ' order by slot_name) from pg_replication_slots where active"
    assert managed.superuser("standby2", slots) == "primary_slot standby1_slot"
    assert managed.superuser("primary", "select count(*) from pg_replication_slots") == "0"
    assert managed.superuser("standby1", "select count(*) from pg_replication_slots") == "0"


def test_a_primary_that_answers_is_not_pushed_aside(make):
    managed = make(pooler=False)
    assert "two primaries" in managed.refused("promote", "standby1")
    # One that only refuses the log-in lives all the same.
    wrong = {**os.environ, "PGWEIR_PROBER_PASSWORD": "another one"}
    assert "two primaries" in managed.refused("promote", "standby1", "--force", env=wrong)
    assert managed.primary_now() == "primary"


def test_a_primary_that_hangs_on_another_machine_does_not_answer(make):
    managed = make(standbys=0, pooler=False)
    managed.add_server("standby1")
    managed.do("init")
    there = ["--root", managed.another_machine(), "--set", "pooler.host="]
    managed.do(*there, "add-standby")
    hanging = managed.postmaster("primary")
    os.kill(hanging, signal.SIGSTOP)
    try:
        managed.do(*there, "promote")
    finally:
        os.kill(hanging, signal.SIGCONT)
    managed.kill_server("primary")
    managed.do(*there, "stop", "standby1")


def test_no_standby_that_has_or_may_have_more_is_passed_over(make):
    managed = make(standbys=2, settings={"sync": "on"}, pooler=False)
    managed.do("stop", "standby1")
    managed.superuser("primary", "create table t as select 1 as x")
    managed.kill_server("primary")
    managed.do("start", "standby1")
    assert "standby2 (on 127.0.0.1) has received more than standby1" in managed.refused("promote", "standby1")
    managed.do("stop", "standby2")
    assert "standby2 (on 127.0.0.1) does not answer" in managed.refused("promote", "standby1")
    assert "standby2 (on 127.0.0.1) does not answer" in managed.refused("promote")
    assert managed.superuser("standby1", "select pg_is_in_recovery()") == "t"
    managed.do("promote", "standby1", "--force")
    assert managed.primary_now() == "standby1"


def test_a_long_transaction_stops_the_switchover_and_everything_goes_on(make):
    managed = make()
    with managed.through() as connection:
        connection.execute("create table t (x int)")
        connection.execute("begin")
        connection.execute("insert into t values (1)")
        said = managed.refused("switchover", "--wait", "1")
        assert "no switchover: primary is the primary as before" in said
        assert "SHOW CLIENTS" in said
        connection.execute("commit")
        assert connection.execute("select count(*) from t").fetchone() == (1,)
    assert managed.primary_now() == "primary"
    assert "has begun" not in managed.do("status")
    assert managed.superuser("standby1", "select count(*) from pg_replication_slots") == "0"
    managed.do("switchover")
    assert managed.primary_now() == "standby1"


def test_a_standby_that_does_not_follow_is_no_target(make):
    managed = make()
    managed.superuser("standby1", "alter system set primary_conninfo = ''")
    managed.superuser("standby1", "select pg_reload_conf()")
    deadline = time.monotonic() + seconds(10)
    while managed.superuser("primary", "select count(*) from pg_stat_replication") != "0":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    said = managed.refused("switchover", "--to", "standby1")
    assert "pgweirctl rejoin standby1" in said
    managed.do("rejoin", "standby1")
    managed.do("switchover", "--to", "standby1")


def test_a_standby_that_cannot_replay_leads_back(make):
    managed = make()
    managed.superuser("standby1", "select pg_wal_replay_pause()")
    managed.superuser("primary", "create table t as select 1 as x")
    said = managed.refused("switchover", "--to", "standby1")
    assert "standby1 has not replayed all" in said
    assert "primary is the primary as before" in said
    with managed.through() as connection:
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)


def test_without_its_console_nothing_is_stopped(make):
    managed = make(pooler=False)
    said = managed.refused("switchover")
    assert "console does not answer" in said and "[pooler]" in said
    assert managed.primary_now() == "primary"
    managed.do("--set", "pooler.host=", "switchover")
    assert managed.primary_now() == "standby1"


def test_a_dry_run_changes_nothing(make):
    managed = make(pooler=False)
    for arguments in [("switchover",), ("rejoin", "standby1"), ("backup",), ("remove-standby",), ("destroy",)]:
        said = managed.do("--dry-run", *arguments)
        assert "  done " not in said
    assert managed.primary_now() == "primary"
    assert managed.json("status")["ok"]


def test_two_runs_do_not_change_the_same_cluster(make):
    managed = make(pooler=False)
    said = {}

    def meanwhile(process):
        os.kill(process.pid, signal.SIGSTOP)
        try:
            said["refused"] = managed.refused("restart", "standby1")
            managed.do("status")
            managed.do("--dry-run", "restart")
            managed.do("backup")
        finally:
            os.kill(process.pid, signal.SIGCONT)

    alone = ["--set", "pooler.host="]
    came_so_far, code, output = managed.act_after(1, meanwhile, *alone, "switchover")
    assert came_so_far and code == 0, output
    assert f"another pgweirctl works in {managed.root}" in said["refused"]
    managed.do("restart")  # no server that was started holds the lock


def test_two_primaries_are_not_well(make):
    managed = make(pooler=False)
    managed.superuser("standby1", "select pg_promote()")
    assert "standby1 and primary are primaries at the same time" in managed.refused("status")


def test_a_replaced_primary_is_not_started_again(make):
    managed = make(pooler=False)
    managed.kill_server("primary")
    managed.do("promote", "standby1")
    assert "pgweirctl rejoin primary" in managed.do("start")
    assert "pgweirctl rejoin primary" in managed.refused("start", "primary")
    assert managed.primary_now() == "standby1"
    # When nothing runs, what was written down decides.
    managed.do("stop")
    assert "left out" in managed.do("start")
    assert managed.primary_now() == "standby1"


def test_synchronous_replication_survives_a_switchover(make):
    managed = make(standbys=2, settings={"sync": "on"})
    ledger = Ledger(managed)
    try:
        ledger.wait_for_another(20)
        managed.do("switchover", "--to", "standby2")
        ledger.wait_for_another(20)
    finally:
        ledger.stop()
    assert ledger.errors == 0 and not ledger.lost("standby2")
    names = {name: managed.superuser(name, "show synchronous_standby_names") for name in managed.names}
    waited_for = set(re.findall(r"\w+", names.pop("standby2").removeprefix("ANY 1")))
    assert waited_for == {"primary", "standby1"}
    assert set(names.values()) == {""}


def test_impatience_does_not_leave_work_held(make):
    managed = make()
    with managed.through() as connection:
        connection.execute("begin")
        connection.execute("select 1")
        with subprocess.Popen(
            managed.command("switchover", "--wait", "20"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            deadline = time.monotonic() + seconds(20)
            while not any(row[0] == "connect" and str(row[-2]) == "1" for row in managed.console("show databases")):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.terminate()
            output, _ = process.communicate(timeout=seconds(60))
        assert "primary is the primary as before" in output
        connection.execute("commit")
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)
    assert managed.primary_now() == "primary"


def test_a_change_that_somebody_else_has_decided_is_over(make):
    """A switchover got stuck when the old primary was stopped, and then another standby was promoted."""
    managed = make(standbys=2, pooler=False)
    alone = ["--set", "pooler.host="]
    failing = managed.own_pg_ctl('case "$*" in *promote*) exit 1;; esac')
    said = managed.refused(*alone, *failing, "switchover", "--to", "standby1")
    assert "may or may not have been promoted" in said
    managed.superuser("standby2", "select pg_promote()")
    assert "pgweirctl rejoin primary finishes it" in managed.run("status").stdout
    said = managed.refused(*alone, "switchover", "--to", "standby1")
    assert "standby2 has become the primary meanwhile" in said
    assert managed.superuser("standby1", "select pg_is_in_recovery()") == "t"
    managed.do("rejoin", "primary")
    assert managed.superuser("primary", "select pg_is_in_recovery()") == "t"
    assert "finishes it" not in managed.run("status").stdout


def test_two_ways_on_to_the_same_timeline_are_not_taken_for_one(make):
    managed = make(standbys=2, pooler=False)
    managed.kill_server("primary")
    for name in ("standby1", "standby2"):
        managed.superuser(name, "select pg_promote()")
    managed.superuser("standby2", "create table lost as select 1 as x")
    managed.do("stop", "standby2")
    said = managed.do("rejoin", "standby2")
    assert "copied again" in said and "timeline of the same number" in said
    assert managed.superuser("standby2", "select to_regclass('lost') is null") == "t"
    subprocess.run(["test", "-e", f"{managed.root}/standby2.backup/PG_VERSION"], check=True)


def test_data_that_are_newer_than_the_primarys_are_kept(make):
    """An old primary came up alone after a power failure, while its successor did not."""
    managed = make(pooler=False)
    managed.kill_server("primary")
    managed.do("promote", "standby1")
    managed.superuser("standby1", "create table kept as select 1 as x")
    managed.do("stop", "standby1")
    start = [program("pg_ctl"), "-D", f"{managed.root}/primary", "-w", "-s", "-l", f"{managed.root}/by_hand.log", "start"]
    subprocess.run(start, check=True, cwd="/", stdin=subprocess.DEVNULL, **unprivileged())
    said = managed.do("rejoin", "standby1")
    assert "copied again" in said and "timeline is the newer one" in said
    subprocess.run(["test", "-e", f"{managed.root}/standby1.backup/PG_VERSION"], check=True)
