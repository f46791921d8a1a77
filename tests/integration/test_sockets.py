"""Sockets: who listens where, to which worker or process a client comes, servers over Unix sockets."""

import shutil
import signal
import socket

import pytest

from harness import Stopwatch, accepts, check_error, pgweir_only, works
from pooler import ADMIN, WORKERS, Pooler, seconds
from names import HOST, Names
from postgres import free_port, temporary_folder
from wire import Wire, query, wait_until


def workers(console):
    result = console.query("show workers")
    names = [name for name, _ in result.columns]
    return [dict(zip(names, row)) for row in result.rows]


def clients_by_worker(console):
    return [int(row["clients"]) for row in workers(console)]


# Workers


def connect(pooler, console):
    """A client, and the worker that it has come to."""
    before = clients_by_worker(console)
    client = pooler.client()
    after = clients_by_worker(console)
    (worker,) = [at for at in range(WORKERS) if after[at] > before[at]]
    return worker, client


@pgweir_only
def test_clients_go_to_the_worker_with_the_fewest(pooler):
    """Those who stay when others leave do not make it uneven for ever."""
    with pooler.console() as console:
        wait_until(lambda: sum(clients_by_worker(console)) == 1, "only the console")
        connected = [connect(pooler, console) for _ in range(4 * WORKERS)]
        counts = clients_by_worker(console)
        assert sum(counts) == len(connected) + 1 and max(counts) - min(counts) <= 1, counts
        leaving = [client for worker, client in connected if worker == 0]
        for client in leaving:
            client.close()
        wait_until(lambda: sum(clients_by_worker(console)) == 1 + len(connected) - len(leaving), "gone")
        came = [connect(pooler, console) for _ in leaving]
        counts = clients_by_worker(console)
        assert max(counts) - min(counts) <= 1, counts
        for _, client in came + connected:
            if client not in leaving:
                assert client.ask("select 1") == "1"
                client.close()


# Ports of fixed routes


@pgweir_only
def test_ports_of_fixed_routes_listen_on_tcp_and_have_sockets(start_pooler):
    ports = {"listen_port_primary": free_port(), "listen_port_standby": free_port()}
    pooler = start_pooler(**ports)
    for port in ports.values():
        for address in ("127.0.0.1", port), f"{pooler.folder}/.s.PGSQL.{port}":
            wait_until(lambda: listens(address), f"somebody listens on {address}", seconds(15))
            with Wire(address, seconds(20)) as client:
                client.startup("app", "app", pooler.passwords["app"])
                assert client.ask("select 1") == "1"
    assert f"listening on 127.0.0.1:{ports['listen_port_primary']}, for the primary" in pooler.log()
    assert f"listening on 127.0.0.1:{ports['listen_port_standby']}, for the standby" in pooler.log()


def listens(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


@pgweir_only
def test_each_host_has_its_own_port(start_pooler, cluster):
    """Without routing a list is used in turn, whoever is primary."""
    ports = {str(cluster.primary.port), str(cluster.standby.port)}
    at = f"host=127.0.0.1,127.0.0.1 port={','.join(sorted(ports))}"
    pooler = start_pooler(databases={"app": at})
    with pooler.client() as first, pooler.client() as second:
        first.ask("begin")
        assert {client.ask("select inet_server_port()") for client in (first, second)} == ports


# Processes


def accepted(pooler):
    """How many clients a process has had. By its Unix socket: on the port another may answer."""
    with Wire(pooler.unix_address, seconds(20)) as console:
        console.startup(ADMIN, "pgbouncer", pooler.passwords[ADMIN])
        return sum(int(row["accepted"]) for row in workers(console))


@pgweir_only
def test_processes_share_a_port_if_both_say_so(start_pooler):
    first = start_pooler(so_reuseport=1)
    second = start_pooler(so_reuseport=1, listen_port=first.port)
    # It answers on the port once it has its Unix socket, whoever answered there until now.
    wait_until(lambda: accepts(second.unix_address), "the second listens", seconds(15))
    before = accepted(first), accepted(second)
    clients = [first.client() for _ in range(40)]
    for client in clients:
        assert client.ask("select 1") == "1"
    # Of 40, all come to one process once in 500 thousand million times.
    assert accepted(first) - before[0] > 1 and accepted(second) - before[1] > 1
    for client in clients:
        client.close()
    second.signal(signal.SIGQUIT)
    assert second.wait_for_exit() == 0
    for _ in range(10):
        works(first)


@pgweir_only
@pytest.mark.parametrize("first, second", [(0, 0), (1, 0), (0, 1)])
def test_process_that_does_not_share_its_port_is_told_to_the_next(start_pooler, primary, first, second):
    running = start_pooler(so_reuseport=first)
    other = Pooler(primary, {"so_reuseport": second, "listen_port": running.port})
    try:
        other.spawn()
        assert other.wait_for_exit() == 1
        assert f"cannot listen on 127.0.0.1:{running.port}: " in other.log()
        assert "another program listens there already" in other.log()
    finally:
        other.remove()
    works(running)


# Servers over Unix sockets


@pytest.fixture(params=["host is its directory", "no host"])
def local(request, start_pooler, cluster, primary):
    if request.param == "no host":
        return start_pooler(
            databases={"local": f"port={primary.port} dbname=app"}, unix_socket_dir=cluster.folder
        )
    return start_pooler(databases={"local": f"host={cluster.folder} port={primary.port} dbname=app"})


def test_server_over_a_unix_socket_answers(local):
    with local.client("local") as first, local.client("local") as second:
        for client in (first, second) * 3:
            assert client.ask("select inet_server_addr()") is None
            assert client.extended("select $1::int", 7).value == "7"
    servers = [row for row in local.show("SERVERS") if row["database"] == "local"]
    assert servers and {row["addr"] for row in servers} == {"unix"}


def test_cancel_reaches_a_server_over_a_unix_socket(local, primary):
    with local.client("local") as client:
        client.send(query("select pg_sleep(60)"))
        wait_until(lambda: primary.backends("query like '%pg_sleep%' and state = 'active'") == 1, "it runs")
        watch = Stopwatch()
        client.cancel()
        check_error(client.read_result().error, "57014", "canceling statement due to user request")
        assert watch.elapsed < seconds(10)
        assert client.ask("select 1") == "1"


def test_large_result_comes_over_a_unix_socket(local):
    with local.client("local", timeout=60) as client:
        result = client.query("select repeat('x', 1000000) from generate_series(1, 50)")
        assert [len(value) for (value,) in result.rows] == [1_000_000] * 50
        text = "y" * 5_000_000
        assert client.extended("select $1::text", text).value == text


# Names


@pgweir_only
def test_all_addresses_of_a_name_are_listened_on(start_pooler, monkeypatch):
    """As localhost often has one of IPv6 and one of IPv4."""
    folder = temporary_folder("pgweir-names-")
    names = Names(folder)
    names.set("127.0.0.1 127.0.0.9")
    for name, value in names.environment.items():
        monkeypatch.setenv(name, value)
    pooler = start_pooler(listen_addr=HOST)
    for address in ("127.0.0.1", "127.0.0.9"):
        with Wire((address, pooler.port), timeout=seconds(20)).startup("app", "app", password="") as client:
            assert client.ask("select 1") == "1"
    shutil.rmtree(folder)
