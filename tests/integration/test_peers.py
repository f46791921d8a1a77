"""Processes that share a port pass cancel requests on to the one that they are meant for ([peers])."""

import signal
import struct
import threading

import pytest

from harness import accepts, check_error, pgweir_only
from pooler import ADMIN, seconds
from wire import Wire, query, send_cancel, wait_until

pytestmark = pgweir_only


def ask(pooler, text):
    """The console of this very process."""
    with Wire(pooler.unix_address, timeout=seconds(20)).startup(ADMIN, "pgbouncer", password="") as console:
        return console.query(text)


@pytest.fixture
def peers(start_pooler):
    """Three processes on one port, which know each other by their Unix sockets."""
    first = start_pooler(so_reuseport=1, peer_id=1, workers=1)  # whose limit is that of one worker
    processes = [first]
    for number in (2, 16383):
        processes.append(start_pooler(so_reuseport=1, peer_id=number, listen_port=first.port))
    for one in processes:  # the port answers as soon as one of them does
        wait_until(lambda one=one: accepts(one.unix_address), "it listens")
    known = {one.settings["peer_id"]: f"host={one.folder} port={one.port} pool_size=2" for one in processes}
    for one in processes:
        one.peers = known
        one.write()
        one.signal(signal.SIGHUP)
        wait_until(lambda one=one: len(ask(one, "show peers").rows) == 2, "it knows the others")
    return processes


def test_cancel_reaches_its_query_whoever_gets_it(peers, primary):
    for owner in peers:
        with Wire(owner.unix_address, timeout=seconds(30)).startup("app", "app", password="") as client:
            for receiver in peers:
                client.send(query("select pg_sleep(60)"))
                running = "state = 'active' and query like 'select pg_sleep%'"
                wait_until(lambda running=running: primary.backends(running) == 1, "it runs")
                send_cancel(receiver.unix_address, client.process_id, client.key)
                check_error(client.read_result().error, "57014")


def test_clients_of_the_common_port_are_cancelled_too(peers, primary):
    clients = [peers[0].client() for _ in range(12)]
    for client in clients:
        client.send(query("select pg_sleep(60)"))
        wait_until(lambda: primary.backends("state = 'active' and query like 'select pg_sleep%'") >= 1, "it runs")
        client.cancel()
        check_error(client.read_result().error, "57014")
        client.close()


def test_keys_are_those_of_pgbouncers_peers(peers):
    for one in peers:
        with Wire(one.unix_address, timeout=seconds(20)).startup("app", "app", password="") as client:
            key = struct.pack("!i", client.process_id) + client.key
            number = one.settings["peer_id"]
            assert key[0] < 0x80 and (key[1], key[2]) == (number & 0xFF, number >> 8) and key[7] & 3 == 3


def test_requests_of_nobody_end_and_are_bounded(peers):
    """Of a process that there is not, one that has been passed on too often, many at once."""
    first, second = peers[0], peers[1]

    def key_for(number, passes, at):
        process = number % 256 << 16 | number // 256 << 8
        return process, struct.pack("!I", at << 2 | passes)

    send_cancel(first.unix_address, *key_for(77, 3, 1))
    send_cancel(first.unix_address, *key_for(second.settings["peer_id"], 0, 1))
    many = [
        threading.Thread(target=send_cancel, args=(first.unix_address, *key_for(2, 3, at))) for at in range(1, 40)
    ]
    for one in many:
        one.start()
    for one in many:
        one.join()
    rows = [[int(value) for value in row] for row in ask(first, "show peer_pools").rows]
    assert rows == [[2, 0, 0, 0, 0], [16383, 0, 0, 0, 0]]
    second.hold()
    try:
        held = [
            threading.Thread(target=send_cancel, args=(first.unix_address, *key_for(2, 3, at))) for at in range(1, 6)
        ]
        for one in held:
            one.start()
        wait_until(
            lambda: [int(v) for v in ask(first, "show peer_pools").rows[0]] == [2, 2, 3, 2, 0],
            "two are on their way, and three wait",
        )
    finally:
        second.signal(signal.SIGCONT)
    for one in held:
        one.join()
