"""What Debian's prometheus-pgbouncer-exporter reads of the console, and that its figures are those of SHOW.

The program itself looks for columns of SHOW STATS and SHOW DATABASES that PgBouncer had up to 1.7 and 1.23, and so runs in
front of no PgBouncer that Debian has either; what else it collects is collected here.
"""

import pytest

from pooler import ADMIN
from wire import wait_until

exporter = pytest.importorskip("prometheus_pgbouncer_exporter.collectors", reason="Debian's exporter is not installed")
utils = pytest.importorskip("prometheus_pgbouncer_exporter.utils")

def figures(collector):
    """(name, labels) -> value"""
    return {
        (sample.name.removeprefix("pgbouncer_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


@pytest.fixture
def busy(start_pooler):
    """A pooler with a client in a transaction, and one that waits for nothing."""
    pooler = start_pooler(ignore_startup_parameters="extra_float_digits", default_pool_size=3)
    with pooler.client() as one, pooler.client() as two:
        one.ask("begin")
        for _ in range(10):
            two.ask("select 1")
        wait_until(lambda: pooler.pool()["sv_active"] == 1, "the other's server is free")
        yield pooler


@pytest.fixture
def connection(busy):
    made = utils.get_connection(ADMIN, busy.port, "127.0.0.1")
    yield made
    made.close()


def test_pools(busy, connection):
    shown = figures(exporter.PoolsCollector(connection=connection, databases=["app"]))
    of_app = (("database", "app"), ("user", "app"))
    pool = busy.pool()
    assert shown["active_clients", of_app] == pool["cl_active"] == 2
    assert shown["waiting_clients", of_app] == pool["cl_waiting"] == 0


def test_lists(busy, connection):
    shown = figures(exporter.ListsCollector(connection=connection))
    lists = {row["list"]: float(row["items"]) for row in busy.show("LISTS")}
    for name in ("databases", "users", "pools", "free_clients", "used_clients", "free_servers", "used_servers"):
        assert shown[name, ()] >= 0
    assert shown["databases", ()] == lists["databases"] and shown["pools", ()] == lists["pools"]
