"""Clients that speak the protocol themselves, for counts that have to repeat and for clients by the thousand.

Each function gives transactions of one kind, over so many clients in turns: all ask, then all read their answers.
"""
import socket
import struct

ROW = b"select abalance from pgbench_accounts where aid = 1"
BIG = b"select repeat('x', 1000) from generate_series(1, 1000)"
READY = b"Z\0\0\0\5I"


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def startup():
    """Of role bench, whom the pooler trusts (manual: 55.2.1 Start-up)."""
    body = struct.pack("!i", 3 << 16) + b"user\0bench\0database\0bench\0\0"
    return struct.pack("!i", len(body) + 4) + body


def open_socket(port):
    client = socket.create_connection(("127.0.0.1", port), 60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(startup())
    return client


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


def extended_query(text):
    parse = message(b"P", b"\0" + text + b"\0\0\0")
    bind = message(b"B", b"\0\0\0\0\0\0\0\0")
    return parse + bind + message(b"D", b"P\0") + message(b"E", b"\0\0\0\0\0") + message(b"S", b"")


def repeat(port, clients, transactions, request):
    sockets = [logged_in(port) for _ in range(clients)]
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


def big(port, clients, transactions):
    repeat(port, clients, transactions, simple_query(BIG))


def connect(port, clients, transactions):
    for _ in range(transactions):
        repeat(port, 1, 1, simple_query(ROW))
