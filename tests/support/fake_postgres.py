"""A scripted PostgreSQL that misbehaves on request.

`FakePostgres(script)` listens on a free port and runs `script(connection)` in a thread for every connection.
A script is a plain function; those below are the ones that tests share. A script that ends closes its
connection; one that raises is kept in `failures`, which the test looks at.
"""

import socket
import struct
import threading

from wire import SSL_REQUEST, ConnectionClosed, Message, cstring, message


class FakeConnection:
    def __init__(self, server, raw):
        self.server = server
        self.socket = raw
        self.socket.settimeout(30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.parameters = {}

    def _need(self, count):
        while len(self.buffer) < count:
            try:
                data = self.socket.recv(65536)
            except (ConnectionResetError, OSError) as error:
                raise ConnectionClosed(str(error)) from error
            if not data:
                raise ConnectionClosed("end of stream")
            self.buffer += data

    def _take(self, count):
        self._need(count)
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ConnectionClosed(str(error)) from error

    def read_packet(self):
        """A packet without type: its body."""
        (size,) = struct.unpack("!i", self._take(4))
        return self._take(size - 4)

    def read_message(self):
        kind = self._take(1).decode()
        (size,) = struct.unpack("!i", self._take(4))
        return Message(kind, self._take(size - 4))

    def read_startup(self, ssl_answer=b"N"):
        """Reads the StartupMessage, answering an SSLRequest before it."""
        body = self.read_packet()
        if body == SSL_REQUEST[4:]:
            self.server.ssl_requests += 1
            self.send(ssl_answer)
            body = self.read_packet()
        parts = body[4:].split(b"\0")
        self.parameters = {
            parts[at].decode(): parts[at + 1].decode() for at in range(0, len(parts) - 2, 2)
        }
        self.server.startups.append(self.parameters)
        return self.parameters

    def welcome(self):
        """The end of a log-in that worked."""
        self.send(authentication(0))
        self.welcome_without_authentication()

    def welcome_without_authentication(self):
        for name, value in (
            ("server_version", "15.0"),
            ("client_encoding", "UTF8"),
            ("server_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", "UTC"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
        ):
            self.send(message("S", cstring(name) + cstring(value)))
        self.send(message("K", struct.pack("!ii", 4242, 4711)) + READY)

    def serve(self, answer=None):
        """Answers every Query with `answer(sql)`, or with one row; until the client goes."""
        while True:
            request = self.read_message()
            if request.type == "X":
                return
            if request.type == "Q":
                sql = request.body[:-1].decode()
                self.send(answer(sql) if answer else one_row("fake"))

    def hold(self):
        """Says nothing more; returns when the other side goes."""
        try:
            while True:
                self._need(len(self.buffer) + 1)
        except ConnectionClosed:
            pass


READY = message("Z", b"I")


def authentication(code, data=b""):
    return message("R", struct.pack("!i", code) + data)


def error_response(**fields):
    body = b"".join(name.encode() + cstring(value) for name, value in fields.items())
    return message("E", body + b"\0")


def command_complete(tag):
    return message("C", cstring(tag))


def one_row(value):
    description = struct.pack("!h", 1) + cstring("v") + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
    raw = value.encode()
    row = struct.pack("!hi", 1, len(raw)) + raw
    return message("T", description) + message("D", row) + command_complete("SELECT 1") + READY


class FakePostgres:
    def __init__(self, script):
        self.script = script
        self.startups = []
        self.failures = []
        self.accepted = 0
        self.ssl_requests = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        # A blocked accept() keeps the socket listening after close(); shutdown() ends both.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for raw in self.connections:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.connections.append(raw)
            threading.Thread(target=self._run, args=(raw,), daemon=True).start()

    def _run(self, raw):
        try:
            self.script(FakeConnection(self, raw))
        except ConnectionClosed:
            pass
        except Exception as error:  # reported by the test, not lost in a thread
            self.failures.append(error)
        finally:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            raw.close()


# Scripts: a server that is well


def well_behaved(connection):
    connection.read_startup()
    connection.welcome()
    connection.serve()


# Scripts: before or during log-in


def never_answers(connection):
    connection.hold()


def closes_at_once(connection):
    pass


def closes_after_startup(connection):
    connection.read_startup()


def random_bytes_at_login(connection):
    connection.read_startup()
    connection.send(bytes((at * 73 + 41) % 256 for at in range(512)))
    connection.hold()


def http_answer(connection):
    connection.read_startup()
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.hold()


def bytes_after_ssl_response(connection):
    """CVE-2021-3935 towards a server: plaintext smuggled in behind the answer to SSLRequest."""
    connection.read_startup(ssl_answer=b"S" + error_response(S="FATAL", C="28000", M="smuggled"))
    connection.welcome()
    connection.serve()


def error_without_sqlstate(connection):
    """CVE-2026-6666."""
    connection.read_startup()
    connection.send(error_response(S="FATAL", M="no code in here"))


def error_without_fields(connection):
    connection.read_startup()
    connection.send(message("E", b"\0"))


def error_without_terminator(connection):
    connection.read_startup()
    connection.send(message("E", b"SFATAL"))


def empty_error(connection):
    connection.read_startup()
    connection.send(message("E", b""))


def huge_error_text(connection):
    connection.read_startup()
    connection.send(error_response(S="FATAL", C="XX000", M="x" * 100_000))


def length_too_small(connection):
    connection.read_startup()
    connection.send(b"R" + struct.pack("!i", 3))
    connection.hold()


def length_negative(connection):
    connection.read_startup()
    connection.send(b"R" + struct.pack("!i", -1) + b"x" * 64)
    connection.hold()


def length_of_2_gb(connection):
    connection.read_startup()
    connection.send(b"R" + struct.pack("!I", 0x7FFFFFFF) + b"x" * 64)
    connection.hold()


def authentication_truncated(connection):
    connection.read_startup()
    connection.send(message("R", b"\0\0"))
    connection.hold()


def authentication_unknown(connection):
    connection.read_startup()
    connection.send(authentication(99))
    connection.hold()


def authentication_md5_short_salt(connection):
    connection.read_startup()
    connection.send(authentication(5, b"ab"))
    connection.hold()


def ready_before_authentication(connection):
    connection.read_startup()
    connection.send(READY)
    connection.hold()


def rows_before_authentication(connection):
    connection.read_startup()
    connection.send(one_row("early"))
    connection.hold()


def short_backend_key(connection):
    connection.read_startup()
    connection.send(authentication(0) + message("K", b"\0") + READY)
    connection.hold()


def broken_parameter_status(connection):
    connection.read_startup()
    connection.send(authentication(0) + message("S", b"no terminator"))
    connection.hold()


def endless_parameters(connection):
    """Parameters without end must not fill memory."""
    connection.read_startup()
    connection.send(authentication(0))
    for at in range(20_000):
        connection.send(message("S", cstring(f"name_{at}") + cstring("v" * 1000)))
    connection.hold()


def sasl_without_mechanism(connection):
    connection.read_startup()
    connection.send(authentication(10, b"\0"))
    connection.hold()


def sasl_unknown_mechanism(connection):
    connection.read_startup()
    connection.send(authentication(10, cstring("GS2-KRB5") + b"\0"))
    connection.hold()


def sasl_final_out_of_order(connection):
    connection.read_startup()
    connection.send(authentication(10, cstring("SCRAM-SHA-256") + b"\0"))
    connection.read_message()
    connection.send(authentication(12, b"v=AAAA"))
    connection.hold()


def sasl_continue_out_of_order(connection):
    connection.read_startup()
    connection.send(authentication(11, b"r=abc,s=AAAA,i=4096"))
    connection.hold()


def _client_nonce(connection):
    first = connection.read_message().body
    return first[first.index(b",r=") + 3 :]


def sasl_long_nonce(connection):
    """CVE-2026-6665: a nonce that no fixed buffer holds."""
    connection.read_startup()
    connection.send(authentication(10, cstring("SCRAM-SHA-256") + b"\0"))
    nonce = _client_nonce(connection) + b"n" * 8000
    connection.send(authentication(11, b"r=" + nonce + b",s=QUJDRA==,i=4096"))
    connection.read_message()
    connection.send(authentication(12, b"v=QUJDRA=="))
    connection.welcome()
    connection.serve()


def sasl_foreign_nonce(connection):
    connection.read_startup()
    connection.send(authentication(10, cstring("SCRAM-SHA-256") + b"\0"))
    _client_nonce(connection)
    connection.send(authentication(11, b"r=somebodyelse,s=QUJDRA==,i=4096"))
    connection.hold()


def sasl_zero_iterations(connection):
    connection.read_startup()
    connection.send(authentication(10, cstring("SCRAM-SHA-256") + b"\0"))
    nonce = _client_nonce(connection)
    connection.send(authentication(11, b"r=" + nonce + b"x,s=QUJDRA==,i=0"))
    connection.hold()


def sasl_wrong_signature(connection):
    """A server that does not know the password must not be believed."""
    connection.read_startup()
    connection.send(authentication(10, cstring("SCRAM-SHA-256") + b"\0"))
    nonce = _client_nonce(connection)
    connection.send(authentication(11, b"r=" + nonce + b"x,s=QUJDRA==,i=4096"))
    connection.read_message()
    connection.send(authentication(12, b"v=" + b"A" * 43 + b"="))
    connection.welcome()
    connection.serve()


NONSENSE_AT_LOGIN = [
    closes_at_once,
    closes_after_startup,
    random_bytes_at_login,
    http_answer,
    error_without_sqlstate,
    error_without_fields,
    error_without_terminator,
    empty_error,
    huge_error_text,
    length_too_small,
    length_negative,
    length_of_2_gb,
    authentication_truncated,
    authentication_unknown,
    authentication_md5_short_salt,
    ready_before_authentication,
    rows_before_authentication,
    short_backend_key,
    broken_parameter_status,
    endless_parameters,
    sasl_without_mechanism,
    sasl_unknown_mechanism,
    sasl_final_out_of_order,
    sasl_continue_out_of_order,
    sasl_long_nonce,
    sasl_foreign_nonce,
    sasl_zero_iterations,
    sasl_wrong_signature,
]


# Scripts: a log-in that works, then nonsense instead of an answer


def _answering(data, then_hold):
    def script(connection):
        connection.read_startup()
        connection.welcome()
        while connection.read_message().type != "Q":
            pass
        connection.send(data)
        if then_hold:
            connection.hold()

    return script


def answers(data):
    """Every Query gets these bytes."""

    def script(connection):
        connection.read_startup()
        connection.welcome()
        while True:
            if connection.read_message().type == "Q":
                connection.send(data)

    return script


_ROW_START = b"D" + struct.pack("!ihi", 4 + 2 + 4 + 1000, 1, 1000)

NONSENSE_AS_ANSWER = {
    "closes_without_answer": _answering(b"", False),
    "closes_in_the_middle_of_a_row": _answering(_ROW_START + b"x" * 10, False),
    "closes_in_the_middle_of_a_header": _answering(b"D\0\0", False),
    "closes_before_ready": _answering(one_row("x")[: -len(READY)], False),
    "length_zero": _answering(b"D" + struct.pack("!i", 0) + b"x" * 64, True),
    "length_three": _answering(b"D" + struct.pack("!i", 3) + b"x" * 64, True),
    "length_negative": _answering(b"D" + struct.pack("!i", -2) + b"x" * 64, True),
    "type_zero": _answering(b"\0" + struct.pack("!i", 4), True),
    "http": _answering(b"HTTP/1.1 200 OK\r\n\r\n", True),
    "ready_with_unknown_status": _answering(message("Z", b"?"), True),
    "ready_without_status": _answering(message("Z"), True),
    "authentication_request": _answering(authentication(3), True),
    "fatal_without_sqlstate": _answering(error_response(S="FATAL", M="bye"), False),
}
