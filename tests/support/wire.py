"""A client of PostgreSQL's protocol that hides nothing.

Drivers are too polite for a pooler's tests: they never split a message at every byte, pipeline past an
error or die in the middle of a COPY. This one does what it is told, and gives back every message as it
came. Blocking, one socket, one thread; every wait has a limit, so that a hang is a failure with a name.
PostgreSQL's manual: "Message Formats" and "Message Flow".
"""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import time

PROTOCOL_3_0 = 196608
PROTOCOL_3_2 = 196610
PROTOCOL_2_0 = 131072
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSSENC_REQUEST = struct.pack("!ii", 8, 80877104)


class ConnectionClosed(Exception):
    """The other side closed or reset the connection."""


class Message:
    __slots__ = ("type", "body")

    def __init__(self, kind, body):
        self.type = kind
        self.body = body

    def __repr__(self):
        body = self.body if len(self.body) <= 80 else self.body[:77] + b"..."
        return f"{self.type}({body!r})"


class ServerError(Exception):
    """An ErrorResponse, with its fields by their letter."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('S')} {fields.get('C')}: {fields.get('M')}")
        self.fields = fields

    @property
    def severity(self):
        return self.fields.get("S")

    @property
    def code(self):
        return self.fields.get("C")

    @property
    def message(self):
        return self.fields.get("M", "")


class Result:
    """What came back for a request, up to its ReadyForQuery."""

    def __init__(self):
        self.messages = []
        self.columns = []
        self.rows = []
        self.tags = []
        self.errors = []
        self.notices = []
        self.notifications = []
        self.copy_data = []
        self.status = None

    @property
    def types(self):
        return "".join(message.type for message in self.messages)

    @property
    def value(self):
        return self.rows[0][0]

    @property
    def error(self):
        return self.errors[0] if self.errors else None

    def add(self, message):
        self.messages.append(message)
        handler = self._handlers.get(message.type)
        if handler:
            handler(self, message.body)

    def _row(self, body):
        self.rows.append(read_data_row(body))

    def _description(self, body):
        self.columns = read_row_description(body)

    def _tag(self, body):
        self.tags.append(body[:-1].decode())

    def _error(self, body):
        self.errors.append(ServerError(read_fields(body)))

    def _notice(self, body):
        self.notices.append(read_fields(body))

    def _notification(self, body):
        channel, payload = body[4:].split(b"\0")[:2]
        self.notifications.append((channel.decode(), payload.decode()))

    def _copy(self, body):
        self.copy_data.append(body)

    def _ready(self, body):
        self.status = body.decode()

    _handlers = {
        "D": _row,
        "T": _description,
        "C": _tag,
        "E": _error,
        "N": _notice,
        "A": _notification,
        "d": _copy,
        "Z": _ready,
    }


def read_fields(body):
    fields = {}
    for part in body.split(b"\0"):
        if part:
            fields[chr(part[0])] = part[1:].decode(errors="replace")
    return fields


def read_data_row(body):
    (count,) = struct.unpack_from("!h", body)
    at = 2
    row = []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        if size < 0:
            row.append(None)
        else:
            row.append(body[at : at + size].decode(errors="replace"))
            at += size
    return tuple(row)


def read_row_description(body):
    """Columns as (name, type OID)."""
    (count,) = struct.unpack_from("!h", body)
    at = 2
    columns = []
    for _ in range(count):
        end = body.index(b"\0", at)
        name = body[at:end].decode()
        _, _, oid, _, _, _ = struct.unpack_from("!ihihih", body, end + 1)
        columns.append((name, oid))
        at = end + 19
    return columns


# Builders. Each gives the bytes of one message.


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def cstring(text):
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def startup_packet(parameters, protocol=PROTOCOL_3_0):
    body = struct.pack("!i", protocol)
    for name, value in parameters.items():
        body += cstring(name) + cstring(value)
    body += b"\0"
    return struct.pack("!i", len(body) + 4) + body


def cancel_request(process_id, key):
    return struct.pack("!iii", 12 + len(key), 80877102, process_id) + key


def query(sql):
    return message("Q", cstring(sql))


def parse(sql, name="", types=()):
    return message(
        "P", cstring(name) + cstring(sql) + struct.pack(f"!h{len(types)}i", len(types), *types)
    )


def bind(values=(), name="", portal="", result_format=0):
    body = cstring(portal) + cstring(name) + struct.pack("!hh", 0, len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            raw = value if isinstance(value, bytes) else str(value).encode()
            body += struct.pack("!i", len(raw)) + raw
    body += struct.pack("!hh", 1, result_format)
    return message("B", body)


def describe(name="", kind="S"):
    return message("D", kind.encode() + cstring(name))


def close_statement(name="", kind="S"):
    return message("C", kind.encode() + cstring(name))


def execute(portal="", rows=0):
    return message("E", cstring(portal) + struct.pack("!i", rows))


def sync():
    return message("S")


def flush():
    return message("H")


def terminate():
    return message("X")


def copy_data(data):
    return message("d", data)


def copy_done():
    return message("c")


def copy_fail(reason="gave up"):
    return message("f", cstring(reason))


def function_call(oid, *arguments):
    """Arguments and result in text format."""
    body = struct.pack("!ihh", oid, 0, len(arguments))
    for argument in arguments:
        raw = str(argument).encode()
        body += struct.pack("!i", len(raw)) + raw
    return message("F", body + struct.pack("!h", 0))


def password_message(data):
    return message("p", data if isinstance(data, bytes) else cstring(data))


def request(sql, *values):
    """One whole extended request: Parse, Bind, Describe, Execute, Sync."""
    return parse(sql) + bind(values) + describe(kind="P") + execute() + sync()


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677)."""

    def __init__(self, password):
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first_bare = f"n=,r={self.nonce}"
        self.expected_signature = None

    def first(self):
        return f"n,,{self.first_bare}".encode()

    def final(self, server_first):
        attributes = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert attributes["r"].startswith(self.nonce), "the server changed the client's nonce"
        salt = base64.b64decode(attributes["s"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, int(attributes["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        stored_key = hashlib.sha256(client_key).digest()
        without_proof = f"c=biws,r={attributes['r']}"
        signed = ",".join([self.first_bare, server_first.decode(), without_proof]).encode()
        signature = hmac.digest(stored_key, signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.expected_signature = hmac.digest(server_key, signed, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, server_final):
        expected = b"v=" + base64.b64encode(self.expected_signature)
        assert server_final == expected, f"wrong server signature: {server_final!r}"


def md5_password(user, password, salt):
    inner = hashlib.md5((password + user).encode()).hexdigest()
    return "md5" + hashlib.md5(inner.encode() + salt).hexdigest()


class Wire:
    """One connection. Close it with `close()` (Terminate), `vanish()` (FIN) or `reset()` (RST)."""

    def __init__(self, address, timeout=20.0):
        """`address` is (host, port), or the path of a Unix socket."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.address = address
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.buffer = bytearray()
        self.parameters = {}
        self.process_id = None
        self.key = None
        self.negotiated = None
        self.auth_methods = []
        self.notices = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Bytes.

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as error:
            raise ConnectionClosed(str(error)) from error

    def send_split(self, data, size=1):
        """Sends in pieces, each in a packet of its own as far as the kernel plays along."""
        for at in range(0, len(data), size):
            self.send(data[at : at + size])

    def _fill(self):
        try:
            data = self.socket.recv(262144)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as error:
            raise ConnectionClosed(str(error)) from error
        if not data:
            raise ConnectionClosed("end of stream")
        self.buffer += data

    # TLS.

    def handshake(self, context, session=None):
        """Goes on with TLS. Raises ssl.SSLError, or ConnectionClosed, if nothing comes of it."""
        try:
            self.socket = context.wrap_socket(
                self.socket, server_hostname="localhost", session=session
            )
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as error:
            raise ConnectionClosed(str(error)) from error
        return self

    def secure(self, context, session=None):
        """Asks for TLS in clear, as most clients do."""
        self.send(SSL_REQUEST)
        answer = self.read_bytes(1)
        assert answer == b"S", f"TLS is declined: {answer!r}"
        assert not self.buffer, "the server has sent more than its answer"
        return self.handshake(context, session)

    def read_bytes(self, count):
        while len(self.buffer) < count:
            self._fill()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_message(self, timeout=None):
        self.socket.settimeout(self.timeout if timeout is None else timeout)
        try:
            while len(self.buffer) < 5:
                self._fill()
            (length,) = struct.unpack_from("!I", self.buffer, 1)
            while len(self.buffer) < length + 1:
                self._fill()
        finally:
            self.socket.settimeout(self.timeout)
        kind = chr(self.buffer[0])
        body = bytes(self.buffer[5 : length + 1])
        del self.buffer[: length + 1]
        return Message(kind, body)

    def silent_for(self, seconds):
        """True if nothing arrives for so long."""
        if self.buffer:
            return False
        self.socket.settimeout(seconds)
        try:
            self._fill()
            return False
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(self.timeout)

    def read_until(self, kinds, timeout=None):
        """Messages up to and including the first of these types."""
        messages = []
        while True:
            messages.append(self.read_message(timeout))
            if messages[-1].type in kinds:
                return messages

    def read_result(self, timeout=None, until="Z"):
        result = Result()
        while True:
            one = self.read_message(timeout)
            result.add(one)
            if one.type in until:
                return result

    def read_to_end(self, timeout=None):
        """Everything until the other side closes."""
        result = Result()
        try:
            while True:
                result.add(self.read_message(timeout))
        except ConnectionClosed:
            return result

    # Log-in.

    def startup(
        self, user, database, password=None, protocol=PROTOCOL_3_0, parameters=None, read=True
    ):
        """Logs in. Raises ServerError when refused, ConnectionClosed when cut off."""
        everything = {"user": user}
        if database is not None:
            everything["database"] = database
        everything.update(parameters or {})
        self.send(startup_packet(everything, protocol))
        if read:
            self.read_login(user, password)
        return self

    def read_login(self, user, password=None):
        scram = None
        while True:
            one = self.read_message()
            if one.type == "R":
                scram = self._authenticate(one.body, user, password, scram)
            elif one.type == "S":
                name, value = one.body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            elif one.type == "K":
                (self.process_id,) = struct.unpack_from("!i", one.body)
                self.key = one.body[4:]
            elif one.type == "v":
                self.negotiated = read_negotiation(one.body)
            elif one.type == "N":
                self.notices.append(read_fields(one.body))
            elif one.type == "E":
                raise ServerError(read_fields(one.body))
            elif one.type == "Z":
                return

    def _authenticate(self, body, user, password, scram):
        (code,) = struct.unpack_from("!i", body)
        self.auth_methods.append(code)
        if code == 3:
            self.send(password_message(password))
        elif code == 5:
            self.send(password_message(md5_password(user, password, body[4:8])))
        elif code == 10:
            assert b"SCRAM-SHA-256" in body[4:].split(b"\0")
            scram = Scram(password)
            first = scram.first()
            self.send(
                password_message(cstring("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first)
            )
        elif code == 11:
            self.send(password_message(scram.final(body[4:])))
        elif code == 12:
            scram.verify(body[4:])
        elif code != 0:
            raise AssertionError(f"unknown authentication request {code}")
        return scram

    # Requests.

    def query(self, sql, timeout=None):
        """A simple Query; errors are in the result."""
        self.send(query(sql))
        return self.read_result(timeout)

    def ask(self, sql, timeout=None):
        """A simple Query that must work: its first value, or nothing."""
        result = self.query(sql, timeout)
        if result.errors:
            raise result.errors[0]
        return result.rows[0][0] if result.rows else None

    def extended(self, sql, *values, timeout=None):
        self.send(request(sql, *values))
        return self.read_result(timeout)

    def cancel(self):
        """Sends the CancelRequest for this connection, and waits until it has been taken."""
        send_cancel(self.address, self.process_id, self.key)

    # Ends.

    def close(self):
        try:
            self.socket.sendall(terminate())
        except OSError:
            pass
        self.socket.close()

    def vanish(self):
        self.socket.close()

    def reset(self):
        """Ends the connection with a RST, as when a machine's memory of it is gone."""
        if self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def read_negotiation(body):
    version, count = struct.unpack_from("!ii", body)
    names = [name.decode() for name in body[8:].split(b"\0")[:count]]
    return version, names


def send_cancel(address, process_id, key):
    wire = Wire(address)
    try:
        wire.send(cancel_request(process_id, key))
        wire.read_to_end()
    finally:
        wire.vanish()


def wait_until(condition, what, timeout=30.0, every=0.02):
    """Waits for something outside this process to become true; says what did not. The limit is for what never does."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(every)
