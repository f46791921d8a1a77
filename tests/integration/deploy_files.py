"""What deploy/ holds: the Compose file is sound, the units too, and the containers' scripts do their work on servers of
this machine, with the variables and mounts that the Compose file gives them."""

import glob
import os
import re
import shutil
import subprocess
import time

import psycopg
import pytest
import yaml

from pooler import executable, seconds
from postgres import free_port, own_folder, program, temporary_folder, unprivileged
from wire import wait_until

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
COMPOSE = f"{PROJECT}/deploy/compose"
NEEDS_NO_ORDER = {"primary"}


@pytest.fixture(scope="module")
def compose():
    with open(f"{COMPOSE}/compose.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)


def test_no_key_comes_twice():
    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader, node):
        keys = [loader.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key comes twice"
        return yaml.SafeLoader.construct_mapping(loader, node, deep=True)

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    with open(f"{COMPOSE}/compose.yaml", encoding="utf-8") as file:
        yaml.load(file, Loader=Strict)


def test_only_pgweir_can_be_reached(compose):
    services = compose["services"]
    assert set(services) == {"primary", "replica", "pgweir"}
    for name in ("primary", "replica"):
        assert "ports" not in services[name]
        assert services[name]["networks"] == ["database"]
        assert services[name]["image"] == "postgres:15-alpine"
    assert compose["networks"]["database"]["internal"] is True
    assert "ports" in services["pgweir"] and "applications" in services["pgweir"]["networks"]


def test_they_start_in_the_order_of_health(compose):
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"][0] == "CMD"
        waits = service.get("depends_on", {})
        assert bool(waits) == (name not in NEEDS_NO_ORDER)
        assert all(how["condition"] == "service_healthy" for how in waits.values())


def test_passwords_are_secrets(compose):
    defined = set(compose["secrets"])
    for service in compose["services"].values():
        assert set(service["secrets"]) <= defined
        for key, value in service["environment"].items():
            assert "PASSWORD" not in key or key.endswith("_FILE"), key
            assert "password" not in str(value).lower() or str(value).startswith("/run/secrets/")
    assert {source["file"].split("/")[-1] for source in compose["secrets"].values()} == defined


def test_what_is_mounted_is_there(compose):
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert os.path.exists(f"{COMPOSE}/{source}"), source
                assert volume.endswith(":ro")
            else:
                assert source in compose["volumes"]


def test_every_variable_has_a_default_or_is_in_the_example(compose):
    with open(f"{COMPOSE}/.env.example", encoding="utf-8") as file:
        given = set(re.findall(r"^([A-Z_]+)=", file.read(), re.M))
    with open(f"{COMPOSE}/compose.yaml", encoding="utf-8") as file:
        used = set(re.findall(r"\$\{([A-Z_]+)", file.read()))
    assert used <= given
    assert "DATABASE_URL" in given


@pytest.mark.parametrize("script", sorted(glob.glob(f"{COMPOSE}/**/*.sh", recursive=True)))
def test_scripts_are_plain_sh(script):
    assert os.access(script, os.X_OK)
    assert subprocess.run(["dash", "-n", script], check=False).returncode == 0


def test_systemd_takes_the_units(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    for path in glob.glob(f"{PROJECT}/deploy/systemd/*.service"):
        with open(path, encoding="utf-8") as file:
            # The programs are not installed here, and the user is not made.
            unit = re.sub(r"/usr/bin/pgweir(ctl)?\b", "/bin/true", file.read())
        copy = tmp_path / os.path.basename(path)
        copy.write_text(re.sub(r"^(User|Group)=.*$", r"\1=daemon", unit, flags=re.M))
        done = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
        complaints = [line for line in done.stderr.splitlines() if copy.name in line and "KillMode" not in line]
        assert not complaints, complaints


class Containers:
    """The scripts of the Compose file on servers of this machine."""

    def __init__(self, compose):
        self.compose = compose
        self.folder = temporary_folder("pgweir-deploy-")
        self.ports = {name: free_port() for name in ("primary", "replica", "pgweir")}
        self.processes = []
        self.secrets = f"{self.folder}/secrets"
        subprocess.run([f"{COMPOSE}/make-secrets.sh", self.secrets], check=True, capture_output=True)
        os.chmod(self.secrets, 0o755)
        self.bin = f"{self.folder}/bin"
        os.mkdir(self.bin)
        with open(f"{self.bin}/docker-entrypoint.sh", "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nexec "$@"\n')  # what the image does when there is data
        os.chmod(f"{self.bin}/docker-entrypoint.sh", 0o755)
        shutil.copytree(COMPOSE, f"{self.folder}/compose")
        subprocess.run(["chmod", "-R", "a+rX", f"{self.folder}/compose"], check=True)
        own_folder(f"{self.folder}/archive")

    def secret(self, name):
        with open(f"{self.secrets}/{name}_password", encoding="utf-8") as file:
            return file.read().strip()

    def environment(self, service):
        """The service's own variables, with the places of this machine instead of the container's."""
        defaults = {"APP_DATABASE": "connect", "APP_USER": "app", "REPLICATION_NETWORK": "127.0.0.1/32"}
        volume = own_folder(f"{self.folder}/{service}") if not os.path.exists(f"{self.folder}/{service}") else f"{self.folder}/{service}"
        here = {
            "PGDATA": f"{volume}/pgdata",
            "SECRETS": self.secrets,
            "ARCHIVE": f"{self.folder}/archive",
            "PRIMARY_HOST": "127.0.0.1",
            "PRIMARY_PORT": str(self.ports["primary"]),
            "REPLICA_HOST": "127.0.0.1",
            "REPLICA_PORT": str(self.ports["replica"]),
            "PGWEIR_CONFIG": f"{self.folder}/compose/pgweir/pgweir.ini",
            "PGWEIR_RUN": f"{volume}/run",
        }
        variables = {}
        for key, value in self.compose["services"][service]["environment"].items():
            value = re.sub(r"\$\{([A-Z_]+):-[^}]*\}", lambda m: defaults[m[1]], str(value))
            variables[key] = here.get(key, value)
        # What is fixed inside a container: the socket's folder, programs on PATH.
        variables["PGHOST"] = volume
        variables["PGPORT"] = str(self.ports[service])
        variables["PATH"] = f"{self.bin}:{os.path.dirname(program('postgres'))}:{os.environ['PATH']}"
        return variables

    def call(self, service, *command):
        return subprocess.run(
            list(command), env=self.environment(service), capture_output=True, text=True, check=False,
            timeout=seconds(60), cwd="/", **unprivileged(),
        )

    def script(self, service, name):
        return self.call(service, "/bin/sh", f"{self.folder}/compose/{service}/{name}")

    def spawn(self, service, *command, **extra):
        log = open(f"{self.folder}/{service}.log", "ab")
        self.processes.append(
            subprocess.Popen(
                list(command), env={**self.environment(service), **extra}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd="/", **unprivileged(),
            )
        )
        log.close()

    def settings(self, service):
        """What differs from the container: port, address and socket."""
        volume = f"{self.folder}/{service}"
        config = f"{self.folder}/compose/{service}/postgresql.conf"
        return ["postgres", "-c", f"config_file={config}", "-c", f"port={self.ports[service]}",
                "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={volume}",
                "-c", "shared_buffers=32MB"]

    def wait_for(self, service, check):
        deadline = time.monotonic() + seconds(60)
        while (done := self.script(service, check)).returncode != 0:
            assert time.monotonic() < deadline, done.stderr + self.log(service)
            time.sleep(0.1)

    def log(self, service):
        with open(f"{self.folder}/{service}.log", encoding="utf-8") as file:
            return file.read()

    def connect(self, service, database="connect", user="app", secret="app"):
        return psycopg.connect(
            host="127.0.0.1", port=self.ports[service], user=user, password=self.secret(secret), dbname=database,
            autocommit=True, connect_timeout=5, prepare_threshold=None,
        )

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(seconds(20))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def containers(compose):
    one = Containers(compose)
    try:
        start_primary(one)
        one.spawn("replica", "/bin/sh", f"{one.folder}/compose/replica/replica-entrypoint.sh", *one.settings("replica"))
        one.wait_for("replica", "healthcheck.sh")
        start_pgweir(one)
        yield one
    finally:
        one.stop()


def start_primary(one):
    """What the image's entrypoint does with a new volume: initdb, a server on the socket, the mounted script, the server."""
    variables = one.environment("primary")
    done = one.call("primary", "initdb", "-D", variables["PGDATA"], "-U", "postgres", "--data-checksums",
                    "--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=UTF8", "--locale=C.UTF-8")
    assert done.returncode == 0, done.stderr
    with open(f"{variables['PGDATA']}/pg_hba.conf", "a", encoding="utf-8") as file:
        file.write("host all all all scram-sha-256\n")
    one.spawn("primary", *one.settings("primary"), "-c", "listen_addresses=")
    deadline = time.monotonic() + seconds(30)
    while one.call("primary", "psql", "-U", "postgres", "-c", "create database connect", "postgres").returncode != 0:
        assert time.monotonic() < deadline, one.log("primary")
        time.sleep(0.1)
    done = one.script("primary", "10-pgweir.sh")
    assert done.returncode == 0, done.stderr
    server = one.processes.pop()
    server.terminate()
    server.wait(seconds(30))
    one.spawn("primary", *one.settings("primary"))
    one.wait_for("primary", "healthcheck.sh")


def start_pgweir(one):
    path, reachable = executable()
    os.symlink(path if reachable else shutil.copy(path, f"{one.folder}/pgweir-program"), f"{one.bin}/pgweir")
    ini = f"{one.folder}/compose/pgweir/pgweir.ini"
    with open(ini, encoding="utf-8") as file:
        text = file.read()
    with open(ini, "w", encoding="utf-8") as file:
        file.write(text.replace("listen_port = 6432", f"listen_port = {one.ports['pgweir']}").replace("listen_addr = *", "listen_addr = 127.0.0.1"))
    one.spawn("pgweir", "/bin/sh", f"{one.folder}/compose/pgweir/entrypoint.sh")
    check = ["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(one.ports["pgweir"])]
    deadline = time.monotonic() + seconds(20)
    while one.call("pgweir", *check).returncode != 0:
        assert time.monotonic() < deadline, one.log("pgweir")
        time.sleep(0.1)


def test_the_application_writes_through_pgweir_and_reads_on_the_replica(containers):
    with containers.connect("pgweir") as connection:
        connection.execute("create table t (x int)")
        connection.execute("insert into t values (42)")
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)
    with containers.connect("pgweir", "connect_standby") as connection:
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (True,)
        there = "select to_regclass('t') is not null"
        wait_until(lambda: connection.execute(there).fetchone() == (True,), "the standby has it")
        assert connection.execute("select x from t").fetchone() == (42,)


def test_replication_is_seen_by_name_over_its_slot(containers):
    with containers.connect("primary", user="pgweir_prober", secret="prober") as connection:
        status = "select application_name, state from pg_replication_status()"
        wait_until(lambda: connection.execute(status).fetchall() == [("standby1", "streaming")], "it streams")
        slots = connection.execute("select slot_name, active from pg_replication_slots").fetchall()
        assert slots == [("standby_slot", True)]


def test_health_is_told_by_role(containers):
    wrong = containers.call("replica", "/bin/sh", f"{containers.folder}/compose/primary/healthcheck.sh")
    assert wrong.returncode != 0
    wrong = containers.call("primary", "/bin/sh", f"{containers.folder}/compose/replica/healthcheck.sh")
    assert wrong.returncode != 0


def test_a_late_replica_is_not_healthy(containers):
    def as_superuser(service, sql):
        done = containers.call(service, "psql", "-X", "-U", "postgres", "-d", "connect", "-Atqc", sql)
        assert done.returncode == 0, done.stderr

    as_superuser("replica", "select pg_wal_replay_pause()")
    as_superuser("primary", "create table late as select repeat(md5(n::text), 50) from generate_series(1, 10000) n")
    deadline = time.monotonic() + seconds(20)
    while containers.script("replica", "healthcheck.sh").returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    as_superuser("replica", "select pg_wal_replay_resume()")
    containers.wait_for("replica", "healthcheck.sh")


def test_the_console_knows_its_administrator(containers):
    with containers.connect("pgweir", "pgbouncer", "pgweir_admin", "console") as connection:
        databases = psycopg.ClientCursor(connection)
        databases.execute("show databases")
        assert {row[0] for row in databases.fetchall()} >= {"connect", "connect_standby"}


def test_no_password_is_in_a_log_or_readable_for_others(containers):
    words = [containers.secret(name) for name in ("app", "replication", "prober", "console", "superuser")]
    for service in ("primary", "replica", "pgweir"):
        assert not any(word in containers.log(service) for word in words)
    for path in (f"{containers.folder}/replica/replication.pgpass", f"{containers.folder}/pgweir/run/userlist.txt"):
        assert os.stat(path).st_mode & 0o777 == 0o600


def test_segments_are_archived(containers):
    done = containers.call("primary", "psql", "-X", "-U", "postgres", "-Atqc", "select pg_switch_wal()", "connect")
    assert done.returncode == 0
    deadline = time.monotonic() + seconds(20)
    while not [name for name in os.listdir(f"{containers.folder}/archive") if len(name) == 24]:
        assert time.monotonic() < deadline, containers.log("primary")
        time.sleep(0.1)
