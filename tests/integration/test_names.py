"""Names of hosts: what they mean is kept for a while, and servers follow when it changes."""

import os
import shutil
import signal

import pytest

from harness import pgweir_only
from names import HOST, Names
from postgres import temporary_folder
from wire import query, startup_packet, wait_until

pytestmark = pgweir_only

HERE = "127.0.0.1"
NOWHERE = "127.0.0.77"  # where no server listens


@pytest.fixture
def names(monkeypatch):
    folder = temporary_folder("pgweir-names-")
    made = Names(folder)
    made.set(HERE)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def start(start_pooler, primary):
    def begin(**settings):
        settings = {"dns_max_ttl": "0.1", "server_login_retry": "0.1", **settings}
        return start_pooler(databases={"named": f"host={HOST} port={primary.port} dbname=app"}, **settings)

    return begin


def process_of(client):
    return int(client.ask("select pg_backend_pid()"))


def hosts(pooler):
    return {row["hostname"]: row["addrs"] for row in pooler.show("DNS_HOSTS")}


def test_what_a_name_means_is_kept_and_shown(start, names):
    pooler = start(dns_max_ttl=600)
    assert hosts(pooler) == {}
    first = pooler.client(database="named")
    first.query("begin")
    assert hosts(pooler) == {HOST: HERE}
    assert 590 <= int(pooler.show("DNS_HOSTS")[0]["ttl"]) <= 600
    assert {row["list"]: row["items"] for row in pooler.show("LISTS")}["dns_names"] == "1"
    names.set(NOWHERE)
    with pooler.client(database="named") as second:
        assert second.ask("select 1") == "1", "it is not asked for again"
    first.close()


def test_server_at_an_address_that_is_gone_is_replaced(start, names, primary):
    """While it is in use it serves on; nobody gets it after that."""
    pooler = start(dns_max_ttl=0)
    first = pooler.client(database="named")
    first.query("begin")
    process = process_of(first)
    names.set(NOWHERE)
    second = pooler.client(database="named")
    second.send(query("select 'served'"))
    wait_until(lambda: hosts(pooler) == {HOST: NOWHERE}, "its new address is known")
    assert process_of(first) == process and first.query("commit").errors == []
    wait_until(lambda: primary.backends(f"pid = {process}") == 0, "its server is closed when it is free")
    names.set(HERE)
    assert second.read_result().value == "served"
    assert process_of(second) != process
    first.close()
    second.close()


def test_changes_are_noticed_while_nobody_connects(start, names, primary):
    pooler = start(dns_max_ttl=600, dns_zone_check_period="0.2")
    with pooler.client(database="named") as client:
        process = process_of(client)
        names.set(NOWHERE)
        wait_until(lambda: primary.backends(f"pid = {process}") == 0, "its idle server is closed")
        names.set(HERE)
        wait_until(lambda: hosts(pooler) == {HOST: HERE}, "it is known")
        assert process_of(client) != process


def test_servers_of_the_process_before_are_no_exception(start, names, primary):
    """Nobody asks for a connection after the restart; the name is looked up all the same."""
    pooler = start()
    with pooler.client(database="named") as client:
        process = process_of(client)
        names.set(NOWHERE)
        old = pooler.restart()
        assert pooler.exit_of(old) == 0
        wait_until(lambda: primary.backends(f"pid = {process}") == 0, "its server is closed")
        names.set(HERE)
        assert process_of(client) != process


def test_host_that_there_is_not(start, names):
    pooler = start(dns_nxdomain_ttl=600)
    names.set("")
    with pooler.raw() as wire:
        wire.startup("app", "named", password="", read=False)
        wait_until(lambda: hosts(pooler) == {HOST: ""}, "it is known that there is none")
        names.set(HERE)
        attempts = pooler.log().count("cannot connect: Host not found")
        wait_until(lambda: pooler.log().count("cannot connect: Host not found") > attempts + 1, "it is tried again")
    assert hosts(pooler) == {HOST: ""}, "it is not asked for again"


def test_end_does_not_wait_for_the_resolver(start, names):
    names.set("never")
    pooler = start()
    with pooler.raw() as client:
        client.send(startup_packet({"user": "app", "database": "named"}))
        wait_until(
            lambda: {row["list"]: row["items"] for row in pooler.show("LISTS")}["dns_queries"] == "1",
            "the resolver is asked",
        )
        pooler.signal(signal.SIGQUIT)
        assert pooler.wait_for_exit() == 0
    assert [name for name in os.listdir(pooler.folder) if name.startswith(".s.")] == []
