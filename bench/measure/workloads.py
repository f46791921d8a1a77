"""The workloads. Each gives, for one subject and one round, a dictionary of figures.

transactions_per_second, latency_ms     what pgbench saw
cpu_us                                  processor microseconds of the pooler for each transaction
memory_kb                               the most memory that the pooler had
servers                                 connections to PostgreSQL at the end
p50_ms, p99_ms                          of all transactions, from pgbench's log
p99_to_p50                              the one divided by the other
p99_alone_ms, p99_growth                the same before the others came, and p99_ms divided by it
off_weights                             how far a server's part of the transactions is from a third, divided by a third
idle_bytes, used_bytes                  memory for each idle client: before and after it has run a query
"""
import concurrent.futures
import math
import os
import pathlib
import re
import resource
import shutil
import subprocess
import threading
import time

from . import machine, traffic
from .servers import PASSWORD, POSTGRES_BIN, Pooler, RoutedPooler

WARM_UP_SECONDS = 1


class Failed(Exception):
    """A workload did not run to its end on a subject; the text says why."""


# Which kinds of subjects (subjects.KNOWN) a workload is for when none are named.
POOLERS = {"direct", "pooler"}
ENGINES = POOLERS | {"engine"}
FLOOR = ENGINES | {"relay"}


class Pgbench:
    ratios = ["transactions_per_second", "cpu_us"]

    def __init__(
        self, name, about, options, kinds=POOLERS, clients=None, pool=None, user="bench", auth_type="trust", script=None, log=False,
        ratios=None, floor=True, tls=False,
    ):
        self.name = name
        self.about = about
        self.options = options
        self.kinds = kinds
        self.clients = clients  # None: as --clients says
        self.pool = pool
        self.user = user
        self.auth_type = auth_type
        self.script = script
        self.log = log
        self.ratios = ratios or Pgbench.ratios
        self.floor = floor  # whether a relay is the least that it can cost
        self.tls = tls  # between pgbench and the pooler

    def can_measure(self, subject):
        return isinstance(subject, Pooler) if self.tls else True

    def measure(self, subject, context):
        clients = self.clients or context.clients
        subject.start(self.auth_type, self.pool or context.pool, self.tls)
        try:
            self.run(subject, context, clients, WARM_UP_SECONDS)
            before = machine.task_seconds(subject.pid) if subject.pid else 0
            output = self.run(subject, context, clients, context.seconds)
            figures, transactions = self.figures(output, context.folder / "pgbench")
            if subject.pid:
                figures["cpu_us"] = (machine.task_seconds(subject.pid) - before) / transactions * 1e6
                figures["memory_kb"] = machine.memory_kb(subject.pid, "VmHWM")
            pools = isinstance(subject, Pooler)
            figures["servers"] = context.postgres.connections_of_benchmark() if pools else clients
            return figures
        finally:
            subject.stop()

    def run(self, subject, context, clients, seconds):
        folder = context.folder / "pgbench"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command = [str(POSTGRES_BIN / "pgbench"), "-h", "127.0.0.1", "-p", str(subject.port), "-U", self.user, "-n"]
        command += ["-c", str(clients), "-j", str(min(2, clients, os.cpu_count())), "-T", str(seconds)] + self.options
        if self.script:
            (folder / "script.sql").write_text(self.script)
            command += ["-f", "script.sql"]
        if self.log:
            command += ["--log"]
        environment = dict(os.environ, PGPASSWORD=PASSWORD, PGSSLMODE="require" if self.tls else "disable")
        try:
            result = subprocess.run(
                command + ["bench"], capture_output=True, text=True, cwd=folder, env=environment, timeout=seconds + 60
            )
        except subprocess.TimeoutExpired:
            raise Failed("pgbench did not end") from None
        if result.returncode:
            raise Failed(result.stderr.strip()[-400:])
        return result.stdout

    def figures(self, output, folder):
        def number(pattern):
            match = re.search(pattern, output)
            if not match:
                raise Failed("pgbench printed no result:\n" + output[-400:])
            return float(match[1])

        transactions = number(r"actually processed: (\d+)")
        if not transactions:
            raise Failed("no transaction was completed")
        if number(r"number of failed transactions: (\d+)"):
            raise Failed("pgbench counted failed transactions")
        figures = {"transactions_per_second": number(r"tps = ([\d.]+)"), "latency_ms": number(r"latency average = ([\d.]+)")}
        if self.log:
            latencies = sorted(self.latencies(folder))
            figures["p50_ms"] = percentile(latencies, 50)
            figures["p99_ms"] = percentile(latencies, 99)
            figures["p99_to_p50"] = figures["p99_ms"] / figures["p50_ms"]
        return figures, transactions

    @staticmethod
    def latencies(folder):
        """Milliseconds of each transaction: the third word of a line of the log, in microseconds."""
        for path in pathlib.Path(folder).glob("pgbench_log.*"):
            with open(path) as lines:
                for line in lines:
                    yield int(line.split()[2]) / 1000


def percentile(ordered, percent):
    """The smallest value that at least this share of the values does not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class Routed(Pgbench):
    """Reads that a pooler which routes gives to a primary and its standbys. All of them weigh the same."""

    def measure(self, subject, context):
        figures = super().measure(subject, context)
        if isinstance(subject, RoutedPooler):
            parts = subject.parts
            figures["off_weights"] = max(abs(part * len(parts) / sum(parts) - 1) for part in parts)
        return figures


class Prepared(Pgbench):
    """Named statements in transaction mode, which PgBouncer has only since 1.21."""

    def can_measure(self, subject):
        version = re.match(r"PgBouncer 1\.(\d+)", subject.version if isinstance(subject, Pooler) else "")
        return not version or int(version[1]) >= 21


def log_in(port, count, tls=None):
    """Logged-in clients of the pooler, a hundred at a time."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < count + 200:
        raise Failed(f"{count} clients need {count + 200} descriptors here and in the pooler; the limit is {limit} (ulimit -Hn)")
    sockets = []
    try:
        while len(sockets) < count:
            some = []
            for _ in range(min(100, count - len(sockets))):
                some.append(traffic.open_socket(port, tls))
                sockets.append(some[-1])
            for client in some:
                traffic.read_until_ready(client)
    except OSError as error:
        close_all(sockets)
        raise Failed(f"client {len(sockets)}: {error}") from None
    return sockets


def close_all(sockets):
    for each in sockets:
        each.close()


class IdleClients:
    """Memory for each client that is logged in and silent, then again after each has run one query."""

    kinds = ENGINES
    ratios = ["idle_bytes", "used_bytes"]
    floor = False
    together = 100  # queries at once, so that the pool is not what is measured

    def __init__(self, name, about, clients, tls=False):
        self.name = name
        self.about = about
        self.clients = clients
        self.tls = traffic.any_certificate() if tls else None

    def can_measure(self, subject):
        return isinstance(subject, Pooler)

    def measure(self, subject, context):
        subject.start("trust", context.pool, self.tls is not None)
        sockets = []
        try:
            sockets += log_in(subject.port, 10, self.tls)
            self.query(sockets)
            empty = machine.memory_kb(subject.pid)
            sockets += log_in(subject.port, self.clients, self.tls)
            idle = machine.memory_kb(subject.pid)
            self.query(sockets)
            used = machine.memory_kb(subject.pid)
            per_client = 1024 / self.clients
            return {"idle_bytes": (idle - empty) * per_client, "used_bytes": (used - empty) * per_client, "memory_kb": used}
        except OSError as error:
            raise Failed(str(error)) from None
        finally:
            close_all(sockets)
            subject.stop()

    def query(self, sockets):
        for start in range(0, len(sockets), self.together):
            some = sockets[start : start + self.together]
            for client in some:
                client.sendall(traffic.simple_query(b"select 1"))
            for client in some:
                traffic.read_until_ready(client)
        time.sleep(1)  # what is given back a moment later is not counted against anyone


class Disturbed(Pgbench):
    """What the busy clients notice of others: measured without these, then with them."""

    ratios = ["p99_ms", "cpu_us"]

    def __init__(self, name, about, busy, **others):
        super().__init__(name, about, ["-S"], log=True, ratios=Disturbed.ratios, **others)
        self.busy = busy

    def can_measure(self, subject):
        return isinstance(subject, Pooler)

    def measure(self, subject, context):
        subject.start(self.auth_type, context.pool)
        try:
            self.run(subject, context, self.busy, WARM_UP_SECONDS)
            alone = self.busy_figures(subject, context)
            figures = self.disturbed_figures(subject, context)
            figures["p99_alone_ms"] = alone["p99_ms"]
            figures["p99_growth"] = figures["p99_ms"] / alone["p99_ms"]
            figures["memory_kb"] = machine.memory_kb(subject.pid, "VmHWM")
            return figures
        finally:
            subject.stop()

    def busy_figures(self, subject, context):
        before = machine.task_seconds(subject.pid)
        output = self.run(subject, context, self.busy, context.seconds)
        figures, transactions = self.figures(output, context.folder / "pgbench")
        figures["cpu_us"] = (machine.task_seconds(subject.pid) - before) / transactions * 1e6
        return figures


class Crowd(Disturbed):
    """Many that are connected and silent."""

    silent = 14950

    def disturbed_figures(self, subject, context):
        sockets = log_in(subject.port, self.silent)
        try:
            return self.busy_figures(subject, context)
        finally:
            close_all(sockets)


class Storm(Disturbed):
    """Many that log in at the same moment, once a second."""

    together = 500

    def disturbed_figures(self, subject, context):
        over = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as others:
            storms = others.submit(self.storms, subject.port, over)
            try:
                return self.busy_figures(subject, context)
            finally:
                over.set()
                storms.result()

    def storms(self, port, over):
        try:
            while not over.wait(1):
                traffic.storm(port, self.together, b"bench_scram", PASSWORD.encode())
        except OSError as error:
            raise Failed(f"a log-in failed: {error}") from None


TWO_READS = """\\set aid random(1, 100000)
begin;
select abalance from pgbench_accounts where aid = :aid;
select bbalance from pgbench_branches where bid = 1;
commit;
"""
BIG_RESULT = "select repeat('x', 1000) from generate_series(1, 10000);\n"

ALL = [
    Pgbench("simple", "one SELECT by primary key, simple protocol", ["-S", "-M", "simple"], kinds=FLOOR | {"workers"}),
    Pgbench("extended", "the same, extended protocol", ["-S", "-M", "extended"], kinds=FLOOR | {"workers"}),
    Prepared("prepared", "the same, prepared once and executed", ["-S", "-M", "prepared"], kinds=FLOOR | {"workers"}),
    Pgbench("tls", "one SELECT by primary key, simple protocol, over TLS", ["-S"], kinds=ENGINES, tls=True),
    Pgbench("tpcb", "TPC-B-like: five statements in a transaction", ["-M", "simple"]),
    Pgbench(
        "connect", "a connection for each SELECT, trusted (a relay opens one to PostgreSQL, too)", ["-S", "-C"], kinds=FLOOR,
        floor=False,
    ),
    Pgbench("connect_scram", "a connection for each SELECT, SCRAM-SHA-256", ["-S", "-C"], user="bench_scram", auth_type="scram-sha-256"),
    Pgbench("connect_tls", "a connection for each SELECT, trusted, over TLS", ["-S", "-C"], kinds=ENGINES, floor=False, tls=True),
    Pgbench("big", "results of 10 MB", [], clients=8, script=BIG_RESULT, kinds=FLOOR | {"relay-size"}),
    IdleClients("idle", "10,000 idle clients: bytes of the pooler's memory for each", 10000),
    IdleClients("idle_tls", "2,000 idle clients on TLS: the same", 2000, tls=True),
    Crowd("crowd", "15,000 clients, of whom 50 are busy; p99 with the silent ones, and alone", 50, kinds=ENGINES),
    Storm(
        "storm", "20 busy clients while 500 others log in at once by SCRAM; p99 with these, and alone", 20, kinds=ENGINES | {"workers"},
        user="bench_scram", auth_type="scram-sha-256",
    ),
    Pgbench(
        "many", "500 clients on 20 servers", ["-S"], clients=500, pool=20, log=True, kinds={"pooler", "engine", "workers"},
        ratios=["p50_ms", "p99_ms", "cpu_us"],
    ),
    Routed("routed", "one SELECT by primary key; pgweir-routed has two standbys to read from", ["-S"], kinds={"pooler", "routed"}),
    Pgbench(
        "routed_begin", "BEGIN, two SELECTs, COMMIT; pgweir-routed sends BEGIN along with the first", [], kinds=POOLERS | {"routed"},
        script=TWO_READS, log=True, ratios=["p50_ms", "cpu_us"], floor=False,
    ),
    Pgbench("single", "one client, one SELECT after the other", ["-S"], clients=1, log=True),
    Pgbench("saturated", "50 clients on a pool of 25, as fast as they can", ["-S"], clients=50, pool=25, log=True),
    Pgbench("deployment", "50 clients on a pool of 25 that ask for 3,571 SELECTs a second", ["-S", "-R", "3571"], clients=50, pool=25, log=True),
]

# What fits into ten minutes.
DEFAULT = [w.name for w in ALL if w.name not in ("connect_scram", "connect_tls", "idle_tls", "crowd", "storm", "routed", "routed_begin")]
