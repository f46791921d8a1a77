#!/usr/bin/python3
"""Another primary, while clients write and read one statement after the other and try nothing again.

stop    the primary is stopped (fast) and the standby promoted
kill    the primary's first process is killed (SIGKILL) and the standby promoted
hang    the primary is stopped by SIGSTOP, without a word to anybody, and the standby promoted

Each of them with a synchronous standby, where no write that was acknowledged may be lost, and with an asynchronous one,
where what was lost is printed. A statement may fail if it was under way when the primary was lost, and no other.
At the end the old primary comes back as a primary, and must get nothing. By hand:

    PGWEIR=build/release/pgweir tests/routing/failover.py --clients 100
"""

import argparse
import os
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from pooler import Pooler, allow_many_files, seconds
from postgres import Replicas
from routed import READ, Routed
from wire import ConnectionClosed, Result, ServerError, query, wait_until

SCENARIOS = ("stop", "kill", "hang")
COMMITS = ("synchronous", "asynchronous")

# A commit that a frozen primary had begun waits for its standby for ever, and its backend does not see that the client left.
NOT_STUCK = "wait_event is distinct from 'SyncRep'"

# The numbers that clients write before the old primary comes back are below, those that they write then are above.
AFTERWARDS = 1_000_000_000


class Failure:
    def __init__(self, text, begin, end, error):
        self.text = text
        self.begin = begin  # when the statement was sent
        self.end = end
        self.error = str(error)


class Client(threading.Thread):
    """Inserts its next number, reads, and notes what became of it. `first` is of its numbers, which are its own."""

    def __init__(self, pooler, stopping, first):
        super().__init__()
        self.pooler = pooler
        self.stopping = stopping
        self.next = first
        self.wire = None
        self.acknowledged = []
        self.failures = []
        self.statements = 0
        self.longest = {"write": 0.0, "read": 0.0}
        self.broken = None

    def run(self):
        try:
            while not self.stopping.is_set():
                value = self.next
                self.next += 1
                if self.statement("write", f"insert into t values ({value}, 0)"):
                    self.acknowledged.append(value)
                self.statement("read", READ)
        except Exception as failure:
            self.broken = failure
        finally:
            if self.wire is not None:
                self.wire.vanish()

    def statement(self, kind, text):
        """Whether it was acknowledged. A log-in is part of the statement that needs one."""
        begin = time.monotonic()
        try:
            if self.wire is None:
                self.wire = self.pooler.client(timeout=90)
            error = self.answer_of(text)
        except (ConnectionClosed, ServerError, OSError) as closed:
            error = closed
            if self.wire is not None:
                self.wire.vanish()
            self.wire = None
        end = time.monotonic()
        self.statements += 1
        self.longest[kind] = max(self.longest[kind], end - begin)
        if error is not None:
            self.failures.append(Failure(text, begin, end, error))
        return error is None


    def answer_of(self, text):
        """The error, if there is one: also the one that is the last word of a connection."""
        self.wire.send(query(text))
        result = Result()
        try:
            while result.status is None:
                result.add(self.wire.read_message())
        except (ConnectionClosed, OSError) as closed:
            raise result.error or closed from closed
        return result.error


class Clients:
    def __init__(self, pooler, count, first=0):
        self.stopping = threading.Event()
        self.each = [Client(pooler, self.stopping, first + 1_000_000 * (n + 1)) for n in range(count)]
        for client in self.each:
            client.start()

    def stop(self):
        self.stopping.set()
        for client in self.each:
            client.join()
        for client in self.each:
            if client.broken is not None:
                raise client.broken

    def acknowledged(self):
        return [value for client in self.each for value in list(client.acknowledged)]

    def failures(self):
        return [failure for client in self.each for failure in client.failures]

    def longest(self, kind):
        return max(client.longest[kind] for client in self.each)

    def wait_for_writes(self, more):
        done = len(self.acknowledged())
        wait_until(lambda: len(self.acknowledged()) > done + more, "writes go on", seconds(60))


class Scenario:
    def __init__(self, routed, name, synchronous, options):
        self.routed = routed
        self.name = name
        self.synchronous = synchronous
        self.options = options
        self.old = routed.primary
        self.new = routed.standbys[0]
        self.wrong = []

    def expect(self, true, text):
        if not true:
            self.wrong.append(text)

    def run(self):
        if self.synchronous:
            self.old.configure("synchronous_standby_names", "*")
            wait_until(
                lambda: self.old.ask("select count(*) from pg_stat_replication where sync_state = 'sync'") == 1,
                "the standby is synchronous",
                seconds(20),
            )
        clients = Clients(self.routed.pooler, self.options.clients)
        try:
            time.sleep(self.options.seconds)
            self.lose_primary()
            clients.wait_for_writes(2 * self.options.clients)
            time.sleep(self.options.seconds)
        finally:
            clients.stop()
        self.judge(clients)
        self.split_brain()
        return not self.wrong

    def lose_primary(self):
        self.begin = time.monotonic()
        if self.name == "stop":
            self.old.stop("fast")
        elif self.name == "kill":
            self.old.kill()
        else:
            self.old.freeze()
        self.gone = time.monotonic()
        self.new.promote()
        self.promoted = time.monotonic()
        self.routed.wait_for_primary(self.new)
        self.served = time.monotonic()

    def under_way(self, failure):
        """A primary that hangs takes requests until that is noticed; then they all fail at once."""
        return failure.begin <= (self.served if self.name == "hang" else self.gone)

    def judge(self, clients):
        acknowledged = set(clients.acknowledged())
        lost = acknowledged - {row[0] for row in self.new.rows("select a from t")}
        failures = clients.failures()
        others = [failure for failure in failures if not self.under_way(failure)]
        statements = sum(client.statements for client in clients.each)
        print(
            f"{self.name}, {'synchronous' if self.synchronous else 'asynchronous'}: {len(clients.each)} clients,"
            f" {statements:,} statements, {len(acknowledged):,} writes acknowledged, {len(lost)} of them lost;"
            f" {len(failures)} statements failed, {len(others)} of them not under way"
        )
        print(
            f"  longest wait: write {clients.longest('write'):.2f} s, read {clients.longest('read'):.2f} s; the primary was"
            f" gone after {self.gone - self.begin:.2f} s, the standby promoted after {self.promoted - self.begin:.2f} s,"
            f" in use after {self.served - self.begin:.2f} s"
        )
        self.print_failures(failures)
        if failures:
            last = max(failure.begin for failure in failures) - self.begin
            most = max(len(client.failures) for client in clients.each)
            print(f"    the last of them was sent {last:.3f} s after the beginning; at most {most} of one client")
        for failure in others[:10]:
            print(
                f"    not under way: sent {failure.begin - self.gone:+.3f} s, failed {failure.end - self.gone:+.3f} s"
                f" after the primary was gone: {failure.text}: {failure.error}"
            )
        self.expect(not others, f"{len(others)} statements failed that were not under way")
        if self.name == "hang":  # all server connections end at once, not one after the other
            worst = max(len(client.failures) for client in clients.each)
            self.expect(worst <= 1, f"a client had {worst} failures")
        if self.synchronous or self.name == "stop":
            self.expect(not lost, f"{len(lost)} acknowledged writes were lost")

    @staticmethod
    def print_failures(failures):
        counts = {}
        for failure in failures:
            what = f"{'read' if failure.text == READ else 'write'}: {failure.error}"
            counts[what] = counts.get(what, 0) + 1
        for error, count in sorted(counts.items(), key=lambda item: -item[1]):
            print(f"    {count} x {error}")

    def split_brain(self):
        """The old primary calls itself primary again, and must get nothing."""
        if self.name == "hang":
            self.old.thaw()
        else:
            self.old.start()
        wait_until(
            lambda: self.routed.topology(self.old)["state"] == "fenced", "the old primary is fenced", seconds(30)
        )
        clients = Clients(self.routed.pooler, self.options.clients, AFTERWARDS)
        try:
            clients.wait_for_writes(2 * self.options.clients)
            time.sleep(self.options.seconds)
            # Those that it had when it was frozen end now, in their own time; others must not come.
            wait_until(lambda: not self.old.backends(f"usename = 'app' and {NOT_STUCK}"), "nobody is connected to it")
        finally:
            clients.stop()
        there = self.old.ask(f"select count(*) from t where a > {AFTERWARDS}")
        kept = {row[0] for row in self.new.rows(f"select a from t where a > {AFTERWARDS}")}
        missing = set(clients.acknowledged()) - kept
        print(
            f"  the old primary came back: {len(clients.acknowledged()):,} writes since, {there} of them there;"
            f" {len(clients.failures())} statements failed"
        )
        self.expect(not there, "the old primary got something")
        self.expect(not missing, f"the new primary has not got {len(missing)} acknowledged writes")
        self.expect(not clients.failures(), "statements failed when the old primary came back")


def run(name, synchronous, template, options):
    replicas = Replicas(template)
    poolers = []

    def start_pooler(server, databases, **settings):
        poolers.append(Pooler(server, settings, databases))
        return poolers[0].start()

    try:
        replicas.servers[0].configure("synchronous_commit", "on")
        settings = {"default_pool_size": 20, "max_client_conn": 1000, "verbose": 0}
        scenario = Scenario(Routed(replicas, start_pooler, 1, "", settings), name, synchronous, options)
        good = scenario.run()
        for text in scenario.wrong:
            print(f"  WRONG: {text}")
        poolers[0].stop()
        return good
    finally:
        sys.stdout.flush()
        for pooler in poolers:
            pooler.remove()
        replicas.stop()


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3, help="before and after each event (default 3)")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    parser.add_argument("--commit", nargs="+", choices=COMMITS, default=COMMITS)
    options = parser.parse_args()
    if not 1 <= options.clients <= 200:
        parser.error("--clients must be from 1 to 200")
    return options


def main():
    options = arguments()
    allow_many_files()
    template = Replicas.make_template()
    try:
        runs = [(name, commit == "synchronous") for commit in options.commit for name in options.scenarios]
        good = [run(name, synchronous, template, options) for name, synchronous in runs]
    finally:
        shutil.rmtree(template, ignore_errors=True)
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
