"""A real PostgreSQL 15 for tests: a primary and a standby for all of them, and servers of its own for a test that
promotes and stops them.

Everything is under a temporary directory of its own, on free ports, with durability off. As root the
programs run as user postgres, as PostgreSQL demands.
"""

import contextlib
import glob
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import psycopg

# How a user proves himself to PostgreSQL is in his name, and so is his password.
PASSWORDS = {
    "trust_user": "trust secret",
    "plain_user": "plain secret",
    "md5_user": "md5 secret",
    "scram_user": "scram secret",
    "app": "app secret",
    "other": "other secret",
    "admin_user": "admin secret",
    "stats_user": "stats secret",
}
DATABASES = ("app", "second")

HBA = """
local all all trust
host all postgres 127.0.0.1/32 trust
host all trust_user 127.0.0.1/32 trust
host all app,other 127.0.0.1/32 trust
host all plain_user 127.0.0.1/32 password
host all md5_user 127.0.0.1/32 md5
host all scram_user 127.0.0.1/32 scram-sha-256
host replication postgres 127.0.0.1/32 trust
"""

SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 300
superuser_reserved_connections = 10
shared_buffers = 64MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_wal_size = 4GB
max_prepared_transactions = 10
wal_level = replica
hot_standby = on
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_min_messages = warning
"""


def program(name):
    for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    found = shutil.which(name)
    assert found, f"PostgreSQL's program {name} is missing"
    return found


def unprivileged():
    """Arguments for subprocess that leave root behind; none for an ordinary user."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def own_folder(path):
    os.makedirs(path, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
    return path


def temporary_folder(prefix):
    folder = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    os.chmod(folder, 0o755)
    return own_folder(folder)


_claims = []


def free_port():
    """A port that nobody has, and that no test is given again while this process lives.

    A program takes its port some time after it was chosen. So the kernel must not give the port to an outgoing
    connection meanwhile, and other test processes must know of it: each port has a socket of its name.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="utf-8") as file:
        first_of_outgoing = int(file.read().split()[0])
    chance = random.SystemRandom()  # tests seed the common one, all with the same numbers
    while True:
        port = chance.randrange(10_000, max(first_of_outgoing, 20_000))
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0pgweir-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port


def run(*command, **options):
    options.setdefault("cwd", "/")
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **unprivileged(), **options
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout.decode(errors='replace')}"
    return done.stdout.decode()


def children(process):
    with open(f"/proc/{process}/task/{process}/children", encoding="utf-8") as file:
        return [int(child) for child in file.read().split()]


class Server:
    def __init__(self, folder, name):
        self.folder = folder
        self.data = f"{folder}/{name}"
        self.log = f"{folder}/{name}.log"
        self.port = free_port()
        self.running = False

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def start(self):
        options = f"-p {self.port} -k {self.folder}"
        command = ["-D", self.data, "-l", self.log, "-o", options, "-w", "start"]
        run(program("pg_ctl"), *command)
        self.running = True

    def stop(self, mode="fast"):
        if self.running:
            run(program("pg_ctl"), "-D", self.data, "-m", mode, "-w", "stop")
            self.running = False

    def promote(self):
        run(program("pg_ctl"), "-D", self.data, "-w", "promote")

    def _processes(self):
        """The first, and those that it has started; none if it does not run."""
        try:
            with open(f"{self.data}/postmaster.pid", encoding="utf-8") as file:
                first = int(file.readline())
            return [first, *children(first)]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def freeze(self):
        """It answers nothing any more, and nobody is told; connections to it are taken by the kernel."""
        os.kill(self._processes()[0], signal.SIGSTOP)  # so that the others do not change meanwhile
        for process in self._processes()[1:]:
            os.kill(process, signal.SIGSTOP)

    def kill(self, *stopped):
        """Its first process is gone without a word, and the others follow as they notice, but for those that a test
        has stopped."""
        processes = self._processes()
        for process in (processes[0], *stopped):
            os.kill(process, signal.SIGKILL)
        self.running = False
        limit = time.monotonic() + 30
        while any(os.path.exists(f"/proc/{process}") for process in processes):
            assert time.monotonic() < limit, "processes of the killed server live on"
            time.sleep(0.005)

    def configure(self, name, value):
        """What a restart keeps; a reload is enough for it."""
        with self.connect("postgres") as connection:
            connection.execute(f"alter system set {name} = '{value}'")
            connection.execute("select pg_reload_conf()")

    def thaw(self):
        for process in reversed(self._processes()):
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(process, signal.SIGCONT)

    def connect(self, database="app", user="postgres", **options):
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=user,
            autocommit=True,
            application_name="observer",
            **options,
        )

    def ask(self, sql, database="app"):
        """As superuser, past the pooler: the first value of the first row."""
        with self.connect(database) as connection:
            cursor = connection.execute(sql)
            if cursor.description is None:
                return None
            row = cursor.fetchone()
            return row[0] if row else None

    def rows(self, sql, database="app"):
        with self.connect(database) as connection:
            return connection.execute(sql).fetchall()

    # What the pooler's servers look like from inside.

    def backends(self, where="true"):
        """Number of connections that the pooler has here."""
        return self.ask(
            "select count(*) from pg_stat_activity where backend_type = 'client backend'"
            f" and application_name <> 'observer' and ({where})"
        )

    def terminate_backends(self, where="true"):
        return self.ask(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where"
            " backend_type = 'client backend' and application_name <> 'observer'"
            f" and pid <> pg_backend_pid() and ({where})"
        )


class Cluster:
    """The pair. The standby costs a second and is made when first asked for."""

    def __init__(self):
        self.folder = temporary_folder("pgweir-pg-")
        self.primary = Server(self.folder, "primary")
        self._standby = None
        try:
            self._create()
        except BaseException:
            self.stop()
            raise

    def _create(self):
        options = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"]
        run(program("initdb"), "-D", self.primary.data, *options)
        with open(f"{self.primary.data}/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(SETTINGS)
        with open(f"{self.primary.data}/pg_hba.conf", "w", encoding="utf-8") as file:
            file.write(HBA)
        self.primary.start()
        with self.primary.connect("postgres") as connection:
            for user, password in PASSWORDS.items():
                method = "md5" if user == "md5_user" else "scram-sha-256"
                connection.execute(f"set password_encryption = '{method}'")
                connection.execute(f"create role {user} login password '{password}'")
            for database in DATABASES:
                connection.execute(f"create database {database}")
        for database in DATABASES:
            self.primary.ask("grant all on schema public to public", database)

    @property
    def standby(self):
        if self._standby is None:
            standby = Server(self.folder, "standby")
            source = ["-h", "127.0.0.1", "-p", str(self.primary.port), "-U", "postgres"]
            target = ["-D", standby.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
            run(program("pg_basebackup"), *source, *target)
            standby.start()
            self._standby = standby
        return self._standby

    def stop(self):
        for server in (self._standby, self.primary):
            if server is not None and server.running:
                server.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


# Whoever may look at everything, and whoever may not.
WATCHERS = ("watcher", "ordinary")


class Replicas:
    """A primary and as many standbys as a test asks for, to be promoted, stopped and frozen: each test has its own.

    All of them are copies of one folder that was made and stopped before, so that they are there in a moment.
    """

    def __init__(self, template):
        self.folder = temporary_folder("pgweir-replicas-")
        self.template = template
        self.servers = []
        self.add()

    @staticmethod
    def make_template():
        """The folder that all are copies of."""
        folder = temporary_folder("pgweir-template-")
        one = Server(folder, "template")
        options = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"]
        run(program("initdb"), "-D", one.data, "--wal-segsize=1", *options)
        with open(f"{one.data}/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(SETTINGS + "wal_keep_size = 64MB\n")
        one.start()
        try:
            for user in ("app", *WATCHERS):
                one.ask(f"create role {user} login", "postgres")
            one.ask("grant pg_monitor to watcher", "postgres")
            one.ask("create database app owner app", "postgres")
        finally:
            one.stop()
        return folder

    def add(self):
        """The next server: the first is the primary, the others follow it."""
        server = Server(self.folder, f"server-{len(self.servers)}")
        run("cp", "-a", f"{self.template}/template", server.data)
        if self.servers:
            conninfo = f"host=127.0.0.1 port={self.servers[0].port} user=postgres"
            with open(f"{server.data}/postgresql.auto.conf", "a", encoding="utf-8") as file:
                file.write(f"primary_conninfo = '{conninfo}'\n")
            self.make_standby(server)
        self.servers.append(server)
        server.start()
        return server

    @staticmethod
    def make_standby(server):
        """It follows somebody when it starts next."""
        path = f"{server.data}/standby.signal"
        with open(path, "w", encoding="utf-8"):
            pass
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")

    @staticmethod
    def follow(standby, primary):
        conninfo = f"host=127.0.0.1 port={primary.port} user=postgres"
        standby.configure("primary_conninfo", conninfo)

    def stop(self):
        for server in self.servers:
            server.thaw()
            if server.running:
                server.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
