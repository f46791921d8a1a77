"""What is measured: PostgreSQL alone, and poolers and relays in front of it.

A subject is started anew for each measurement, so that each begins with the same memory and an empty pool.
All poolers get the same settings from one text; only pgweir gets `workers`.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from . import machine

POSTGRES_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
PASSWORD = "bench"
STANDBYS = 2

POSTGRES_SETTINGS = """
port = {port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
max_connections = 600
shared_buffers = 256MB
fsync = off                # the disk is not what is measured
max_wal_size = 4GB
password_encryption = scram-sha-256
"""

POOLER_SETTINGS = """[databases]
bench = {database}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = {auth_type}
auth_file = {folder}/users.txt
pool_mode = transaction
max_client_conn = 16000
default_pool_size = {pool}
log_connections = 0
log_disconnections = 0
{extra}
"""

TLS_SETTINGS = """
client_tls_sslmode = require
client_tls_cert_file = {folder}/tls.crt
client_tls_key_file = {folder}/tls.key
"""


def wait_for_port(port, process, what):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with status {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{what} does not listen on {port}")


class Postgres:
    """A PostgreSQL of our own in `folder`, with pgbench's tables in database bench."""

    def __init__(self, folder, ports, scale):
        self.folder = folder / "postgres"
        self.ports = ports
        self.port = ports.take()
        self.standbys = []
        self.folder.mkdir(mode=0o700)
        user = machine.server_user()
        shutil.chown(self.folder, user.pw_uid, user.pw_gid)
        self.settings = POSTGRES_SETTINGS.format(port=self.port, folder=self.folder)
        self.run(["initdb", "-D", f"{self.folder}/data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"])
        with open(self.folder / "data" / "postgresql.conf", "a") as conf:
            conf.write(self.settings)
        hba = self.folder / "data" / "pg_hba.conf"
        hba.write_text(
            "local all all trust\n"
            "host all bench_scram 127.0.0.1/32 scram-sha-256\n"
            "host all all 127.0.0.1/32 trust\n"
            "local replication all trust\n"
        )
        self.run(["pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "start"])
        try:
            self.sql("create role bench login superuser", "postgres")
            self.sql(f"create role bench_scram login superuser password '{PASSWORD}'", "postgres")
            self.sql("create database bench", "postgres")
            self.run(["pgbench", "-h", str(self.folder), "-p", str(self.port), "-U", "bench", "-i", "-q", "-s", str(scale), "bench"])
        except BaseException:
            self.stop()
            raise

    def run(self, command):
        command = machine.as_server_user([str(POSTGRES_BIN / command[0])] + command[1:])
        # Output to a file: pg_ctl's server would keep a pipe open.
        log = self.folder / "commands.log"
        with open(log, "a") as out:
            result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/")
        if result.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")

    def sql(self, text, database="bench", port=None):
        command = [str(POSTGRES_BIN / "psql"), "-X", "-h", str(self.folder), "-p", str(port or self.port), "-U", "postgres"]
        result = subprocess.run(command + ["-d", database, "-Atqc", text], capture_output=True, text=True, check=True)
        return result.stdout.strip()

    def connections_of_benchmark(self):
        query = "select count(*) from pg_stat_activity where usename in ('bench', 'bench_scram')"
        return int(self.sql(query)) + sum(int(self.sql(query, port=each.port)) for each in self.standbys if each.running)

    def transactions_of_benchmark(self):
        """So many were committed on each server. What a connection has done is certain to be counted when it is gone."""
        deadline = time.monotonic() + 10
        while self.connections_of_benchmark() and time.monotonic() < deadline:
            time.sleep(0.02)
        query = "select xact_commit from pg_stat_database where datname = 'bench'"
        return [int(self.sql(query, port=port)) for port in [self.port] + [each.port for each in self.standbys]]

    def start_standbys(self):
        """They run for those measurements alone that need them, and know all that the primary knows when they do."""
        if not self.standbys:
            self.standbys = [Standby(self, number, self.ports.take()) for number in range(STANDBYS)]
        for each in self.standbys:
            each.start()
        end = self.sql("select pg_current_wal_flush_lsn()")
        deadline = time.monotonic() + 60
        while any(self.sql(f"select pg_last_wal_replay_lsn() >= '{end}'", port=each.port) != "t" for each in self.standbys):
            if time.monotonic() > deadline:
                raise RuntimeError("the standbys do not catch up")
            time.sleep(0.02)

    def stop_standbys(self):
        for each in self.standbys:
            each.stop()

    def stop(self):
        self.stop_standbys()
        self.run(["pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop"])


class Standby:
    """Follows the primary, which keeps for it what it has missed while it was stopped."""

    def __init__(self, primary, number, port):
        self.primary = primary
        self.port = port
        self.running = False
        self.data = f"{primary.folder}/standby-{number}"
        source = ["-h", str(primary.folder), "-p", str(primary.port), "-U", "postgres", "-C", "-S", f"standby_{number}"]
        primary.run(["pg_basebackup", *source, "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"])

    def start(self):
        if not self.running:
            self.primary.run(["pg_ctl", "-D", self.data, "-l", f"{self.data}.log", "-o", f"-p {self.port}", "-w", "start"])
            self.running = True

    def stop(self):
        if self.running:
            self.primary.run(["pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop"])
            self.running = False


class Direct:
    """No pooler: the clients talk to PostgreSQL."""

    name = "direct"
    kind = "direct"
    settings = ""
    version = ""
    pid = None

    def __init__(self, postgres):
        self.port = postgres.port

    def start(self, auth_type, pool, tls=False):
        pass

    def stop(self):
        pass


class Program:
    """A program between the clients and PostgreSQL. Those derived say how it is called."""

    def __init__(self, name, kind, program, postgres, folder, ports):
        self.name = name
        self.kind = kind
        self.postgres = postgres
        self.port = ports.take()
        self.folder = folder / name
        self.folder.mkdir(mode=0o755)
        self.process = None
        self.settings = ""
        if not os.access(program, os.X_OK):
            raise RuntimeError(f"{name}: no program {program}")
        # A copy: the server's user may not reach the original, and a build may replace it meanwhile.
        self.program = self.folder / pathlib.Path(program).name
        shutil.copy(program, self.program)
        self.program.chmod(0o755)
        user = machine.server_user()
        shutil.chown(self.folder, user.pw_uid, user.pw_gid)
        result = subprocess.run(machine.as_server_user([self.program, "--version"]), capture_output=True, text=True)
        self.version = (result.stdout or result.stderr).strip().split("\n")[0]

    @property
    def pid(self):
        return self.process.pid

    def run(self, command):
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(
            machine.as_server_user(command), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd="/"
        )
        try:
            wait_for_port(self.port, self.process, self.name)
        except RuntimeError as error:
            self.stop()
            raise RuntimeError(f"{error}:\n{(self.folder / 'log').read_text()[-2000:]}") from None

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Pooler(Program):
    """pgweir, PgBouncer, or another program that takes the path of a pgbouncer.ini."""

    def __init__(self, name, kind, program, postgres, folder, ports, extra="", prefix=()):
        super().__init__(name, kind, program, postgres, folder, ports)
        self.extra = extra
        self.prefix = list(prefix)  # what it runs under, such as valgrind

    def start(self, auth_type, pool, tls=False):
        (self.folder / "users.txt").write_text(f'"bench" ""\n"bench_scram" "{PASSWORD}"\n')
        self.settings = POOLER_SETTINGS.format(
            database=self.database(), port=self.port, auth_type=auth_type, folder=self.folder, pool=pool, extra=self.extra
        )
        if tls:
            self.make_certificate()
            self.settings += TLS_SETTINGS.format(folder=self.folder)
        ini = self.folder / "pooler.ini"
        ini.write_text(self.settings)
        self.run(self.prefix + [str(self.program), str(ini)])

    def database(self):
        return f"host=127.0.0.1 port={self.postgres.port} dbname=bench"

    def make_certificate(self):
        files = [self.folder / "tls.crt", self.folder / "tls.key"]
        if not files[1].exists():
            command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split()
            subprocess.run(command + ["-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
            user = machine.server_user()
            for path in files:
                shutil.chown(path, user.pw_uid, user.pw_gid)
                path.chmod(0o600)


class RoutedPooler(Pooler):
    """pgweir in front of the primary and its standbys, which run as long as it does."""

    def start(self, auth_type, pool, tls=False):
        self.postgres.start_standbys()
        self.before = self.postgres.transactions_of_benchmark()
        super().start(auth_type, pool, tls)

    def stop(self):
        super().stop()
        after = self.postgres.transactions_of_benchmark()
        self.parts = [more - less for less, more in zip(self.before, after)]  # of the servers, since the start
        self.postgres.stop_standbys()

    def database(self):
        ports = [self.postgres.port] + [each.port for each in self.postgres.standbys]
        hosts = ",".join("127.0.0.1" for _ in ports)
        return f"host={hosts} port={','.join(map(str, ports))} dbname=bench"


class Relay(Program):
    """The floor: copies bytes and looks at nothing. Each client has a server of its own, whatever the pool's size."""

    def __init__(self, name, kind, program, postgres, folder, ports, options):
        super().__init__(name, kind, program, postgres, folder, ports)
        self.options = options

    def start(self, auth_type, pool, tls=False):
        command = [str(self.program), f"--listen={self.port}", f"--server={self.postgres.port}"] + self.options
        self.settings = " ".join(self.options)
        self.run(command)
