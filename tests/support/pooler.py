"""The program under test, running with a configuration of its own.

The environment says which program: PGWEIR is its path (a PgBouncer works too, for behaviour that both
share), WORKERS the number of its threads, ENGINE its io_engine, PGWEIR_TEST_SLOW by how much limits are
stretched when a sanitizer slows it down.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

from postgres import PASSWORDS, free_port, own_folder, temporary_folder, unprivileged
from wire import Wire, send_cancel, wait_until

PROGRAM = os.environ.get("PGWEIR", "pgweir")
WORKERS = int(os.environ.get("WORKERS", "1"))
ENGINE = os.environ.get("ENGINE", "auto")
SLOW = float(os.environ.get("PGWEIR_TEST_SLOW", "1"))
IS_PGBOUNCER = os.path.basename(PROGRAM) == "pgbouncer"

# Lines that no run may leave behind: sanitizers, assertions, what ends a C++ program.
ALARMS = re.compile(
    r"Sanitizer|runtime error:|[Aa]ssertion|terminate called|double free|corrupted|Segmentation"
)

ADMIN = "admin_user"
STATS = "stats_user"


def seconds(limit):
    """A limit that a sanitizer's build can hold too."""
    return limit * SLOW


def memory(limit):
    """A limit in bytes that a sanitizer's build can hold too: what it keeps beside and behind each block is resident."""
    return limit * max(1, SLOW)


def allow_many_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# What the engine on io_uring asks of the kernel (6.1): a ring of one thread that finishes its work when asked.
SETUP_RING = """
import ctypes, os, sys
parameters = (ctypes.c_uint32 * 30)()
parameters[2] = 1 << 12 | 1 << 13  # IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN
system = ctypes.CDLL(None, use_errno=True)
if system.syscall(425, 8, parameters) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
"""


def refusal_of_engine():
    """Why this machine cannot run ENGINE, for the user that the program runs as; None if it can."""
    if ENGINE != "io_uring":
        return None
    command = [sys.executable, "-c", SETUP_RING]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **unprivileged())
    return f"the kernel refuses io_uring: {done.stderr.strip()}" if done.returncode else None


def userlist(passwords):
    return "".join(f'"{user}" "{secret}"\n' for user, secret in passwords.items())


def states_of_threads(process):
    """What each thread of a process is at, to be printed when it does not do what it should."""
    wanted = ("Name:", "State:", "SigPnd:", "ShdPnd:", "SigBlk:")
    lines = []
    for thread in sorted(os.listdir(f"/proc/{process}/task"), key=int):
        try:
            with open(f"/proc/{process}/task/{thread}/status", encoding="utf-8") as file:
                lines.append(" ".join(" ".join(line.split()) for line in file if line.startswith(wanted)))
            for what in ("wchan", "syscall"):
                with open(f"/proc/{process}/task/{thread}/{what}", encoding="utf-8") as file:
                    lines[-1] += f" {what}: {file.read().strip()}"
        except OSError as failure:
            lines.append(f"thread {thread}: {failure}")
    return "\n".join(lines)


def executable():
    """The program's path; of a copy, where user postgres may not reach the build."""
    path = os.path.abspath(shutil.which(PROGRAM) or PROGRAM)
    assert os.path.exists(path), f"PGWEIR={PROGRAM}: no such program"
    reachable = subprocess.run(["test", "-x", path], check=False, **unprivileged()).returncode == 0
    return path, reachable


class Pooler:
    def __init__(self, server, settings=None, databases=None, users=None, passwords=None):
        """`server` is where the databases app and second are; None for a pooler without them."""
        self.folder = temporary_folder("pgweir-test-")
        self.port = (settings or {}).get("listen_port") or free_port()
        self.settings = self._defaults()
        self.settings.update(settings or {})
        self.databases = {}
        if server is not None:
            at = f"host=127.0.0.1 port={server.port}"
            self.databases = {"app": at, "second": at}
        self.databases.update(databases or {})
        self.users = dict(users or {})
        self.peers = {}
        self.passwords = dict(PASSWORDS if passwords is None else passwords)
        self.file = f"{self.folder}/pgweir.ini"
        self.log_path = f"{self.folder}/log"
        self.process = None
        self.earlier = []  # processes whose place it has taken
        self.expect_exit = False

    def _defaults(self):
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": self.folder,
            "auth_type": "trust",
            "auth_file": f"{self.folder}/userlist.txt",
            "admin_users": ADMIN,
            "stats_users": STATS,
            "pool_mode": "transaction",
            "max_client_conn": 2000,
            "default_pool_size": 5,
            "server_tls_sslmode": "disable",
            "server_login_retry": 1,
        }
        if not IS_PGBOUNCER:
            settings["workers"] = WORKERS
            settings["io_engine"] = ENGINE
            settings["query_wait_notify"] = 0  # on a slow machine it would come in between
        return settings

    # Configuration.

    def write(self):
        self._write_file("userlist.txt", userlist(self.passwords))
        lines = ["[databases]"]
        lines += [f"{name} = {value}" for name, value in self.databases.items()]
        lines += ["[users]"]
        lines += [f"{name} = {value}" for name, value in self.users.items()]
        lines += ["[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in self.settings.items()]
        if self.peers:
            lines += ["[peers]"] + [f"{number} = {where}" for number, where in self.peers.items()]
        self._write_file("pgweir.ini", "\n".join(lines) + "\n")

    def _write_file(self, name, text):
        with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    # Life.

    def spawn(self, *arguments):
        """Starts it without waiting."""
        self.write()
        path, reachable = executable()
        if not reachable:
            path = shutil.copy(path, f"{own_folder(self.folder)}/pgweir")
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [path, *arguments, self.file],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            **unprivileged(),
        )
        log.close()

    def start(self):
        self.spawn()
        wait_until(self._listens, "the pooler listens", seconds(15))
        return self

    def restart(self):
        """Online: another process takes the place of this one. The old one, which may still be finishing."""
        old = self.process
        if old is not None and self.settings["unix_socket_dir"]:  # else there is no file, or nobody to ask
            wait_until(lambda: os.path.exists(f"{self.folder}/.s.pgweir-restart.{self.port}"), "it has a door")
        self.spawn("-R")
        if old is not None:
            self.earlier.append(old)
        gave_way = f"process {old.pid} has given way"

        def in_charge():
            assert self.process.poll() is None, f"the new process ended:\n{self.log()[-4000:]}"
            return gave_way in self.log()

        wait_until(in_charge, "the new process is in charge", seconds(30))
        return old

    def _listens(self):
        assert self.process.poll() is None, f"the pooler ended at start:\n{self.log()}"
        try:
            # It closes the connection itself, so that no client is counted any more when tests begin.
            send_cancel(self.address, 0, b"\0\0\0\0")
            return True
        except OSError:
            return False

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def check(self):
        """It lives and has nothing to complain about."""
        tail = self.log()[-3000:]
        if not self.expect_exit:
            assert self.alive(), f"the pooler is gone ({self.process.returncode}):\n{tail}"
        alarm = ALARMS.search(self.log())
        assert alarm is None, f"the log has {alarm.group()!r}:\n{self.log()[alarm.start():][:4000]}"

    def stop(self):
        """Ends it, and checks that it ends well."""
        try:
            if self.process is None:
                return
            self.check()
            if self.alive():
                self._end()
            self.check_exit()
            for old in self.earlier:
                assert self.exit_of(old, 30) == 0, f"exit {old.returncode}:\n{self.log()}"
        finally:
            self.remove()

    def remove(self):
        """Leaves nothing behind, whatever state it is in."""
        for process in [self.process, *self.earlier]:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self):
        self.expect_exit = True
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(seconds(0.1))
        except subprocess.TimeoutExpired:
            # Another signal than the first: two of a kind may count as one, if the first has not been seen yet.
            self.signal(signal.SIGQUIT)
            self.exit_of(self.process, 30)

    def check_exit(self):
        if not IS_PGBOUNCER:
            assert self.process.returncode == 0, f"exit {self.process.returncode}:\n{self.log()}"
        self.check()

    def wait_for_exit(self, timeout=10):
        self.expect_exit = True
        return self.exit_of(self.process, timeout)

    def exit_of(self, process, timeout=20):
        """The exit code of this process or an earlier one, which is to end now."""
        try:
            return process.wait(seconds(timeout))
        except subprocess.TimeoutExpired:
            state = states_of_threads(process.pid)
        raise AssertionError(f"process {process.pid} does not end:\n{state}\n{self.log()[-4000:]}")

    def signal(self, number):
        self.process.send_signal(number)

    def hold(self):
        """Stops it as it is, and waits until none of its threads goes on; SIGCONT lets it go on."""
        self.signal(signal.SIGSTOP)
        threads = f"/proc/{self.process.pid}/task"

        def stands(thread):
            with open(f"{threads}/{thread}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"

        wait_until(lambda: all(stands(thread) for thread in os.listdir(threads)), "all its threads stand")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def reload(self, **settings):
        """Writes changed settings and has them read."""
        self.settings.update(settings)
        self.write()
        self.command("RELOAD")

    # Clients.

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def unix_address(self):
        return f"{self.folder}/.s.PGSQL.{self.port}"

    def raw(self, timeout=20):
        """A connection that has said nothing yet."""
        return Wire(self.address, timeout=seconds(timeout))

    def client(self, database="app", user="app", timeout=20, **options):
        wire = self.raw(timeout)
        try:
            options.setdefault("password", self.passwords.get(user, ""))
            return wire.startup(user, database, **options)
        except BaseException:
            wire.vanish()
            raise

    def dsn(self, database="app", user="app"):
        password = self.passwords[user].replace("'", "\\'")
        return (
            f"host=127.0.0.1 port={self.port} dbname={database} user={user}"
            f" password='{password}' sslmode=disable gssencmode=disable"
        )

    # Console.

    def console(self, user=ADMIN, database="pgbouncer"):
        return self.client(database=database, user=user)

    def command(self, text, user=ADMIN):
        with self.console(user) as console:
            result = console.query(text)
            if result.errors:
                raise result.errors[0]
            return result

    def show(self, what, user=ADMIN):
        """A SHOW command's rows as dictionaries."""
        result = self.command(f"SHOW {what}", user)
        names = [name for name, _ in result.columns]
        return [dict(zip(names, row)) for row in result.rows]

    def pool(self, database="app", user="app"):
        for row in self.show("POOLS"):
            if row["database"] == database and row["user"] == user:
                return {k: int(v) if v and v.isdigit() else v for k, v in row.items()}
        return None

    def servers(self, database="app", user="app"):
        """How many server connections a pool has, whatever they do."""
        row = self.pool(database, user)
        return sum(value for name, value in row.items() if name.startswith("sv_")) if row else 0

    # Resources.

    def rss(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def cancel(self, process_id, key):
        send_cancel(self.address, process_id, key)


def time_of(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin
