"""Clusters from an empty folder, or around a server that is there, to nothing; what can go wrong on the way."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest

from certificates import Authority
from managed import Managed
from pooler import seconds
from postgres import children, own_folder, program, unprivileged
from wire import wait_until


@pytest.fixture
def new():
    """new(standbys=…, settings=…): a cluster's file, and what comes of it gone after the test."""
    made = []

    def one(standbys=1, settings=None):
        managed = Managed(standbys, settings)
        made.append(managed)
        return managed

    yield one
    for managed in made:
        managed.remove()


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)


def test_destroy_leaves_nothing_and_asks_first(new):
    managed = new(standbys=2).make()
    said = managed.refused("destroy")
    assert "--yes" in said and os.path.exists(f"{managed.root}/primary/PG_VERSION")
    processes = [managed.postmaster(name) for name in managed.names]
    managed.do("destroy", "--yes")
    assert files_below(managed.root) == [] and os.listdir(managed.folder) == ["cluster.ini"]
    for process in processes:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8") as file:
                assert file.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            pass
    managed.do("destroy", "--yes")


def test_a_folder_in_one_of_roots_goes_too(new):
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that others cannot remove")
    managed = new(standbys=0)
    parent = f"{managed.folder}/roots"
    os.mkdir(parent)
    root = ["--root", f"{parent}/cluster"]
    managed.do(*root, "init")
    managed.do(*root, "destroy", "--yes")
    assert os.listdir(parent) == []


def test_everything_killed_anywhere_is_finished_by_the_next(new):
    managed = new()
    assert managed.finish_with_kills("init") >= 3
    managed.do("init")
    assert managed.finish_with_kills("add-standby") >= 1
    managed.do("add-standby")
    managed.do("--set", "pooler.host=", "check", "--exercise")
    assert [name for name in os.listdir(managed.root) if "incoming" in name] == []


def test_a_removed_standby_leaves_no_slot(new):
    managed = new(standbys=2, settings={"sync": "on"}).make()
    assert managed.superuser("primary", "show synchronous_standby_names") == "ANY 1 (standby1, standby2)"
    managed.do("remove-standby", "standby1")
    assert not os.path.exists(f"{managed.root}/standby1")
    assert managed.superuser("primary", "select string_agg(slot_name, '') from pg_replication_slots") == "standby2_slot"
    assert managed.superuser("primary", "show synchronous_standby_names") == "ANY 1 (standby2)"
    managed.do("remove-standby", "standby1")
    managed.do("remove-standby", "standby2", "--keep-data")
    assert os.path.exists(f"{managed.root}/standby2/PG_VERSION")
    managed.ask("primary", "select 1")
    with managed.connect("primary") as connection:
        connection.execute("create table t (x int)")  # nobody is waited for


def test_commits_do_not_stop_waiting_because_nobody_streams_just_now(new):
    managed = new(settings={"sync": "on"})
    managed.do("init")
    managed.do("--dry-run", "add-standby")
    managed.do("add-standby")
    rule = "show synchronous_standby_names"
    managed.do("stop", "standby1")
    # It changes a role, and does not wait for the standby itself.
    assert "stays as it is" in managed.do("init", env={**os.environ, "PGWEIR_PROBER_PASSWORD": "another one"})
    assert "stays as it is (no standby streams)" in managed.do("init")
    assert managed.superuser("primary", rule) == "ANY 1 (standby1)"
    managed.do("stop", "primary")
    assert "stays as it is" in managed.do("init")
    assert managed.superuser("primary", rule) == "ANY 1 (standby1)"
    managed.do("stop", "primary")
    assert "which standbys stream" in managed.refused("remove-standby", "standby1")
    managed.do("start")
    managed.do("--set", "pooler.host=", "check")
    with open(f"{managed.root}/primary/pgweir_sync.conf", "w", encoding="utf-8"):
        pass
    managed.superuser("primary", "select pg_reload_conf()")
    wait_until(lambda: managed.superuser("primary", rule) == "", "commits wait for nobody")
    assert "stays as it is" not in managed.do("init")
    assert managed.superuser("primary", rule) == "ANY 1 (standby1)"


def test_looking_needs_no_right_to_write(new):
    """As for the timer of monitor install, for which the whole file system can only be read."""
    managed = new().make()
    wait_until(lambda: managed.run("lag").returncode == 0, "the standby tells its lag")
    os.chmod(managed.root, 0o555)
    try:
        for command in (["lag"], ["health", "primary"], ["status"], ["dashboard"], ["--set", "pooler.host=", "check"]):
            managed.do(*command)
        assert "cannot write" in managed.refused("restart")
    finally:
        os.chmod(managed.root, 0o755)


def test_restart(new):
    managed = new().make()
    before = {name: managed.postmaster(name) for name in managed.names}
    managed.do("restart", "standby1")
    assert managed.postmaster("primary") == before["primary"]
    assert managed.postmaster("standby1") != before["standby1"]
    managed.do("restart")
    assert managed.postmaster("primary") != before["primary"]
    managed.do("--set", "pooler.host=", "check")


def test_backups_are_verified_and_old_ones_go_with_their_archive(new):
    managed = new(standbys=0)
    managed.settings["cluster"].update(archive_dir=f"{managed.root}/archive", backups_kept=2)
    managed.write()
    managed.make()
    taken = []
    # What is not ours stays, what a killed run left goes.
    others = ["20200101T000000Z", "before-upgrade"]
    own_folder(f"{managed.root}/backups")
    for name in [*others, "20200101T000000Z.incoming"]:
        own_folder(f"{managed.root}/backups/{name}")
    for _ in range(3):
        managed.superuser("primary", "create table if not exists t (x int); insert into t values (1)")
        managed.do("backup")
        present = set(os.listdir(f"{managed.root}/backups")) - set(others)
        newest = max(present - set(taken))
        taken.append(newest)
        managed.superuser("primary", "select pg_switch_wal()")
        time.sleep(1.1)  # backups are named by the second
    assert sorted(os.listdir(f"{managed.root}/backups")) == sorted([*taken[1:], *others])
    with open(f"{managed.root}/backups/{taken[1]}/backup_label", encoding="utf-8") as file:
        first = file.readline().split("(file ")[1][:24]
    archived = [name for name in os.listdir(f"{managed.root}/archive") if len(name) == 24]
    assert archived and min(archived) >= first
    # What was kept can be started.
    copy = f"{managed.folder}/restored"
    shutil.copytree(f"{managed.root}/backups/{taken[-1]}", copy)
    os.chmod(copy, 0o700)
    subprocess.run(["chown", "-R", "postgres", copy], check=False)
    check = [program("pg_verifybackup"), "-q", copy]
    assert subprocess.run(check, check=False, **unprivileged()).returncode == 0
    # The last one stays, also when the clock was once ahead.
    ahead = "30000101T000000Z"
    os.rename(f"{managed.root}/backups/{taken[-1]}", f"{managed.root}/backups/{ahead}")
    managed.do("--set", "cluster.backups_kept=1", "backup")
    left = set(os.listdir(f"{managed.root}/backups")) - set(others)
    assert len(left) == 1 and left.isdisjoint([*taken, ahead])


def test_a_segment_that_was_archived_and_not_noted_holds_nothing_up(new):
    managed = new(standbys=0)
    managed.settings["cluster"].update(archive_dir=f"{managed.root}/archive")
    managed.write()
    managed.make()
    managed.superuser("primary", "checkpoint; create table t (x int); select pg_switch_wal()")
    notes = f"{managed.root}/primary/pg_wal/archive_status"

    def noted():
        return sorted(name[:24] for name in os.listdir(notes) if name.endswith(".done") and len(name) == 29)

    wait_until(noted, "a segment is archived")
    segment = noted()[-1]
    managed.do("stop")
    os.rename(f"{notes}/{segment}.done", f"{notes}/{segment}.ready")
    managed.do("start")
    wait_until(lambda: segment in noted(), "it counts as archived")
    # Another one of its name is no success, and stays.
    with open(f"{managed.root}/archive/{segment}", "r+b") as file:
        file.write(b"other")
    managed.do("stop")
    os.rename(f"{notes}/{segment}.done", f"{notes}/{segment}.ready")
    managed.do("start")
    wait_until(lambda: managed.superuser("primary", "select failed_count > 0 from pg_stat_archiver") == "t", "it fails")
    with open(f"{managed.root}/archive/{segment}", "rb") as file:
        assert file.read(5) == b"other"


def test_replication_is_refused_without_tls_when_certificates_are_given(new):
    managed = new()
    authority = Authority(own_folder(f"{managed.folder}/tls"))
    certificate, key = authority.server()
    authority.hand_over(key)
    managed.settings["cluster"].update(tls_cert_file=certificate, tls_key_file=key, tls_ca_file=authority.certificate)
    managed.write()
    managed.make()
    encrypted = "select string_agg(ssl::text, ' ') from pg_stat_ssl join pg_stat_replication using (pid)"
    assert managed.superuser("primary", encrypted) == "true"
    with open(f"{managed.root}/primary/pg_hba.conf", encoding="utf-8") as file:
        rules = [line.split() for line in file if "replicator" in line and not line.startswith("#")]
    assert rules and all(rule[0] == "hostssl" for rule in rules)


class Existing:
    """A server as Debian's packages make it: configuration, data and socket each in a place of its own."""

    def __init__(self, folder, port):
        self.data, self.etc, self.run = f"{folder}/old/data", f"{folder}/old/etc", f"{folder}/old/run"
        for path in (f"{folder}/old", self.etc, self.run):
            own_folder(path)
        self.call("initdb", "-D", self.data, "-U", "postgres", "--auth-local=peer", "--auth-host=scram-sha-256")
        for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
            shutil.move(f"{self.data}/{name}", f"{self.etc}/{name}")
        with open(f"{self.etc}/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(
                f"data_directory = '{self.data}'\nhba_file = '{self.etc}/pg_hba.conf'\n"
                f"ident_file = '{self.etc}/pg_ident.conf'\nport = {port}\n"
                f"unix_socket_directories = '{self.run}'\nwal_level = minimal\nmax_wal_senders = 0\n"
            )
        self.call("pg_ctl", "start", "-w", "-D", self.etc, "-l", f"{self.run}/log")
        self.call("psql", "-X", "-h", self.run, "-p", str(port), "-U", "postgres", "-c", "create table precious as select 42 as x")

    def call(self, name, *arguments):
        done = subprocess.run(
            [program(name), *arguments], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **unprivileged()
        ) if name != "pg_ctl" else subprocess.run(
            [program(name), *arguments], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **unprivileged()
        )
        assert done.returncode == 0, done.stdout


def test_an_existing_server_becomes_the_primary_and_outlives_the_cluster(new):
    managed = new()
    existing = Existing(managed.folder, managed.ports["primary"])
    managed.settings["primary"].update(data_dir=existing.data, config_dir=existing.etc)
    managed.write()
    try:
        managed.do("init")
        assert "  done " not in managed.do("init")
        managed.do("add-standby")
        managed.do("--set", "pooler.host=", "check", "--exercise")
        assert managed.superuser("primary", "select x from precious") == "42"
        assert managed.superuser("standby1", "select x from precious") == "42"
        assert os.path.exists(f"{existing.etc}/postgresql.conf.backup")
        assert "stays" in managed.do("destroy", "--yes")
        assert os.path.exists(f"{existing.data}/PG_VERSION")
        assert not os.path.exists(f"{managed.root}/standby1")
    finally:
        subprocess.run(
            [program("pg_ctl"), "stop", "-m", "immediate", "-D", existing.data],
            check=False, capture_output=True, **unprivileged(),
        )


# What is wrong is named, nothing is lost, and the next run finishes the work.


def test_a_data_directory_that_holds_something_else(new):
    managed = new()
    own_folder(managed.root)
    own_folder(f"{managed.root}/primary")
    with open(f"{managed.root}/primary/letter", "w", encoding="utf-8") as file:
        file.write("precious")
    assert "is not empty" in managed.refused("init")
    with open(f"{managed.root}/primary/letter", encoding="utf-8") as file:
        assert file.read() == "precious"
    os.remove(f"{managed.root}/primary/letter")
    managed.do("init")


def test_an_access_rule_that_is_no_rule(new):
    managed = new(standbys=0).make()
    rules = f"{managed.root}/primary/pg_hba.conf"
    with open(rules, encoding="utf-8") as file:
        good = file.read()
    with open(rules, "a", encoding="utf-8") as file:
        file.write("host all all 10.0.0.5 scram-sha-256\n")
    said = managed.refused("init")
    assert f"{rules}\n" in said and f"line {good.count(chr(10)) + 1}: invalid IP mask" in said
    managed.superuser("primary", "select pg_reload_conf()")  # takes over nothing, whatever it answers
    assert "does not accept its access rules" in managed.refused("init")
    with open(rules, "w", encoding="utf-8") as file:
        file.write(good)
    managed.do("init")


def test_a_data_directory_that_everybody_may_read(new):
    managed = new(standbys=0)
    managed.make()
    managed.do("stop")
    os.chmod(f"{managed.root}/primary", 0o755)
    managed.do("init")
    assert os.stat(f"{managed.root}/primary").st_mode & 0o777 == 0o700


def test_a_slot_that_exists(new):
    managed = new()
    managed.do("init")
    managed.superuser("primary", "select pg_drop_replication_slot('standby1_slot')")
    managed.superuser("primary", "select pg_create_physical_replication_slot('standby1_slot', true)")
    managed.do("add-standby")


def test_a_wrong_password(new):
    managed = new()
    managed.do("init")
    said = managed.refused("add-standby", env={**os.environ, "PGWEIR_REPLICATION_PASSWORD": "not this one"})
    assert "password authentication failed" in said and "replication_networks" in said
    managed.do("add-standby")


def test_a_disk_that_fills_up(new):
    managed = new()
    managed.do("init")
    managed.superuser("primary", "create table big as select repeat(md5(n::text), 50) as t from generate_series(1, 20000) n")
    command = ["prlimit", "--fsize=17000000", *managed.command("add-standby")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1 and "pg_basebackup failed" in done.stderr, done.stdout + done.stderr
    assert not os.path.exists(f"{managed.root}/standby1")
    managed.do("add-standby")


@contextlib.contextmanager
def small_disk(managed, megabytes):
    """The folder of a file system of this size."""
    small = f"{managed.folder}/small"
    os.makedirs(small, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs", small]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        yield small
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_disk_that_is_too_small(new):
    managed = new()
    managed.do("init")
    with small_disk(managed, 2) as small:
        said = managed.refused("--set", f"standby1.data_dir={small}/data", "add-standby")
    assert "0.0 GB free, and 0.5 GB are needed" in said
    managed.do("add-standby")


def test_a_disk_that_somebody_else_fills_meanwhile(new):
    managed = new()
    managed.do("init")
    managed.superuser("primary", "create table big as select repeat(md5(n::text), 50) as t from generate_series(1, 200000) n")
    with small_disk(managed, 600) as small:
        to_it = ["--set", f"standby1.data_dir={small}/data"]
        command = managed.command(*to_it, "add-standby")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            wait_until(lambda: os.path.exists(f"{small}/data.incoming/base"), "the copy has begun")
            copying = children(process.pid)
            for child in copying:
                os.kill(child, signal.SIGSTOP)
            with open(f"{small}/big", "wb") as file:
                for _ in range(600):
                    try:
                        file.write(bytes(1 << 20))
                        file.flush()
                    except OSError:
                        break
            for child in copying:
                os.kill(child, signal.SIGCONT)
            said = process.communicate(timeout=seconds(120))[0]
        assert process.returncode == 1 and "No space left on device" in said, said
        assert not os.path.exists(f"{small}/data")
        os.remove(f"{small}/big")
        managed.do(*to_it, "add-standby")
        managed.do(*to_it, "stop", "standby1")


def test_a_primary_that_dies_in_the_middle(new):
    managed = new()
    managed.do("init")
    managed.superuser("primary", "create table big as select repeat(md5(n::text), 50) as t from generate_series(1, 200000) n")
    with subprocess.Popen(managed.command("add-standby"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        copy = f"{managed.root}/standby1.incoming/base"
        wait_until(lambda: os.path.exists(copy) or process.poll() is not None, "the copy has begun", every=0.005)
        managed.kill_server("primary")
        for child in subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout.splitlines():
            if "walsender replicator" in child and str(managed.ports["primary"]) in child:
                with contextlib.suppress(ProcessLookupError):  # it has noticed
                    os.kill(int(child.split()[0]), signal.SIGKILL)
        output = process.communicate(timeout=seconds(120))[0]
    if process.returncode != 0:  # else the copy was faster
        assert not os.path.exists(f"{managed.root}/standby1/PG_VERSION"), output
    managed.do("start", "primary")
    managed.do("add-standby")
    managed.do("--set", "pooler.host=", "check")


def test_another_version_on_the_standbys_machine(new):
    managed = new()
    managed.do("init")
    # The other machine has programs that say they are newer.
    elsewhere = managed.another_machine()
    programs = f"{managed.folder}/bin"
    os.mkdir(programs)
    for name in ("initdb", "pg_ctl", "pg_basebackup"):
        os.symlink(program(name), f"{programs}/{name}")
    with open(f"{programs}/postgres", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho 'postgres (PostgreSQL) 16.2'\n")
    os.chmod(f"{programs}/postgres", 0o755)
    there = ["--root", elsewhere]
    said = managed.refused(*there, "--set", f"cluster.bin_dir={programs}", "add-standby")
    assert "the primary is PostgreSQL 15" in said and "PostgreSQL 16" in said
    assert not os.path.exists(f"{elsewhere}/standby1")
    managed.do(*there, "add-standby")
    managed.do(*there, "stop", "standby1")


def test_a_standby_alone_on_its_machine_says_what_it_cannot_do(new):
    managed = new()
    managed.do("init")
    there = ["--root", managed.another_machine(), "--set", "pooler.host="]
    managed.do(*there, "add-standby")
    said = managed.refused(*there, "switchover")
    assert "on another machine" in said and "pgweirctl switchover --to standby1" in said
    managed.do("stop", "primary")
    managed.do(*there, "promote")
    managed.do("--set", "pooler.host=", "rejoin", "primary")
    assert managed.ask("primary", "select pg_is_in_recovery()")
    managed.do(*there, "stop", "standby1")
