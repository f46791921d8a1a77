"""Pools and databases that nobody uses are forgotten, and made again when somebody does."""

from harness import pgweir_only
from wire import wait_until

pytestmark = pgweir_only


def names(pooler, what, database="database"):
    return {row[database] for row in pooler.show(what)}


def total(pooler, what):
    return next(int(row["value"]) for row in pooler.show("TOTALS") if row["name"] == what)


def test_database_of_the_template(start_pooler, primary):
    pooler = start_pooler(
        databases={"*": f"host=127.0.0.1 port={primary.port}"}, autodb_idle_timeout=1, server_idle_timeout=1
    )
    client = pooler.client(database="postgres")
    assert client.ask("select current_database()") == "postgres"
    before = total(pooler, "total_query_count")
    assert "postgres" in names(pooler, "DATABASES", "name")
    with pooler.client(database="template1") as other:
        assert other.ask("select 1") == "1"
    wait_until(lambda: "template1" not in names(pooler, "DATABASES", "name"), "the unused one is forgotten")
    for what in ("POOLS", "STATS"):
        assert "template1" not in names(pooler, what) and {"postgres", "app"} & names(pooler, what), what
    assert "postgres" in names(pooler, "DATABASES", "name"), "it has a client"
    assert total(pooler, "total_query_count") >= before
    with pooler.client(database="template1") as other:
        assert other.ask("select current_database()") == "template1"
    assert client.ask("select current_database()") == "postgres"
    client.close()


def test_pool(start_pooler):
    pooler = start_pooler(pool_idle_timeout=1, server_idle_timeout=1)

    def rows():
        return [row["user"] for row in pooler.show("POOLS") if row["database"] == "app"]

    def queries():
        return next(int(row["total_query_count"]) for row in pooler.show("STATS") if row["database"] == "app")

    with pooler.client() as client:
        for _ in range(5):
            client.ask("select 1")
        assert rows() == ["app"]
    wait_until(lambda: queries() >= 5, "all are counted")
    before = queries()
    wait_until(lambda: rows() == [], "it is forgotten")
    assert queries() == before, "what it has done is not"
    with pooler.client() as client:
        assert client.ask("select 1") == "1"
    wait_until(lambda: queries() == before + 1, "it is counted")
    assert rows() == ["app"]
