"""Strangers and their bytes: the connection ends with an error, nothing else is touched, no memory grows."""

import contextlib
import random
import socket
import struct
import time

import pytest

from harness import is_closed, nothing_is_open, pgweir_only, works
from pooler import Pooler, memory, seconds
from wire import (
    SSL_REQUEST,
    ConnectionClosed,
    Wire,
    cstring,
    message,
    password_message,
    query,
    startup_packet,
    sync,
)

STARTUP = startup_packet({"user": "app", "database": "app"})
MEMORY_GROWTH = 8_000_000


def length(value):
    return struct.pack("!I", value & 0xFFFFFFFF)


def packet(body):
    return struct.pack("!I", len(body) + 4) + body


BEFORE_LOGIN = {
    "zeros": b"\0" * 64,
    "ones": b"\xff" * 64,
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls_hello": bytes.fromhex("160301020001000001fc0303") + b"x" * 505,
    "length_0": length(0) + STARTUP[4:],
    "length_3": length(3) + STARTUP[4:],
    "length_4": length(4),
    "length_7": length(7) + b"\0\3\0",
    "length_8_only_version": packet(b"\0\3\0\0"),
    "length_2_31": length(1 << 31) + STARTUP[4:],
    "length_2_31_minus_1": length((1 << 31) - 1) + STARTUP[4:],
    "length_negative": length(-1) + STARTUP[4:],
    "length_of_a_megabyte": length(1 << 20) + STARTUP[4:],
    "no_terminator": packet(STARTUP[4:-1]),
    "no_zero_bytes": packet(b"\0\3\0\0" + b"user" * 20),
    "name_without_value": packet(b"\0\3\0\0user\0"),
    "bytes_behind_the_terminator": packet(STARTUP[4:] + b"more"),
    "empty_user": startup_packet({"user": "", "database": "app"}),
    "ssl_request_with_wrong_length": length(9) + SSL_REQUEST[4:] + b"x",
    "cancel_without_key": packet(struct.pack("!i", 80877102)),
    "unknown_request_code": packet(struct.pack("!i", 80877105)),
    "password_first": password_message("secret"),
    "query_first": query("select 1"),
    "sync_first": sync(),
}


@pytest.mark.parametrize("name", BEFORE_LOGIN)
def test_nonsense_before_login(start_pooler, name):
    pooler = start_pooler()
    works(pooler)  # the first log-in waits for a server
    pooler.reload(client_login_timeout=1)
    client = pooler.raw()
    client.send(BEFORE_LOGIN[name])
    result = client.read_to_end(seconds(15))
    assert "Z" not in result.types
    client.vanish()
    works(pooler)


@pgweir_only
@pytest.mark.parametrize("name", ["password_first", "length_0", "length_3", "length_2_31"])
def test_nonsense_before_login_is_refused_at_once(pooler, name):
    client = pooler.raw()
    client.send(BEFORE_LOGIN[name])
    begin = time.monotonic()
    is_closed(client)
    assert time.monotonic() - begin < seconds(10)


@pytest.mark.parametrize("cut", [1, 4, 7, 8, 9, 20, len(STARTUP) - 1])
def test_truncated_startup_packet_then_close(pooler, cut):
    client = pooler.raw()
    client.send(STARTUP[:cut])
    client.socket.shutdown(socket.SHUT_WR)
    assert "Z" not in client.read_to_end().types
    works(pooler)


def test_random_bytes_a_thousand_times(pooler):
    works(pooler)
    before = pooler.rss()
    random.seed(20)
    for _ in range(1000):
        client = pooler.raw()
        client.send(random.randbytes(random.randint(1, 400)))
        client.reset()
    works(pooler)
    assert pooler.rss() - before < memory(MEMORY_GROWTH)


def test_random_bytes_that_look_like_a_startup(pooler):
    before = pooler.rss()
    random.seed(21)
    for _ in range(500):
        body = b"\0\3\0\0" + random.randbytes(random.randint(0, 300))
        client = pooler.raw()
        client.send(packet(body))
        assert "Z" not in client.read_to_end().types
        client.vanish()
    works(pooler)
    assert pooler.rss() - before < memory(MEMORY_GROWTH)


@pytest.mark.parametrize("what", ["user", "database"])
@pytest.mark.parametrize("size", [63, 64, 127, 128, 255, 256, 1000, 4000, 9900, 9980, 10_000, 60_000])
@pytest.mark.parametrize("auth_type", ["trust", "scram-sha-256"])
def test_long_names_are_refused(bystander, what, size, auth_type):
    """CVE-2012-4575."""
    pooler = bystander(auth_type)
    parameters = {"user": "app", "database": "app", what: "n" * size}
    client = pooler.raw()
    try:
        client.startup(parameters["user"], parameters["database"], "app secret")
        raise AssertionError("let in")
    except ConnectionClosed:
        pass
    except Exception as error:
        assert getattr(error, "severity", "") == "FATAL", error
    client.vanish()
    works(pooler)


@pytest.fixture(scope="module")
def bystanders(cluster):
    running = {}
    yield running
    with contextlib.ExitStack() as ends:
        for one in running.values():
            ends.callback(one.stop)


@pytest.fixture
def bystander(bystanders, cluster):
    """One pooler for many small tests, by auth_type; it takes any database name."""

    def get(auth_type="trust"):
        if auth_type not in bystanders:
            star = {"*": f"host=127.0.0.1 port={cluster.primary.port}"}
            bystanders[auth_type] = Pooler(
                cluster.primary, {"auth_type": auth_type, "client_login_timeout": 3}, star
            ).start()
        return bystanders[auth_type]

    yield get
    for auth_type, one in list(bystanders.items()):
        if not one.alive():
            del bystanders[auth_type]
            one.stop()


def test_thousand_startup_parameters(bystander):
    parameters = {f"p{at}": "v" for at in range(1000)}
    client = bystander().raw()
    try:
        client.startup("app", "app", parameters=parameters)
        raise AssertionError("let in")
    except ConnectionClosed:
        pass
    except Exception as error:
        assert getattr(error, "severity", "") == "FATAL", error
    works(bystander())


# While logging in

PASSWORDS = {
    "empty_body": message("p"),
    "no_terminator": message("p", b"secret"),
    "length_3": b"p" + length(3) + b"xxx",
    "length_0": b"p" + length(0) + b"xxx",
    "length_2_31": b"p" + length(1 << 31) + b"xxx",
    "of_a_megabyte": message("p", b"x" * 1_000_000 + b"\0"),
    "sasl_length_4_gb": message("p", cstring("SCRAM-SHA-256") + length(0xFFFFFFFF) + b"n,,n=,r=a"),
    "sasl_length_2_31": message("p", cstring("SCRAM-SHA-256") + length(1 << 31) + b"n,,n=,r=a"),
    "sasl_length_too_long": message("p", cstring("SCRAM-SHA-256") + length(1000) + b"n,,n=,r=a"),
    "sasl_length_too_short": message("p", cstring("SCRAM-SHA-256") + length(2) + b"n,,n=,r=a"),
    "sasl_unknown_mechanism": message("p", cstring("PLAIN") + length(3) + b"abc"),
    "sasl_channel_binding": message(
        "p", cstring("SCRAM-SHA-256") + length(28) + b"p=tls-server-end-point,,n=,r=a"[:28]
    ),
    "sasl_no_nonce": message("p", cstring("SCRAM-SHA-256") + length(5) + b"n,,n="),
    "sasl_empty_nonce": message("p", cstring("SCRAM-SHA-256") + length(8) + b"n,,n=,r="),
    "sasl_commas": message("p", cstring("SCRAM-SHA-256") + length(20) + b"," * 20),
    "query_instead": query("select 1"),
    "terminate_instead": message("X"),
    "startup_again": STARTUP,
}


@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256"])
@pytest.mark.parametrize("name", PASSWORDS)
def test_nonsense_instead_of_a_password(bystander, auth_type, name):
    pooler = bystander(auth_type)
    client = pooler.raw().startup("app", "app", read=False)
    assert client.read_message().type == "R"
    with contextlib.suppress(ConnectionClosed):  # a long one may be refused before all of it is sent
        client.send(PASSWORDS[name])
    result = client.read_to_end(seconds(8))
    assert "Z" not in result.types
    client.vanish()
    works(pooler)


FINALS = {
    "empty": b"",
    "only_binding": b"c=biws",
    "foreign_nonce": b"c=biws,r=wrong,p=AAAA",
    "empty_proof": b"c=biws,r=%s,p=",
    "short_proof": b"c=biws,r=%s,p=AAAA",
    "wrong_proof": b"c=biws,r=%s,p=" + b"A" * 43 + b"=",
    "proof_no_base64": b"c=biws,r=%s,p=!!!!" + b"A" * 39 + b"=",
    "other_binding": b"c=eSws,r=%s,p=" + b"A" * 43 + b"=",
    "no_proof": b"c=biws,r=%s",
    "commas": b"," * 1000,
    "zeros": b"\0" * 100,
    "long": b"x" * 100_000,
}


@pytest.mark.parametrize("name", FINALS)
def test_nonsense_as_final_sasl_message(bystander, name):
    pooler = bystander("scram-sha-256")
    client = pooler.raw().startup("app", "app", read=False)
    assert client.read_message().type == "R"
    client.send(message("p", cstring("SCRAM-SHA-256") + length(9) + b"n,,n=,r=a"))
    challenge = client.read_message().body[4:]
    nonce = challenge.split(b",")[0][2:]
    client.send(message("p", FINALS[name].replace(b"%s", nonce)))
    result = client.read_to_end(seconds(8))
    assert "Z" not in result.types and result.errors
    works(pooler)


# After log-in

AFTER_LOGIN = {
    "length_0": b"Q" + length(0) + b"select 1\0",
    "length_3": b"Q" + length(3) + b"select 1\0",
    "length_2_31": b"Q" + length(1 << 31) + b"select 1\0",
    "length_negative": b"Q" + length(-1) + b"select 1\0",
    "unknown_type": message("!", b"what"),
    "type_zero": message("\0"),
    "type_255": b"\xff" + length(4),
    "server_message": message("Z", b"I"),
    "password": password_message("secret"),
    "startup_again": STARTUP,
    "ssl_request": SSL_REQUEST,
    "http": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("when", ["idle", "in_transaction", "in_pipeline", "in_copy"])
@pytest.mark.parametrize("name", AFTER_LOGIN)
def test_nonsense_after_login(bystander, primary, name, when):
    primary.ask("create table if not exists target (a text); grant all on target to app")
    pooler = bystander()
    client = pooler.client()
    if when == "in_transaction":
        client.ask("begin")
        client.ask("insert into target values ('ghost')")
    elif when == "in_pipeline":
        client.send(query("select 1 from pg_sleep(0.05)") * 2)
    elif when == "in_copy":
        client.send(query("copy target from stdin"))
        client.read_until("G")
    client.send(AFTER_LOGIN[name])
    client.socket.shutdown(socket.SHUT_WR)
    is_closed(client, seconds(8))
    client.vanish()
    works(pooler)
    assert primary.ask("select count(*) from target") == 0
    nothing_is_open(primary)


@pgweir_only
@pytest.mark.parametrize("name", ["length_0", "length_3", "length_2_31", "unknown_type", "password"])
def test_nonsense_after_login_is_an_error_at_once(bystander, name):
    client = bystander().client()
    client.send(AFTER_LOGIN[name])
    result = client.read_to_end(seconds(15))
    assert result.errors and result.errors[-1].severity == "FATAL"
    works(bystander())


# What PostgreSQL refuses with an ERROR and a living connection, or ends: as it likes, but nobody else notices.
MALFORMED = {
    "query_without_terminator": message("Q", b"select 1"),
    "query_with_bytes_behind": message("Q", b"select 1\0more\0"),
    "query_empty_body": message("Q"),
    "parse_truncated": message("P", b"name\0select 1\0"),
    "parse_too_many_types": message("P", b"\0select 1\0" + struct.pack("!h", 1000)),
    "parse_negative_types": message("P", b"\0select 1\0" + struct.pack("!h", -1)),
    "bind_truncated": message("B", b"\0\0\0"),
    "bind_value_of_2_gb": message("B", b"\0\0" + struct.pack("!hhI", 0, 1, 0x7FFFFFFF)),
    "describe_unknown_kind": message("D", b"Xname\0"),
    "describe_empty": message("D"),
    "execute_truncated": message("E", b"\0\0"),
    "close_unknown_kind": message("C", b"Xname\0"),
    "close_empty": message("C"),
    "sync_with_body": message("S", b"body"),
    "flush_with_body": message("H", b"body"),
    "function_call_truncated": message("F", b"\0\0"),
    "terminate_with_body": message("X", b"body"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_messages_are_their_senders_problem(bystander, primary, name):
    pooler = bystander()
    client = pooler.client()
    client.send(MALFORMED[name] + sync())
    client.socket.shutdown(socket.SHUT_WR)
    is_closed(client, seconds(8))
    client.vanish()
    for _ in range(3):
        works(pooler)
    nothing_is_open(primary)


def test_random_messages_after_login(bystander, primary):
    """Well-framed nonsense, 300 connections of it."""
    pooler = bystander()
    works(pooler)
    before = pooler.rss()
    random.seed(22)
    for _ in range(300):
        client = pooler.client()
        data = b"".join(
            message(random.choice("QPBDECSHFdcfX"), random.randbytes(random.randint(0, 60)))
            for _ in range(random.randint(1, 8))
        )
        try:
            client.send(data)
            if random.random() < 0.5:
                client.silent_for(0.005)
        except ConnectionClosed:
            pass
        client.reset()
    works(pooler)
    assert pooler.rss() - before < memory(MEMORY_GROWTH)
    nothing_is_open(primary)
    assert primary.ask("select 1") == 1


def test_huge_startup_floods_fill_no_memory(pooler):
    works(pooler)
    before = pooler.rss()
    open_ones = []
    for _ in range(200):
        client = pooler.raw()
        client.send(length(9999) + b"\0\3\0\0" + b"u" * 5000)
        open_ones.append(client)
    works(pooler)
    assert pooler.rss() - before < memory(200 * 65_536)
    for client in open_ones:
        client.reset()


def test_announced_gigabyte_is_not_reserved(pooler):
    """A length alone must cost nothing, before and after log-in."""
    works(pooler)
    before = pooler.rss()
    clients = []
    for _ in range(20):
        client = pooler.client()
        client.send(b"P" + length(0x3FFFFFFF) + b"\0select")
        clients.append(client)
    works(pooler)
    assert pooler.rss() - before < memory(20_000_000)
    for client in clients:
        client.reset()
    works(pooler)


def test_thousand_silent_clients_do_not_keep_others_out(start_pooler):
    pooler = start_pooler(max_client_conn=1000, client_login_timeout=2)
    silent = [Wire(pooler.address) for _ in range(1000)]
    deadline = time.monotonic() + seconds(10)
    while True:
        try:
            works(pooler)
            break
        except Exception:
            assert time.monotonic() < deadline, "still kept out"
            time.sleep(0.1)
    for client in silent:
        client.vanish()


@pgweir_only
def test_slow_drip_does_not_outlive_the_login_timeout(start_pooler):
    """A byte now and then must not renew the limit."""
    pooler = start_pooler(client_login_timeout=1)
    client = pooler.raw()
    begin = time.monotonic()
    try:
        for at in range(len(STARTUP) - 1):
            client.send(STARTUP[at : at + 1])
            time.sleep(1)
    except ConnectionClosed:
        pass
    assert 0.8 <= time.monotonic() - begin < seconds(15)
