"""Changes of primary in whose middle pgweirctl is killed, or a primary dies: what comes next finishes them."""

from managed import Ledger


def test_a_switchover_killed_anywhere_is_finished_by_the_next(make):
    managed = make()
    ledger = Ledger(managed)
    try:
        ledger.wait_for_another(20)
        here, there = "primary", "standby1"
        kills = 0
        for step in range(1, 30):
            killed = managed.kill_after(step, "switchover", "--to", there)
            kills += killed
            managed.do("switchover", "--to", there)
            assert managed.primary_now() == there, f"killed at step {step}"
            ledger.wait_for_another(20)
            here, there = there, here
            if not killed:
                break
        assert kills >= 8
        assert "has begun" not in managed.do("status")
    finally:
        ledger.stop()
    assert ledger.errors == 0
    assert not ledger.lost(here)
    managed.do("check")


def test_a_primary_that_dies_anywhere_in_a_switchover_loses_nothing(make):
    """It is killed after each step in turn, until it is stopped. The command then ends well, because its work was done, or
    says what state things are in; the servers come back by what it says, and the next switchover works."""
    managed = make(settings={"sync": "on"})
    ledger = Ledger(managed)
    here, there = "primary", "standby1"
    killed = []
    try:
        for step in range(1, 30):
            ledger.wait_for_another(20)

            def kill(_, server=here, step=step):
                try:
                    managed.kill_server(server)
                    killed.append(step)
                except FileNotFoundError:
                    pass

            _, code, said = managed.act_after(step, kill, "switchover", "--to", there)
            if code != 0:
                assert "is the primary as before" in said or f"pgweirctl start {here}" in said, said
                managed.do("start", here)
                ledger.wait_for_another(20)
                managed.do("switchover", "--to", there)
            assert managed.primary_now() == there, f"killed at step {step}: {said}"
            here, there = there, here
            if killed[-1:] != [step]:
                break
        ledger.wait_for_another(20)
    finally:
        ledger.stop()
    assert len(killed) >= 5
    assert not ledger.lost(here)
    managed.do("check")


def test_a_primary_that_dies_while_another_rejoins(make):
    managed = make(pooler=False)
    alone = ["--set", "pooler.host="]
    managed.kill_server("primary")
    managed.do(*alone, "promote")
    rejoin = [*alone, "rejoin", "primary"]
    came_so_far, code, said = managed.act_after(1, lambda _: managed.kill_server("standby1"), *rejoin)
    assert came_so_far and code == 1, said
    assert "pgweirctl rejoin primary" in said or "does not pass its checks" in said, said
    managed.do("start", "standby1")
    managed.do(*rejoin)
    assert managed.ask("primary", "select pg_is_in_recovery()")
    managed.do(*alone, "check")


def test_a_promotion_killed_anywhere_is_finished_by_the_next(make):
    managed = make()
    for step in range(1, 8):
        old = managed.primary_now()
        new = "standby1" if old == "primary" else "primary"
        managed.kill_server(old)
        killed = managed.kill_after(step, "promote", new)
        managed.do("promote", new)
        assert managed.primary_now() == new, f"killed at step {step}"
        with managed.through() as connection:
            assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)
        managed.do("rejoin", old)
        if not killed:
            break
    assert step > 3


def test_a_promotion_that_was_not_noted_any_more_is_seen_when_nothing_runs(make):
    managed = make(pooler=False)
    killed = managed.own_pg_ctl('[ "$1" = promote ] && $pg_ctl "$@" && kill -9 $PPID')
    managed.kill_server("primary")
    assert managed.run(*killed, "promote").returncode < 0
    managed.kill_server("standby1")
    said = managed.do("start")
    assert "left out" in said and "pgweirctl rejoin primary finishes it" in said
    assert managed.primary_now() == "standby1"
    managed.do("--set", "pooler.host=", "promote")
    managed.do("rejoin", "primary")


def test_a_promotion_that_comes_late_does_not_make_two_primaries(make):
    managed = make()
    late = managed.own_pg_ctl('[ "$1" = promote ] && { (sleep 2; $pg_ctl "$@") & exit 1; }')
    ledger = Ledger(managed)
    try:
        ledger.wait_for_another(20)
        managed.do(*late, "switchover", "--to", "standby1")
        ledger.wait_for_another(20)
    finally:
        ledger.stop()
    assert ledger.errors == 0 and not ledger.lost("standby1")
    assert managed.primary_now() == "standby1"


def test_a_rejoin_killed_anywhere_is_finished_by_the_next(make):
    managed = make(pooler=False)
    managed.kill_server("primary")
    managed.do("promote", "standby1")
    assert managed.finish_with_kills("rejoin", "primary") >= 2
    assert managed.ask("primary", "select pg_is_in_recovery()")
    managed.do("rejoin", "primary")
