"""Clients that speak the protocol themselves, for counts that have to repeat and for clients by the thousand.

Each function gives transactions of one kind, over so many clients in turns: all ask, then all read their answers.
"""
import asyncio
import base64
import functools
import hashlib
import hmac
import os
import socket
import ssl
import struct

ROW = b"select abalance from pgbench_accounts where aid = 1"
BIG = b"select repeat('x', 1000) from generate_series(1, 1000)"
READY = b"Z\0\0\0\5I"


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def startup(user=b"bench"):
    """Of role bench, whom the pooler trusts, or another (manual: 55.2.1 Start-up)."""
    body = struct.pack("!i", 3 << 16) + b"user\0" + user + b"\0database\0bench\0\0"
    return struct.pack("!i", len(body) + 4) + body


def open_socket(port, tls=None):
    """A client that has sent its startup packet; over TLS if an ssl.SSLContext is given."""
    client = socket.create_connection(("127.0.0.1", port), 60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        client.sendall(struct.pack("!ii", 8, 80877103))
        if client.recv(1) != b"S":
            raise ConnectionError("the pooler speaks no TLS")
        client = tls.wrap_socket(client)
    client.sendall(startup())
    return client


def any_certificate():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_until_ready(client):
    """The end of the answer is enough: what is before it is not our subject, but an error is."""
    end = b""
    while not end.endswith(READY):
        piece = client.recv(65536)
        if not piece:
            raise ConnectionError(f"closed by the pooler: {end[-200:]!r}")
        if not end and piece[:1] == b"E":
            raise ConnectionError(f"refused: {piece[:200]!r}")
        end = (end + piece)[-200:]


def logged_in(port):
    client = open_socket(port)
    read_until_ready(client)
    return client


def simple_query(text):
    return message(b"Q", text + b"\0")


SYNC = message(b"S", b"")


def parse_message(name, text):
    return message(b"P", name + b"\0" + text + b"\0\0\0")


def run_of(name):
    """What executes a prepared statement."""
    bind = message(b"B", b"\0" + name + b"\0\0\0\0\0\0\0")
    return bind + message(b"D", b"P\0") + message(b"E", b"\0\0\0\0\0") + SYNC


def extended_query(text):
    return parse_message(b"", text) + run_of(b"")


def repeat(port, clients, transactions, request, first=None):
    """`first`: what each client asks for before."""
    sockets = [logged_in(port) for _ in range(clients)]
    for client in sockets if first else ():
        client.sendall(first)
        read_until_ready(client)
    for _ in range(transactions // clients):
        for client in sockets:
            client.sendall(request)
        for client in sockets:
            read_until_ready(client)
    for client in sockets:
        client.sendall(message(b"X", b""))
        client.close()


def simple(port, clients, transactions):
    repeat(port, clients, transactions, simple_query(ROW))


def extended(port, clients, transactions):
    repeat(port, clients, transactions, extended_query(ROW))


def prepared(port, clients, transactions):
    repeat(port, clients, transactions, run_of(b"row"), first=parse_message(b"row", ROW) + SYNC)


def big(port, clients, transactions):
    repeat(port, clients, transactions, simple_query(BIG))


def connect(port, clients, transactions):
    for _ in range(transactions):
        repeat(port, 1, 1, simple_query(ROW))


@functools.lru_cache
def salted_password(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


async def read_message(reader):
    kind = await reader.readexactly(1)
    body = await reader.readexactly(struct.unpack("!i", await reader.readexactly(4))[0] - 4)
    if kind == b"E":
        raise ConnectionError(f"refused: {body[:200]!r}")
    return kind, body


async def log_in_by_scram(port, user, password):
    """One log-in and a good-bye (manual: 55.3.1 SCRAM-SHA-256 Authentication)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(startup(user))
    await read_message(reader)
    first = b"n=,r=" + base64.b64encode(os.urandom(18))
    initial = b"n,," + first
    writer.write(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(initial)) + initial))
    _, body = await read_message(reader)
    challenge = body[4:]
    fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
    salted = salted_password(password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    final = b"c=biws,r=" + fields[b"r"]
    signature = hmac.digest(hashlib.sha256(key).digest(), first + b"," + challenge + b"," + final, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature))
    writer.write(message(b"p", final + b",p=" + base64.b64encode(proof)))
    while (await read_message(reader))[0] != b"Z":
        pass
    writer.write(message(b"X", b""))
    writer.close()


def storm(port, count, user, password):
    """So many log-ins at once. Raises OSError if one fails."""
    async def all_of_them():
        await asyncio.gather(*(log_in_by_scram(port, user, password) for _ in range(count)))

    asyncio.run(all_of_them())
