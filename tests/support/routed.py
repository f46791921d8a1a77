"""A primary with standbys, and a pooler that routes the database app over them."""

import contextlib

from pooler import seconds
from wire import wait_until

READ = "select b from t where a = 1"


def route_over(servers, more=""):
    """The entry of [databases]."""
    hosts = ",".join("127.0.0.1" for _ in servers)
    ports = ",".join(str(server.port) for server in servers)
    return f"host={hosts} port={ports} dbname=app routing=auto {more}"


class Routed:
    """The table t has the rows 1 to 100, with b = 0."""

    def __init__(self, replicas, start_pooler, standbys, more, settings):
        """`start_pooler` is the fixture of that name, or what takes and gives the same."""
        self.replicas = replicas
        self.primary = replicas.servers[0]
        self.primary.ask("create table t (a int primary key, b int); grant all on t to public")
        self.primary.ask("insert into t select g, 0 from generate_series(1, 100) g")
        self.standbys = [replicas.add() for _ in range(standbys)]
        settings = {"topology_user": "watcher", "verbose": 2, **settings}
        self.pooler = start_pooler(
            server=None, databases={"app": route_over(replicas.servers, more)}, **settings
        )
        wait_until(self.all_serve, "all servers are known")
        self.wait_for_judgement()

    def all_serve(self):
        return all(row["state"] == "serving" for row in self.pooler.show("TOPOLOGY"))

    def wait_for_judgement(self, sql=READ):
        """Until a statement is known as a read, and the standbys have caught up."""
        with self.pooler.client() as client:
            wait_until(
                lambda: self.client_reads(client, sql), "reads go to standbys", seconds(30), 0.02
            )

    def client_reads(self, client, sql):
        before = self.count("read on a standby") + self.count("read on the primary", "its part")
        client.query(sql)
        after = self.count("read on a standby") + self.count("read on the primary", "its part")
        return after > before

    def change_unnoticed(self, sql, seen):
        """Changes what a judged statement means. The standbys have it at once: it may be some seconds only until the
        pooler reads the catalogue anew."""
        self.primary.ask(f"set synchronous_commit = on; {sql}")
        for standby in self.standbys:
            wait_until(lambda s=standby: s.ask(seen), "the standby has it")

    def count(self, what, reason=""):
        for row in self.pooler.show("ROUTING"):
            if row["what"] == what and row["reason"] == reason:
                return int(row["count"])
        raise AssertionError(f"no row {what!r} {reason!r}")

    @contextlib.contextmanager
    def counted(self, what, reason="", by=1):
        before = self.count(what, reason)
        yield
        assert self.count(what, reason) - before == by, self.pooler.show("ROUTING")

    def pause_replay(self):
        for standby in self.standbys:
            standby.ask("select pg_wal_replay_pause()")
            wait_until(
                lambda s=standby: s.ask("select pg_get_wal_replay_pause_state()") == "paused",
                "replay is paused",
                seconds(10),
            )

    def resume_replay(self):
        for standby in self.standbys:
            standby.ask("select pg_wal_replay_resume()")

    def topology(self, server):
        """The row of SHOW TOPOLOGY that is the server's."""
        return next(row for row in self.pooler.show("TOPOLOGY") if int(row["port"]) == server.port)

    def wait_for_primary(self, server):
        def serves():
            row = self.topology(server)
            return row["role"] == "primary" and row["state"] == "serving"

        wait_until(serves, "the new primary serves", seconds(30))
