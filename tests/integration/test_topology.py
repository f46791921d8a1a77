"""The servers of a routed database, watched while they are promoted, stopped, frozen and brought back."""

import os
import time

import pytest

from certificates import Authority
from harness import pgweir_only
from pooler import STATS, Pooler, seconds
from postgres import free_port, own_folder
from wire import ServerError, wait_until

pytestmark = pgweir_only

PATIENT = {"topology_interval": 1}  # a server that does not answer for three seconds is lost, and not after one


def routed(servers, more="", host="127.0.0.1"):
    """The entry of a database on these servers."""
    hosts = ",".join(host for _ in servers)
    ports = ",".join(str(server.port) for server in servers)
    return f"host={hosts} port={ports} dbname=app routing=auto {more}"


@pytest.fixture
def watch(start_pooler):
    """watch(servers, **settings): a pooler that routes the database app over them."""

    def start(servers, more="", host="127.0.0.1", **settings):
        settings = {"topology_user": "watcher", **settings}
        return start_pooler(server=None, databases={"app": routed(servers, more, host)}, **settings)

    return start


def rows(pooler, database="app"):
    """By port, each a dictionary."""
    return {int(row["port"]): row for row in pooler.show("TOPOLOGY") if row["database"] == database}


def states(pooler):
    return {port: (row["role"], row["state"]) for port, row in rows(pooler).items()}


def expect(pooler, expected):
    """Waits until each server is what is expected of it: {server: (role, state)}."""
    wanted = {server.port: what for server, what in expected.items()}
    last = {}

    def reached():
        last.clear()
        last.update(states(pooler))
        return all(last.get(port) == what for port, what in wanted.items())

    try:
        wait_until(reached, f"{wanted}", seconds(30))
    except AssertionError as failure:
        raise AssertionError(f"{failure}, but {rows(pooler)}\n{pooler.log()}") from None


def why(pooler, server):
    return rows(pooler)[server.port]["why"]


PRIMARY = ("primary", "serving")
STANDBY = ("standby", "serving")
LATE = ("standby", "late")
OUTDATED = ("standby", "outdated")
FENCED = ("primary", "fenced")
GONE = ("unknown", "unreachable")


@pytest.fixture
def three(replicas):
    """A primary and two standbys."""
    return replicas.servers[0], replicas.add(), replicas.add()


# What is shown


def test_roles_and_positions_are_shown(watch, three):
    primary, first, second = three
    pooler = watch(three, "weight=1,2,3")
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    shown = rows(pooler)
    assert [row["weight"] for row in shown.values()] == ["1", "2", "3"]
    for row in shown.values():
        assert row["host"] == row["address"] == "127.0.0.1"
        assert row["timeline"] == "1" and row["why"] == ""
        assert primary.ask(f"select '{row['lsn']}'::pg_lsn <= pg_current_wal_insert_lsn()")
    assert shown[primary.port]["received"] is None and shown[primary.port]["lag_bytes"] is None
    assert primary.ask(f"select '{shown[first.port]['received']}'::pg_lsn <= pg_current_wal_insert_lsn()")
    primary.ask("create table t as select generate_series(1, 1000)")
    end = primary.ask("select pg_current_wal_insert_lsn()::text")

    def caught_up():
        now = rows(pooler)[second.port]
        return second.ask(f"select '{now['lsn']}'::pg_lsn >= '{end}'::pg_lsn") and now["lag_bytes"] == "0"

    wait_until(caught_up, "the standby has it, and so it is shown")


def test_whoever_may_look_may_look_here(watch, three):
    pooler = watch(three)
    assert len(pooler.show("TOPOLOGY", user=STATS)) == 3


def test_nothing_is_watched_without_routing(start_pooler, three):
    entry = routed(three).replace("routing=auto", "")
    pooler = start_pooler(server=None, databases={"app": entry}, topology_user="watcher")
    assert pooler.show("TOPOLOGY") == []
    assert three[0].backends("application_name = 'pgweir topology'") == 0


def test_databases_with_the_same_servers_are_watched_once(start_pooler, three):
    entry = routed(three)
    pooler = start_pooler(server=None, databases={"app": entry, "other": entry}, topology_user="watcher")
    expect(pooler, {three[0]: PRIMARY})
    shown = pooler.show("TOPOLOGY")
    assert {row["database"] for row in shown} == {"app", "other"}
    assert len({row["cluster"] for row in shown}) == 1
    assert three[0].backends("application_name = 'pgweir topology'") == 1


# Who may ask


def test_nobody_to_ask_as_is_told_at_start(three):
    pooler = Pooler(None, databases={"app": routed(three)})
    try:
        pooler.spawn()
        assert pooler.wait_for_exit() == 1
        assert "database app: its statements are routed" in pooler.log()
        assert "set topology_user and topology_password" in pooler.log()
    finally:
        pooler.remove()


def test_fenced_primary_stays_fenced_over_a_reload(watch, three):
    """Also where how servers are asked has changed, and when the one in use is lost."""
    old, first, second = three
    pooler = watch(three)
    expect(pooler, {old: PRIMARY, first: STANDBY, second: STANDBY})
    second.stop()
    old.stop("immediate")
    first.promote()
    expect(pooler, {first: PRIMARY})
    second.start()
    second.promote()
    expect(pooler, {first: PRIMARY, second: FENCED})
    pooler.databases["app"] = routed(three, "weight=1,3,1")
    pooler.reload()
    pooler.command("SET server_connect_timeout = 9")
    expect(pooler, {first: PRIMARY, second: FENCED})
    first.stop("immediate")
    expect(pooler, {first: GONE, second: FENCED})
    pooler.command("SET server_connect_timeout = 8")
    expect(pooler, {first: GONE, second: FENCED})
    time.sleep(seconds(1))
    assert states(pooler)[second.port] == FENCED
    pooler.databases["app"] = routed([old, second])
    pooler.reload()
    expect(pooler, {second: PRIMARY})


def test_reload_leaves_what_is_under_way(watch, three):
    """Whether it adds a host that there is or one that there is not, or how servers are asked changes."""
    pooler = watch(three[:2])
    expect(pooler, {three[0]: PRIMARY, three[1]: STANDBY})
    with pooler.client() as client:
        assert client.query("begin; create temp table under_way (a int) on commit drop").status == "T"
        pooler.databases["app"] = routed(three)
        pooler.reload()
        assert client.query("insert into under_way values (1)").tags == ["INSERT 0 1"]
        expect(pooler, {three[0]: PRIMARY, three[2]: STANDBY})
        nobody = free_port()
        ports = ",".join(str(port) for port in [*(server.port for server in three), nobody])
        pooler.databases["app"] = f"host={','.join(['127.0.0.1'] * 4)} port={ports} dbname=app routing=auto"
        pooler.reload()
        assert client.query("insert into under_way values (2)").tags == ["INSERT 0 1"]
        pooler.command("SET server_connect_timeout = 7")
        assert client.query("insert into under_way values (3)").tags == ["INSERT 0 1"]
        expect(pooler, {three[0]: PRIMARY, three[1]: STANDBY})
        assert client.query("commit").tags == ["COMMIT"]


def test_nobody_to_ask_as_fails_a_reload(watch, three):
    pooler = watch(three)
    expect(pooler, {three[0]: PRIMARY})
    pooler.settings["topology_user"] = ""
    with pytest.raises(ServerError):
        pooler.reload()
    assert "set topology_user and topology_password" in pooler.log()
    expect(pooler, {three[0]: PRIMARY})


def test_password_comes_from_its_file(watch, three):
    primary = three[0]
    primary.ask("alter role watcher password 'a secret'")
    for server in three:
        with open(f"{server.data}/pg_hba.conf", "w", encoding="utf-8") as file:
            file.write("host all watcher 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
            file.write("host replication all 127.0.0.1/32 trust\n")
        loaded = server.ask("select pg_conf_load_time()")
        server.ask("select pg_reload_conf()")
        wait_until(lambda s=server: s.ask("select pg_conf_load_time()") > loaded, "its file is read")
    folder = own_folder(str(three[0].folder) + "/secrets")
    path = f"{folder}/password"
    with open(path, "w", encoding="utf-8") as file:
        file.write("wrong\n")
    os.chmod(path, 0o644)
    pooler = watch(three, topology_password=path)
    expect(pooler, {server: GONE for server in three})
    assert "password authentication failed" in why(pooler, primary)
    assert f"chmod 640 {path}" in pooler.log()
    with open(path, "w", encoding="utf-8") as file:
        file.write("a secret\n")
    pooler.command("RELOAD")
    expect(pooler, {primary: PRIMARY, three[1]: STANDBY})
    assert "a secret" not in pooler.log()


def test_ordinary_role_is_told_what_to_grant(watch, three):
    primary, first, second = three
    pooler = watch(three, topology_user="ordinary")
    expect(pooler, {primary: PRIMARY, first: LATE, second: LATE})
    assert 'GRANT pg_monitor TO "ordinary"' in why(pooler, first)
    assert rows(pooler)[first.port]["timeline"] is None
    assert rows(pooler)[first.port]["lag_bytes"] is None, "NULL is not 0"
    primary.ask("grant pg_monitor to ordinary")
    expect(pooler, {first: STANDBY, second: STANDBY})


# Ways to a server


def test_name_is_resolved_and_the_address_that_answers_is_shown(watch, three):
    pooler = watch(three, host="localhost")
    expect(pooler, {three[0]: PRIMARY, three[1]: STANDBY})
    for row in rows(pooler).values():
        assert row["host"] == "localhost" and row["address"] == "127.0.0.1"


def test_name_that_leads_nowhere_is_told(start_pooler, three):
    primary, first, _ = three
    entry = f"host=127.0.0.1,nowhere.invalid port={primary.port},{first.port} routing=auto"
    pooler = start_pooler(server=None, databases={"app": entry}, topology_user="watcher")
    expect(pooler, {primary: PRIMARY, first: GONE})
    assert "the name nowhere.invalid leads nowhere" in why(pooler, first)


def test_servers_are_reached_by_their_sockets(watch, three):
    pooler = watch(three, host=three[0].folder)
    expect(pooler, {three[0]: PRIMARY, three[1]: STANDBY})
    assert rows(pooler)[three[0].port]["address"] == three[0].folder


def test_servers_are_asked_over_tls(watch, three):
    primary, first, _ = three
    authority, stranger = Authority(primary.folder), Authority(primary.folder, "stranger")
    certificate, key = authority.server()
    for server in (primary, first):
        with open(f"{server.data}/postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write(f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n")
        server.ask("select pg_reload_conf()")
        wait_until(lambda: server.ask("show ssl") == "on", "it has TLS")
    tls = {"server_tls_sslmode": "verify-full", "server_tls_ca_file": authority.certificate}
    pooler = watch(three, **tls)
    expect(pooler, {primary: PRIMARY, first: STANDBY, three[2]: GONE})
    assert "does not support SSL" in why(pooler, three[2])
    assert primary.ask(
        "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid)"
        " where application_name = 'pgweir topology'"
    )
    pooler.reload(server_tls_ca_file=stranger.certificate)
    expect(pooler, {primary: GONE, first: GONE})
    assert "certificate verify failed" in why(pooler, primary)
    pooler.databases["app"] = routed(three, f"sslmode=verify-ca sslrootcert={authority.certificate}")
    pooler.reload()
    expect(pooler, {primary: PRIMARY, first: STANDBY})


# How far standbys are


def test_standby_that_does_not_replay_is_late(watch, three):
    primary, first, second = three
    pooler = watch(three, max_standby_lag="256kB", max_standby_lag_time=0)
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    first.ask("select pg_wal_replay_pause()")
    wait_until(lambda: first.ask("select pg_get_wal_replay_pause_state()") == "paused", "it is paused")
    primary.ask("create table t as select generate_series(1, 20000)")
    expect(pooler, {first: LATE, second: STANDBY})
    assert "behind (max_standby_lag)" in why(pooler, first)
    assert int(rows(pooler)[first.port]["lag_bytes"]) > 256 * 1024
    first.ask("select pg_wal_replay_resume()")
    expect(pooler, {first: STANDBY})


def test_standby_that_stays_behind_for_long_is_late(watch, three):
    primary, first, _ = three
    pooler = watch(three, max_standby_lag=0, max_standby_lag_time=1)
    expect(pooler, {primary: PRIMARY, first: STANDBY})
    first.ask("select pg_wal_replay_pause()")
    wait_until(lambda: first.ask("select pg_get_wal_replay_pause_state()") == "paused", "it is paused")
    primary.ask("create table t()")
    expect(pooler, {first: LATE})
    assert "behind (max_standby_lag_time)" in why(pooler, first)
    pooler.command("SET max_standby_lag_time = 0")
    expect(pooler, {first: STANDBY})


def test_quiet_primary_makes_nobody_late(watch, three):
    """Also right after a switch of segments, where the primary's position is ahead of all that there is to send."""
    primary, first, second = three
    pooler = watch(three, max_standby_lag=8, max_standby_lag_time=0)
    primary.ask("create table t()")
    primary.ask("select pg_switch_wal()")
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    wait_until(lambda: rows(pooler)[first.port]["lag_bytes"] == "0", "nothing is left to send")


# Servers that do not answer


def test_frozen_standby_is_unreachable_until_it_goes_on(watch, three):
    primary, first, second = three
    pooler = watch(three)
    expect(pooler, {primary: PRIMARY, first: STANDBY})
    first.freeze()
    expect(pooler, {first: GONE})
    assert why(pooler, first) == "it does not answer"
    assert states(pooler)[second.port] == STANDBY
    first.thaw()
    expect(pooler, {first: STANDBY})


def test_frozen_primary_is_lost_and_standbys_serve_on(watch, three):
    primary, first, second = three
    pooler = watch(three)
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    primary.freeze()
    expect(pooler, {primary: GONE, first: STANDBY, second: STANDBY})
    assert "there is no primary any more" in pooler.log()
    primary.thaw()
    expect(pooler, {primary: PRIMARY})


def test_stopped_primary_comes_back(watch, three):
    primary, first, second = three
    pooler = watch(three, **PATIENT)
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    primary.stop("immediate")
    expect(pooler, {primary: GONE, first: STANDBY, second: STANDBY})
    wait_until(lambda: "Connection refused" in why(pooler, primary), "nobody listens there")
    primary.start()
    expect(pooler, {primary: PRIMARY})
    assert pooler.log().count("is the primary, on timeline 1") == 2


def test_broken_connection_alone_loses_no_primary(watch, three):
    primary = three[0]
    pooler = watch(three, **PATIENT)
    expect(pooler, {primary: PRIMARY, three[1]: STANDBY})

    def backend():
        return primary.ask("select pid from pg_stat_activity where application_name = 'pgweir topology'")

    before = backend()
    primary.terminate_backends("application_name = 'pgweir topology'")
    wait_until(lambda: backend() not in (None, before), "it is connected again")
    expect(pooler, {primary: PRIMARY})
    assert "there is no primary any more" not in pooler.log()


# Changes of the primary


def test_promoted_standby_is_primary_and_the_old_one_is_fenced(watch, three, replicas):
    primary, first, second = three
    pooler = watch(three)
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    primary.stop("immediate")
    first.promote()
    expect(pooler, {primary: GONE, first: PRIMARY, second: OUTDATED})
    assert rows(pooler)[first.port]["timeline"] == "2"
    assert "does not follow the new primary" in why(pooler, second)
    replicas.follow(second, first)
    expect(pooler, {first: PRIMARY, second: STANDBY})
    assert rows(pooler)[second.port]["timeline"] == "2"
    primary.start()
    expect(pooler, {primary: FENCED, first: PRIMARY, second: STANDBY})
    assert "make it a standby of the new primary" in why(pooler, primary)


def test_promotion_beside_a_living_primary_wins(watch, three):
    primary, first, _ = three
    pooler = watch(three, **PATIENT)
    expect(pooler, {primary: PRIMARY, first: STANDBY})
    first.promote()
    expect(pooler, {primary: FENCED, first: PRIMARY})
    assert "there is no primary any more" not in pooler.log()


def test_of_two_promoted_standbys_the_one_in_use_stays(watch, three):
    primary, first, second = three
    pooler = watch(three)
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    primary.stop("immediate")
    first.promote()
    expect(pooler, {first: PRIMARY})
    second.promote()
    expect(pooler, {first: PRIMARY, second: FENCED})
    assert "which is in use" in why(pooler, second)
    first.stop("immediate")
    expect(pooler, {first: GONE, second: FENCED})
    first.start()
    expect(pooler, {first: PRIMARY, second: FENCED})


def test_two_primaries_at_start_get_no_writes(watch, three):
    primary, first, second = three
    primary.stop("immediate")
    first.promote()
    second.promote()
    for server in (first, second):  # its first connection takes longer, and at start who is slow is not waited for
        assert server.ask("select pg_is_in_recovery()") is False
    pooler = watch(three)
    expect(pooler, {primary: GONE, first: FENCED, second: FENCED})
    assert "neither gets writes" in why(pooler, first)
    pooler.databases["app"] = routed((primary, second))
    pooler.reload()
    expect(pooler, {second: PRIMARY})


def test_server_of_another_cluster_is_foreign(watch, three, cluster):
    primary, first, _ = three
    stranger = cluster.primary
    pooler = watch((stranger, primary, first), topology_user="postgres")
    expect(pooler, {primary: PRIMARY, first: STANDBY, stranger: ("primary", "foreign")})
    assert "system identifier" in why(pooler, stranger)


# What a reload and a restart do


def test_reload_adds_and_removes_a_host(watch, three):
    primary, first, second = three
    pooler = watch((primary, first))
    expect(pooler, {primary: PRIMARY, first: STANDBY})
    backends = "select pid from pg_stat_activity where application_name = 'pgweir topology'"
    before = primary.ask(backends)
    pooler.databases["app"] = routed(three)
    pooler.reload()
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    assert primary.ask(backends) == before, "who was watched already is not disturbed"
    pooler.databases["app"] = routed((primary, second))
    pooler.reload()
    expect(pooler, {primary: PRIMARY, second: STANDBY})
    assert first.port not in states(pooler)
    wait_until(lambda: first.ask(backends) is None, "and who is not watched any more is left alone")


def test_reload_that_changes_nothing_disturbs_nobody(watch, three):
    pooler = watch(three, **PATIENT)
    expect(pooler, {three[0]: PRIMARY})
    (cluster,) = {row["cluster"] for row in pooler.show("TOPOLOGY")}
    pooler.reload(topology_interval=0.95)
    assert {row["cluster"] for row in pooler.show("TOPOLOGY")} == {cluster}
    assert states(pooler)[three[0].port] == PRIMARY
    assert pooler.log().count("is the primary") == 1


@pytest.mark.parametrize("remembers", [True, False])
def test_restart_does_not_take_an_old_primary_for_the_new_one(watch, three, remembers):
    primary, first, second = three
    folder = own_folder(f"{primary.folder}/state")
    settings = {"topology_state_file": f"{folder}/topology"} if remembers else {}
    pooler = watch(three, **settings)
    expect(pooler, {primary: PRIMARY, first: STANDBY, second: STANDBY})
    primary.stop("immediate")
    first.promote()
    expect(pooler, {first: PRIMARY})
    first.stop("immediate")
    primary.start()
    again = watch(three, **settings)
    if remembers:
        expect(again, {primary: FENCED, first: GONE})
        first.start()
        expect(again, {primary: FENCED, first: PRIMARY})
    else:
        expect(again, {primary: PRIMARY, first: GONE})


def test_state_file_that_cannot_be_read_is_told_at_start(three):
    folder = own_folder(f"{three[0].folder}/state")
    with open(f"{folder}/topology", "w", encoding="utf-8") as file:
        file.write("what is this\n")
    settings = {"topology_user": "watcher", "topology_state_file": f"{folder}/topology"}
    pooler = Pooler(None, settings, databases={"app": routed(three)})
    try:
        pooler.spawn()
        assert pooler.wait_for_exit() == 1
        assert "expected a system identifier, a timeline and hosts" in pooler.log()
    finally:
        pooler.remove()


def test_servers_that_nobody_can_reach_hold_up_nothing(start_pooler):
    """Neither the start, nor the end."""
    entry = f"host=127.0.0.1,127.0.0.1 port={free_port()},{free_port()} routing=auto"
    pooler = start_pooler(server=None, databases={"app": entry}, topology_user="watcher")
    wait_until(
        lambda: {state for _, state in states(pooler).values()} == {"unreachable"}, "both are unreachable"
    )
