#!/usr/bin/python3
"""Clients by the hundred, while servers are killed under them.

Every query carries its client's number and a count, and the answer must have both. Transactions write to a
ledger: what was confirmed must be there, what was never committed must not. By hand:

    PGWEIR=build/release/pgweir WORKERS=2 tests/integration/kill_storm.py --clients 500 --seconds 60
"""

import argparse
import asyncio
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import wire


class AsyncWire:
    """As much of a client as the storm needs."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.names = set()  # of prepared statements

    @classmethod
    async def login(cls, address, user, database):
        reader, writer = await asyncio.open_connection(*address)
        one = cls(reader, writer)
        one.writer.write(wire.startup_packet({"user": user, "database": database}))
        await one.result()
        return one

    async def result(self):
        result = wire.Result()
        while result.status is None:
            try:
                head = await self.reader.readexactly(5)
                (length,) = struct.unpack_from("!I", head, 1)
                body = await self.reader.readexactly(length - 4)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                reason = result.error or error
                raise wire.ConnectionClosed(str(reason)) from error
            result.add(wire.Message(chr(head[0]), body))
        return result

    async def ask(self, data):
        self.writer.write(data)
        return await asyncio.wait_for(self.result(), 60)

    def close(self):
        self.writer.close()


class Storm:
    """Goes on for so many seconds, and then until so much has happened, but no minute longer."""

    def __init__(self, address, clients, seconds, kills=0, answers=0, user="app", database="app"):
        self.address = address
        self.clients = clients
        self.seconds = seconds
        self.enough = (kills, answers)
        self.user = user
        self.database = database
        self.wrong = []
        self.answers = 0
        self.lost_connections = 0
        self.errors = {}
        self.kills = 0
        self.confirmed = set()
        self.unknown = set()
        self.end = 0.0
        self.random = random.Random(6432)

    def actions(self):
        return (self.simple, self.extended, self.pipeline, self.transaction)

    # One client.

    async def client(self, number):
        count = 0
        connection = None
        while not self.is_over():
            try:
                if connection is None:
                    connection = await AsyncWire.login(self.address, self.user, self.database)
                count += 1
                action = self.random.choice(self.actions())
                await action(connection, number, count)
            except (wire.ConnectionClosed, OSError) as error:
                self.lost_connections += 1
                self.note(str(error))
                if connection is not None:
                    connection.close()
                connection = None
                await asyncio.sleep(0.05)
            except asyncio.TimeoutError:
                self.wrong.append(f"client {number} waited for a minute")
                return
        if connection is not None:
            connection.close()

    def is_over(self, ahead=0.0):
        late = time.monotonic() + ahead - self.end
        return late > 60 or (late >= 0 and self.kills >= self.enough[0] and self.answers >= self.enough[1])

    def note(self, text):
        self.errors[text] = self.errors.get(text, 0) + 1

    def check(self, result, number, count, status="I"):
        """The answer is this client's, and complete, or an error that says so."""
        if result.errors:
            self.note(str(result.errors[0]))
            self.wrong.append(f"client {number}, query {count}: goes on after FATAL: {result.messages}")
        elif result.rows != [(str(number), str(count), None)]:
            self.wrong.append(f"client {number}, query {count}: {result.rows}")
        else:
            self.answers += 1
        if result.status != status:
            self.wrong.append(
                f"client {number}, query {count}: {result.types} {result.tags} {result.status}"
            )

    def sql(self, number, count):
        """The third column is NULL unless somebody's open transaction was handed on."""
        return f"select {number}, {count}, pg_current_xact_id_if_assigned()"

    async def simple(self, connection, number, count):
        result = await connection.ask(wire.query(self.sql(number, count)))
        self.check(result, number, count)

    async def extended(self, connection, number, count):
        sql = "select $1::int, $2::int, pg_current_xact_id_if_assigned()"
        self.check(await connection.ask(wire.request(sql, number, count)), number, count)

    async def pipeline(self, connection, number, count):
        sql = "select $1::int, $2::int, pg_current_xact_id_if_assigned()"
        connection.writer.write(wire.request(sql, number, count) * 3)
        for _ in range(3):
            self.check(await asyncio.wait_for(connection.result(), 60), number, count)

    async def transaction(self, connection, number, count):
        result = await connection.ask(wire.query("begin"))
        if result.tags != ["BEGIN"] or result.status != "T":
            self.wrong.append(f"client {number}, begin {count}: {result.messages} {result.errors}")
        result = await connection.ask(
            wire.query(f"insert into storm values ({number}, {count}); select {number}, {count}, null")
        )
        self.check(result, number, count, "T")
        if self.random.random() < 0.3 or result.errors:
            result = await connection.ask(wire.query("rollback"))
            if result.tags != ["ROLLBACK"] or result.status != "I":
                self.wrong.append(f"client {number}, rollback {count}: {result.messages}")
            return
        self.unknown.add((number, count))
        result = await connection.ask(wire.query("commit"))
        if result.tags == ["COMMIT"]:
            self.confirmed.add((number, count))
            self.unknown.discard((number, count))
        if result.tags != ["COMMIT"] or result.status != "I":
            self.wrong.append(f"client {number}, commit {count}: {result.messages} {result.errors}")

    # All of them, and the killer.

    def kill_servers(self, server, interval):
        with server.connect(self.database) as connection:
            while not self.is_over(ahead=0.5):
                killed = connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where usename = %s and application_name <> 'observer'"
                    " order by random() limit 1",
                    [self.user],
                ).fetchall()
                self.kills += len(killed)
                time.sleep(interval)

    async def _clients(self):
        await asyncio.gather(*(self.client(number) for number in range(self.clients)))

    def run(self, server, interval=0.1):
        server.ask("create table storm (client int, count int)", self.database)
        server.ask(f"grant all on storm to {self.user}", self.database)
        self.end = time.monotonic() + self.seconds
        killer = threading.Thread(target=self.kill_servers, args=(server, interval))
        killer.start()
        asyncio.run(self._clients())
        killer.join()
        wire.wait_until(
            lambda: server.backends("state <> 'idle'") == 0, "every server is idle"
        )
        rows = server.rows("select client, count from storm", self.database)
        server.ask("drop table storm", self.database)
        self._check_ledger(rows)

    def _check_ledger(self, rows):
        present = set(rows)
        if len(present) != len(rows):
            self.wrong.append("a transaction was done twice")
        lost = self.confirmed - present
        if lost:
            self.wrong.append(f"{len(lost)} confirmed transactions are lost: {sorted(lost)[:5]}")
        strange = present - self.confirmed - self.unknown
        if strange:
            self.wrong.append(f"{len(strange)} were never committed: {sorted(strange)[:5]}")

    def report(self):
        lines = [
            f"{self.clients} clients, {self.seconds} s: {self.answers} right answers,"
            f" {self.kills} servers killed, {self.lost_connections} connections lost,"
            f" {len(self.confirmed)} transactions confirmed, {len(self.unknown)} unknown,"
            f" {len(self.wrong)} wrong",
        ]
        lines += [f"  {count} x {text}" for text, count in sorted(self.errors.items())[:20]]
        lines += [f"  WRONG: {text}" for text in self.wrong[:20]]
        return "\n".join(lines)


class PreparedStorm(Storm):
    """The same with prepared statements, which come and go by every way that there is."""

    TEXTS = 12

    def actions(self):
        return (self.prepared, self.prepared, self.prepared, self.pipeline_of_prepared, self.forget, self.close_one)

    def text(self, which):
        """Without and with literals, and each of them another statement."""
        literal = f"'{which}'::text" if which % 2 else str(which)
        return f"select $1::int, $2::int, case when {literal} is null then 'x' end"

    def request(self, connection, number, count):
        """Runs a statement, and prepares it before if this connection has not done so."""
        which = self.random.randrange(self.TEXTS)
        name = f"s{which}"
        data = b""
        if name not in connection.names:
            connection.names.add(name)
            data = wire.parse(self.text(which), name)
            data += wire.describe(name) if self.random.random() < 0.5 else b""
        return data + wire.bind((number, count), name) + wire.execute() + wire.sync()

    async def prepared(self, connection, number, count):
        self.check(await connection.ask(self.request(connection, number, count)), number, count)

    async def pipeline_of_prepared(self, connection, number, count):
        requests = [self.request(connection, number, count) for _ in range(4)]
        connection.writer.write(b"".join(requests))
        for _ in requests:
            self.check(await asyncio.wait_for(connection.result(), 60), number, count)

    async def forget(self, connection, number, count):
        what = self.random.choice(("deallocate all", "discard all"))
        result = await connection.ask(wire.query(what))
        if result.tags != [what.upper()]:
            self.wrong.append(f"client {number}, {what} {count}: {result.messages} {result.errors}")
        connection.names.clear()

    async def close_one(self, connection, number, count):
        if connection.names:
            name = connection.names.pop()
            result = await connection.ask(wire.close_statement(name) + wire.sync())
            if result.types != "3Z":
                self.wrong.append(f"client {number}, close {count}: {result.messages} {result.errors}")


def main():
    from pooler import Pooler, allow_many_files
    from postgres import Cluster

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clients", type=int, default=500)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--interval", type=float, default=0.1)
    options.add_argument("--pool", type=int, default=20)
    options.add_argument("--prepared", action="store_true", help="a storm of prepared statements")
    chosen = options.parse_args()
    allow_many_files()
    cluster = Cluster()
    pooler = Pooler(cluster.primary, {"default_pool_size": chosen.pool})
    try:
        pooler.start()
        kind = PreparedStorm if chosen.prepared else Storm
        storm = kind(pooler.address, chosen.clients, chosen.seconds)
        storm.run(cluster.primary, chosen.interval)
        print(storm.report())
        pooler.check()
        pooler.stop()
    finally:
        pooler.remove()
        cluster.stop()
    sys.exit(1 if storm.wrong else 0)


if __name__ == "__main__":
    main()
