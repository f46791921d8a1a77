#!/usr/bin/python3
"""Reads that must not be stale, while replay on the standbys is late at random.

own       a client writes and reads back at once through the same connection; what it reads is what it wrote
database  the same with another connection that reads (read_consistency=database)
session   clients read what others write; what a session has once seen, it never sees older

A primary and two standbys: on the one, recovery_min_apply_delay changes at random; on the other, replay is paused and
resumed. Between such phases are phases in which replay is prompt: of their reads, the standbys' share is printed. By hand:

    PGWEIR=build/release/pgweir tests/routing/consistency.py --mode own --seconds 600
"""

import argparse
import collections
import os
import random
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from pooler import Pooler, allow_many_files, seconds
from postgres import Replicas
from routed import Routed
from wire import query, request, wait_until

CONSISTENCY = {"own": "own_writes", "database": "database", "session": "session"}
ROWS = 8  # of each writer in session mode, written in turns


def read_of(key):
    return f"select b from t where a = {key}"


def write_of(key, value):
    return f"update t set b = {value} where a = {key}"


class Disturber(threading.Thread):
    """Makes replay late and prompt again, in turns, and counts the reads of the prompt phases."""

    def __init__(self, routed, checker, chance, length):
        super().__init__()
        self.routed = routed
        self.checker = checker
        self.random = random.Random(chance.random())
        self.length = length  # of a phase, in seconds
        self.prompt_reads = 0
        self.prompt_on_standbys = 0
        self.changes = 0

    def run(self):
        try:
            while not self.checker.stopping.is_set():
                self.prompt_phase()
                self.late_phase()
            self.make_prompt()
        except Exception as failure:  # a checker without disturbance would find nothing
            self.checker.fail(f"the disturbance ended: {failure!r}")

    def prompt_phase(self):
        reads, there = self.reads()
        self.checker.stopping.wait(self.length)
        reads_after, there_after = self.reads()
        self.prompt_reads += reads_after - reads
        self.prompt_on_standbys += there_after - there

    def reads(self):
        """All that pgweir has counted, and those of them on standbys: of one moment."""
        rows = [row for row in self.routed.pooler.show("ROUTING") if row["what"].startswith("read on")]
        there = sum(int(row["count"]) for row in rows if row["what"] == "read on a standby")
        return sum(int(row["count"]) for row in rows), there

    def late_phase(self):
        delayed, paused = self.routed.standbys
        end = time.monotonic() + self.length
        while time.monotonic() < end and not self.checker.stopping.is_set():
            self.changes += 1
            if self.random.random() < 0.5:
                delay = self.random.choice((0, 5, 20, 100, 500, 2000))
                delayed.configure("recovery_min_apply_delay", f"{delay}ms")
            else:
                what = self.random.choice(("pause", "resume"))
                paused.ask(f"select pg_wal_replay_{what}()")
            self.checker.stopping.wait(self.random.uniform(0, 0.2))
        self.make_prompt()

    def make_prompt(self):
        delayed, paused = self.routed.standbys
        delayed.configure("recovery_min_apply_delay", "0")
        paused.ask("select pg_wal_replay_resume()")
        end = self.routed.primary.ask("select pg_current_wal_flush_lsn()")
        for standby in self.routed.standbys:
            wait_until(
                lambda s=standby: s.ask(f"select pg_last_wal_replay_lsn() >= '{end}'"),
                "the standby has caught up",
                seconds(60),
            )


class Checker:
    def __init__(self, pooler, options):
        self.pooler = pooler
        self.options = options
        self.chance = random.Random(options.seed)
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.reads_of = collections.Counter()  # by client: each has an element of its own to count in
        self.writes_of = collections.Counter()
        self.wrong = []

    @property
    def reads(self):
        return sum(list(self.reads_of.values()))

    @property
    def writes(self):
        return sum(list(self.writes_of.values()))

    def fail(self, text):
        with self.lock:
            self.wrong.append(text)

    def run(self, routed):
        client = {"own": self.own, "database": self.two_connections, "session": self.reader}
        jobs = [(client[self.options.mode], n) for n in range(self.options.clients)]
        if self.options.mode == "session":
            jobs += [(self.writer, n) for n in range(self.writers)]
        threads = [threading.Thread(target=self.guarded, args=job) for job in jobs]
        disturber = Disturber(routed, self, self.chance, min(3.0, self.options.seconds / 4))
        for thread in [*threads, disturber]:
            thread.start()
        self.stopping.wait(self.options.seconds)
        self.stopping.set()
        for thread in [*threads, disturber]:
            thread.join()
        return disturber

    def guarded(self, job, number):
        try:
            job(number, random.Random(self.options.seed * 1000 + number))
        except Exception as failure:  # no statement may fail here
            self.fail(f"client {number}: {failure!r}")
            self.stopping.set()

    # One statement, in one of the forms that clients have for it.

    def write(self, client, chance, key, value):
        text = write_of(key, value)
        form = chance.randrange(3)
        if form == 0:
            client.send(query(text))
        elif form == 1:
            client.send(request(text))
        else:
            client.send(query("begin") + query(text) + query("commit"))
        for _ in range(3 if form == 2 else 1):
            self.good(client.read_result())

    def read(self, client, chance, key, prefix=""):
        text = prefix + read_of(key)
        form = chance.randrange(3)
        if form < 2:
            client.send(query(text) if form == 0 else request(text))
            return int(self.good(client.read_result()).value)
        self.good(client.query("begin read only"))
        value = int(self.good(client.query(text)).value)
        self.good(client.query("commit"))
        return value

    @staticmethod
    def good(result):
        if result.errors:
            raise result.errors[0]
        return result

    # The clients of a mode.

    def own(self, number, chance):
        with self.pooler.client() as client:
            self.write_and_read(client, client, number, chance)

    def two_connections(self, number, chance):
        with self.pooler.client() as writer, self.pooler.client() as reader:
            self.write_and_read(writer, reader, number, chance)

    def write_and_read(self, writer, reader, number, chance):
        """Its row is written by nobody else, so that what it must read is known."""
        value = 0
        while not self.stopping.is_set():
            value += 1
            self.write(writer, chance, number + 1, value)
            self.writes_of[number] += 1
            for _ in range(chance.randrange(1, 4)):
                seen = self.read(reader, chance, number + 1)
                self.reads_of[number] += 1
                if seen != value:
                    self.fail(f"client {number} wrote {value} and read {seen}")

    @property
    def writers(self):
        return max(1, self.options.clients // 4)

    def writer(self, number, chance):
        """Value n stands in row n % ROWS of the writer."""
        value = 0
        with self.pooler.client() as client:
            while not self.stopping.is_set():
                value += 1
                self.write(client, chance, 1 + number * ROWS + value % ROWS, value)
                self.writes_of["writer", number] += 1

    def reader(self, number, chance):
        """Who has seen n knows which value each row had then at least: the last one up to n that is the row's.

        With --pinned some of it is seen on the primary, which the standbys have to catch up with then.
        """
        seen = collections.Counter()
        with self.pooler.client() as client:
            while not self.stopping.is_set():
                writer = chance.randrange(self.writers)
                row = chance.randrange(ROWS)
                pinned = chance.random() < self.options.pinned
                prefix = "/* pgweir: primary */ " if pinned else ""
                value = self.read(client, chance, 1 + writer * ROWS + row, prefix)
                self.reads_of[number] += 1
                newest = seen[writer]
                if value + ROWS <= newest:
                    self.fail(f"client {number} had seen {newest} of writer {writer}, then {value} in row {row}")
                seen[writer] = max(newest, value)


def check(options, routed):
    checker = Checker(routed.pooler, options)
    disturber = checker.run(routed)
    share = disturber.prompt_on_standbys / max(1, disturber.prompt_reads)
    counts = {
        row["what"] + (f" ({row['reason']})" if row["reason"] else ""): int(row["count"])
        for row in routed.pooler.show("ROUTING")
        if int(row["count"])
    }
    stale = len(checker.wrong)
    print(
        f"{options.mode}: {options.seconds:g} s, {options.clients} clients, seed {options.seed}: {checker.writes:,} writes,"
        f" {checker.reads:,} reads, {stale} wrong; {disturber.changes} changes of replay; while it was prompt,"
        f" {share:.1%} of {disturber.prompt_reads:,} reads on standbys"
    )
    for what, count in counts.items():
        print(f"  {what}: {count:,}")
    for text in checker.wrong[:20]:
        print(f"  WRONG: {text}")
    if share < options.least_share:
        print(f"  WRONG: less than {options.least_share:.0%} of the reads of prompt phases were on standbys")
    return not stale and checker.reads > 0 and share >= options.least_share


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--mode", choices=list(CONSISTENCY), default="own")
    parser.add_argument(
        "--consistency", help="read_consistency, if it is not the mode's own: with eventual, the checker must find something"
    )
    parser.add_argument(
        "--pinned",
        type=float,
        default=0.0,
        help="in session mode, the share of reads that are pinned to the primary, which may not show yet what a standby has"
        " shown (see docs/routing.md)",
    )
    parser.add_argument(
        "--patience", type=float, default=0.01, help="how long a read waits for a standby (read_wait_timeout; default 0.01)"
    )
    parser.add_argument("--seed", type=int, default=6432)
    parser.add_argument(
        "--least-share", type=float, default=0.5, help="of the reads of prompt phases, on standbys (default 0.5)"
    )
    options = parser.parse_args()
    if not 1 <= options.clients <= 40:
        parser.error("--clients must be from 1 to 40: the table has a hundred rows")
    return options


def main():
    options = arguments()
    allow_many_files()
    template = Replicas.make_template()
    replicas = Replicas(template)
    poolers = []

    def start_pooler(server, databases, **settings):
        poolers.append(Pooler(server, settings, databases))
        return poolers[0].start()

    try:
        replicas.servers[0].configure("synchronous_commit", "on")
        settings = {"read_from_primary": 0, "default_pool_size": 40, "read_wait_timeout": options.patience, "verbose": 0}
        more = f"read_consistency={options.consistency or CONSISTENCY[options.mode]}"
        good = check(options, Routed(replicas, start_pooler, 2, more, settings))
        poolers[0].stop()
    finally:
        for pooler in poolers:
            pooler.remove()
        replicas.stop()
        shutil.rmtree(template, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
