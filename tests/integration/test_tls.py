"""TLS on both sides: towards clients, towards PostgreSQL, and what a pooler says to those who get it wrong."""

import shutil
import socket
import ssl
import subprocess
import threading
import time

import psycopg
import pytest

from certificates import Authority, client_context
from fake_postgres import FakePostgres, authentication
from harness import PASS, check_error, closed_with, gate, is_closed, pgweir_only, refused, works
from pooler import ADMIN, WORKERS, memory, seconds
from postgres import unprivileged
from wire import (
    GSSENC_REQUEST,
    SSL_REQUEST,
    ConnectionClosed,
    ServerError,
    Wire,
    cancel_request,
    cstring,
    query,
    startup_packet,
    wait_until,
)

HBA = """
local all all trust
host all postgres 127.0.0.1/32 trust
hostssl all app,other,admin_user 127.0.0.1/32 trust
hostssl all scram_user 127.0.0.1/32 scram-sha-256
hostssl all trust_user 127.0.0.1/32 cert
hostnossl all plain_user 127.0.0.1/32 trust
"""


@pytest.fixture(scope="session")
def authority(cluster):
    return Authority(cluster.folder)


@pytest.fixture(scope="session")
def stranger(cluster):
    """An authority that nobody believes."""
    return Authority(cluster.folder, "stranger")


@pytest.fixture(scope="session")
def secured(cluster, authority):
    """The primary with TLS; whom it lets in without is in HBA."""
    server = cluster.primary
    certificate, key = authority.server("postgres")
    with open(f"{server.data}/postgresql.conf", "a", encoding="utf-8") as file:
        file.write(
            f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n"
            f"ssl_ca_file = '{authority.certificate}'\n"
        )
    with open(f"{server.data}/pg_hba.conf", "w", encoding="utf-8") as file:
        file.write(HBA)
    server.ask("select pg_reload_conf()")
    wait_until(lambda: server.ask("show ssl") == "on", "PostgreSQL has TLS")
    return server


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.server("pgweir")


@pytest.fixture
def tls_pooler(start_pooler, secured, certificate):
    """start(...): a pooler that has TLS for clients, and prefers it towards PostgreSQL."""

    def start(databases=None, passwords=None, **settings):
        everything = {
            "client_tls_sslmode": "prefer",
            "client_tls_cert_file": certificate[0],
            "client_tls_key_file": certificate[1],
            "server_tls_sslmode": "prefer",
        }
        everything.update(settings)
        return start_pooler(databases=databases, passwords=passwords, **everything)

    return start


def over_tls(pooler, context=None, user="app", database="app", session=None, **options):
    """A client that has logged in over TLS."""
    wire = pooler.raw()
    wire.secure(context or client_context(), session)
    options.setdefault("password", pooler.passwords.get(user, ""))
    return wire.startup(user, database, **options)


def columns_of(pooler, what):
    return [row["tls"] for row in pooler.show(what) if row["database"] == "app"]


def server_side_tls(wire):
    """How PostgreSQL sees the connection of the server that this client has."""
    return wire.ask("select version from pg_stat_ssl where pid = pg_backend_pid() and ssl")


def server_waits(server):
    """PostgreSQL cannot get rid of its answer."""
    return server.ask("select count(*) from pg_stat_activity where wait_event = 'ClientWrite'")


# Clients.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_over_tls_of_each_version(tls_pooler, authority, version):
    pooler = tls_pooler()
    with over_tls(pooler, client_context(authority, version=version)) as client:
        assert client.ask("select 6 * 7") == "42"
        name, cipher = client.socket.version(), client.socket.cipher()[0]
        assert columns_of(pooler, "CLIENTS") == [f"{name}/{cipher}"]
    with pooler.client() as plain:
        assert plain.ask("select 1") == "1"
        assert columns_of(pooler, "CLIENTS") == [""]


def test_large_data_both_ways(tls_pooler):
    pooler = tls_pooler()
    with over_tls(pooler) as client:
        assert server_side_tls(client) == "TLSv1.3"
        big = "x" * 3_000_000
        assert client.ask(f"select length('{big}')") == "3000000"
        assert client.ask("select repeat('0123456789', 300000)") == "0123456789" * 300_000


def test_slow_reader_holds_the_server_up(tls_pooler, secured):
    """Nothing is piled up for a client that does not read, TLS or not."""
    pooler = tls_pooler()
    with over_tls(pooler) as client:
        assert client.ask("select 1") == "1"
        before = pooler.rss()
        client.send(query("select repeat('x', 1000) from generate_series(1, 100000)"))
        client.read_message()
        wait_until(lambda: server_waits(secured), "the server is held up")
        assert pooler.rss() - before < memory(16_000_000)
        assert client.read_result().tags == ["SELECT 100000"]


def test_request_in_single_bytes_and_pipelines(tls_pooler):
    pooler = tls_pooler()
    with over_tls(pooler) as client:
        client.send_split(query("select 1"))
        assert client.read_result().value == "1"
        client.send(b"".join(query(f"select {i}") for i in range(100)))
        assert [client.read_result().value for _ in range(100)] == [str(i) for i in range(100)]


@pytest.mark.parametrize(
    "mode, plain, secure",
    [
        ("disable", True, False),
        ("allow", True, True),
        ("prefer", True, True),
        ("require", False, True),
    ],
)
def test_modes_towards_clients(tls_pooler, mode, plain, secure):
    """By libpq: what it says in clear, and what over TLS."""
    pooler = tls_pooler(client_tls_sslmode=mode)
    dsn = f"host=localhost hostaddr=127.0.0.1 port={pooler.port} dbname=app user=app"
    for wanted, possible in (("disable", plain), ("require", secure)):
        if possible:
            with psycopg.connect(f"{dsn} sslmode={wanted}", autocommit=True) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
                assert connection.pgconn.ssl_in_use == (wanted == "require")
        else:
            with pytest.raises(psycopg.OperationalError) as caught:
                psycopg.connect(f"{dsn} sslmode={wanted}")
            said = "SSL required" if wanted == "disable" else "does not support SSL"
            assert said in str(caught.value)
    with Wire(pooler.unix_address) as local:
        local.send(SSL_REQUEST)
        assert local.read_bytes(1) == b"N"
        local.startup("app", "app")
        assert local.ask("select 1") == "1"


def test_libpq_checks_our_certificate(tls_pooler, authority, stranger):
    pooler = tls_pooler()
    dsn = f"host=localhost hostaddr=127.0.0.1 port={pooler.port} dbname=app user=app"
    with psycopg.connect(f"{dsn} sslmode=verify-full sslrootcert={authority.certificate}"):
        pass
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(f"{dsn} sslmode=verify-full sslrootcert={stranger.certificate}")


def test_direct_handshake(tls_pooler):
    """A client may begin with the handshake, if it says that it means PostgreSQL."""
    pooler = tls_pooler()
    with pooler.raw().handshake(client_context(alpn="postgresql")) as client:
        assert client.socket.selected_alpn_protocol() == "postgresql"
        client.startup("app", "app")
        assert client.ask("select 1") == "1"
    nameless = pooler.raw()
    nameless.handshake(client_context())
    nameless.send(startup_packet({"user": "app", "database": "app"}))
    assert is_closed(nameless)
    with pytest.raises((ssl.SSLError, ConnectionClosed)):
        pooler.raw().handshake(client_context(alpn="http/1.1"))
    works(pooler)


def test_direct_handshake_in_pieces(tls_pooler):
    pooler = tls_pooler()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = client_context(alpn="postgresql").wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pooler.raw() as client:
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send_split(outgoing.read(), 7)
                incoming.write(client.socket.recv(65536))
        session.write(startup_packet({"user": "app", "database": "app"}))
        client.send_split(outgoing.read())
        answer = b""
        while not answer:
            incoming.write(client.socket.recv(65536))
            try:
                answer = session.read(1)
            except ssl.SSLWantReadError:
                pass  # that was a ticket
        assert answer == b"R"


def test_gssenc_request_first(tls_pooler):
    pooler = tls_pooler()
    with pooler.raw() as client:
        client.send(GSSENC_REQUEST)
        assert client.read_bytes(1) == b"N"
        client.secure(client_context()).startup("app", "app")
        assert client.ask("select 1") == "1"


@pytest.mark.parametrize(
    "request_, text",
    [
        (SSL_REQUEST, "received unencrypted data after SSL request"),
        (GSSENC_REQUEST, "received unencrypted data after GSSAPI encryption request"),
    ],
)
def test_words_in_clear_behind_the_request_are_not_taken(tls_pooler, request_, text):
    pooler = tls_pooler()
    client = pooler.raw()
    client.send(request_ + startup_packet({"user": "app", "database": "app"}))
    closed_with(client, "08P01", text)


def test_second_ssl_request_inside_of_tls(tls_pooler):
    pooler = tls_pooler()
    client = pooler.raw()
    client.secure(client_context())
    client.send(SSL_REQUEST)
    closed_with(client, "0A000")


def test_hostile_bytes(tls_pooler):
    """Nothing of this takes the pooler down, or keeps a client's place."""
    pooler = tls_pooler()
    hello = b"\x16\x03\x01\x02\x00"
    for begin in (SSL_REQUEST, b""):
        for bytes_ in (hello, hello + b"\xff" * 512, hello + b"\0" * 20000, b"\x16" * 5000):
            client = pooler.raw()
            client.send(begin)
            if begin:
                assert client.read_bytes(1) == b"S"
            client.send(bytes_)
            client.vanish()
    client = pooler.raw()
    client.secure(client_context())
    raw = client.socket.detach()
    with socket.socket(fileno=raw) as clear:
        clear.sendall(startup_packet({"user": "app", "database": "app"}))
        clear.settimeout(10)
        while clear.recv(65536):
            pass
    wait_until(lambda: not columns_of(pooler, "CLIENTS"), "all have gone")
    with over_tls(pooler) as client:
        assert client.ask("select 1") == "1"


def test_handshake_that_is_not_finished_times_out(tls_pooler):
    pooler = tls_pooler(client_login_timeout=2)
    client = pooler.raw()
    client.send(SSL_REQUEST)
    assert client.read_bytes(1) == b"S"
    assert is_closed(client)


def test_many_handshakes_at_once(tls_pooler):
    pooler = tls_pooler()
    context = client_context()
    failures = []

    def one():
        try:
            with over_tls(pooler, context) as client:
                assert client.ask("select 1") == "1"
        except Exception as failure:  # told below
            failures.append(failure)

    threads = [threading.Thread(target=one) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_and_a_reload_keeps_them(tls_pooler, version):
    pooler = tls_pooler()
    context = client_context(version=version)
    with over_tls(pooler, context) as client:
        client.ask("select 1")
        assert not client.socket.session_reused
        session = client.socket.session
    pooler.reload()
    with over_tls(pooler, context, session=session) as client:
        assert client.socket.session_reused
        assert client.ask("select 1") == "1"


def test_protocols_and_ciphers(tls_pooler):
    pooler = tls_pooler(client_tls_protocols="tlsv1.2", client_tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
    with over_tls(pooler) as client:
        assert client.socket.version() == "TLSv1.2"
        assert client.socket.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    with pytest.raises((ssl.SSLError, ConnectionClosed)):
        over_tls(pooler, client_context(version=ssl.TLSVersion.TLSv1_3))
    pooler.reload(client_tls_protocols="tlsv1.3", client_tls13_ciphers="TLS_CHACHA20_POLY1305_SHA256")
    with over_tls(pooler) as client:
        assert client.socket.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def test_cancel_over_tls(tls_pooler, secured):
    pooler = tls_pooler()
    with gate(secured), over_tls(pooler) as client:
        client.send(query(f"select {PASS}"))
        wait_until(lambda: secured.backends("wait_event = 'advisory'") == 1, "it waits")
        with pooler.raw() as other:
            other.secure(client_context())
            other.send(cancel_request(client.process_id, client.key))
            is_closed(other)
        check_error(client.read_result().error, "57014")


def test_console_over_tls(tls_pooler):
    pooler = tls_pooler(client_tls_sslmode="require")
    with over_tls(pooler, user=ADMIN, database="pgbouncer") as console:
        result = console.query("SHOW CLIENTS")
        at = [name for name, _ in result.columns].index("tls")
        assert result.rows[0][at].startswith("TLSv1.3/")


# Log-in.


def test_client_certificates(tls_pooler, authority, stranger):
    pooler = tls_pooler(
        client_tls_sslmode="verify-full", client_tls_ca_file=authority.certificate, auth_type="cert"
    )
    mine = authority.issue("app", file="client-app")
    context = client_context(certificate=mine)
    with over_tls(pooler, context) as client:
        assert client.ask("select 1") == "1"
        session = client.socket.session
    with over_tls(pooler, context, session=session) as client:
        assert client.socket.session_reused
        assert client.ask("select 1") == "1"
    with refused("28000", "certificate authentication failed"):
        over_tls(pooler, context, user="other", session=session)
    with refused("28000", "certificate authentication failed"):
        over_tls(pooler, client_context(certificate=mine), user="other")
    also = authority.issue("somebody", "DNS:other", file="client-other")
    over_tls(pooler, client_context(certificate=also), user="other").close()
    for bad in (None, stranger.issue("app")):
        with pytest.raises((ssl.SSLError, ConnectionClosed)):
            over_tls(pooler, client_context(certificate=bad))
    wait_until(lambda: "certificate" in pooler.log(), "the log says why")


def test_certificate_is_optional_where_it_is_only_asked_for(tls_pooler, authority, stranger):
    pooler = tls_pooler(client_tls_ca_file=authority.certificate)
    over_tls(pooler).close()
    over_tls(pooler, client_context(certificate=authority.issue("app"))).close()
    with pytest.raises((ssl.SSLError, ConnectionClosed)):
        over_tls(pooler, client_context(certificate=stranger.issue("app")))


def test_rules_see_tls(tls_pooler, authority, primary):
    rules = f"{primary.folder}/tls_hba"
    with open(rules, "w", encoding="utf-8") as file:
        file.write(
            "hostssl all other 127.0.0.1/32 cert\n"
            "hostssl all app 127.0.0.1/32 trust\n"
            "hostnossl all admin_user 127.0.0.1/32 trust\n"
        )
    pooler = tls_pooler(
        auth_type="hba", auth_hba_file=rules, client_tls_ca_file=authority.certificate
    )
    over_tls(pooler).close()
    with refused("28000", "no authentication method"):
        pooler.client()
    with refused("28000", "no authentication method"):
        over_tls(pooler, user=ADMIN, database="pgbouncer")
    with refused("28000", "certificate authentication failed"):
        over_tls(pooler, user="other")
    over_tls(pooler, client_context(certificate=authority.issue("other")), user="other").close()


# Files.


def test_reload_takes_a_new_certificate_and_drops_nobody(tls_pooler, authority, stranger):
    files = authority.issue("localhost", "DNS:localhost", file="changing")
    pooler = tls_pooler(client_tls_cert_file=files[0], client_tls_key_file=files[1])
    with over_tls(pooler, client_context(authority)) as early:
        other = stranger.server()
        for new, old in zip(other, files):
            shutil.copyfile(new, old)
        pooler.command("RELOAD")
        over_tls(pooler, client_context(stranger)).close()
        with pytest.raises(ssl.SSLError):
            over_tls(pooler, client_context(authority))
        assert early.ask("select 1") == "1"


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"client_tls_cert_file": ""}, "client_tls_cert_file"),
        ({"client_tls_cert_file": "/nowhere/x.crt"}, "client_tls_cert_file: /nowhere/x.crt"),
        ({"client_tls_key_file": "{folder}/userlist.txt"}, "client_tls_key_file"),
        ({"client_tls_protocols": "tlsv9"}, "client_tls_protocols"),
        ({"client_tls_ciphers": "none-such"}, "client_tls_ciphers"),
        ({"client_tls_ecdhcurve": "circle"}, "client_tls_ecdhcurve"),
        ({"client_tls_sslmode": "verify-full"}, "client_tls_ca_file"),
        ({"server_tls_sslmode": "verify-ca", "server_tls_ca_file": "/nowhere"}, "server_tls_ca_file"),
    ],
)
def test_bad_files_and_values_are_refused(tls_pooler, settings, said):
    pooler = tls_pooler()
    settings = {key: value.format(folder=pooler.folder) for key, value in settings.items()}
    with over_tls(pooler) as client:
        with pytest.raises(ServerError):
            pooler.reload(**settings)
        wait_until(lambda: said in pooler.log(), "the log says why")
        assert client.ask("select 1") == "1"
    over_tls(pooler).close()
    done = subprocess.run(
        [pooler.process.args[0], pooler.file],
        capture_output=True,
        text=True,
        check=False,
        cwd=pooler.folder,
        timeout=30,
        **unprivileged(),
    )
    assert done.returncode == 1
    assert said in done.stdout + done.stderr


# Servers.


class Relay:
    """Stands between the pooler and PostgreSQL, and keeps what goes to PostgreSQL."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent = []  # of each connection, what the pooler sent
        self.alter = lambda data: data  # what PostgreSQL says, changed
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            outer = socket.create_connection(self.target)
            kept = bytearray()
            self.sent.append(kept)
            for source, sink, keep in ((inner, outer, kept), (outer, inner, None)):
                threading.Thread(target=self._copy, args=(source, sink, keep), daemon=True).start()

    def _copy(self, source, sink, kept):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                else:
                    data = self.alter(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


@pytest.fixture
def relay(secured):
    made = Relay(secured.port)
    yield made
    made.close()


def test_servers_are_encrypted(tls_pooler, relay, secured):
    """Queries and cancel requests too: nothing but the SSLRequest is in clear."""
    pooler = tls_pooler({"app": f"host=127.0.0.1 port={relay.port}"}, server_tls_sslmode="require")
    with pooler.client() as client:
        assert server_side_tls(client) == "TLSv1.3"
        assert columns_of(pooler, "SERVERS") == ["TLSv1.3/TLS_AES_256_GCM_SHA384"]
        client.send(query("select pg_sleep(60) /* in clear? */"))
        wait_until(lambda: secured.backends("query like '%in clear?%' and state = 'active'") == 1, "it runs")
        client.cancel()
        check_error(client.read_result().error, "57014")
        assert client.ask("select 1") == "1"
    begun = [kept for kept in relay.sent if len(kept) > len(SSL_REQUEST)]
    assert len(begun) >= 2  # a server and a cancel request
    for kept in relay.sent:  # one may have been accepted just now
        assert SSL_REQUEST.startswith(kept[: len(SSL_REQUEST)])
        assert b"in clear" not in kept
    assert all(kept[8:11] == b"\x16\x03\x01" for kept in begun)


@pytest.mark.parametrize("mode", ["allow", "prefer", "require"])
def test_modes_towards_servers(tls_pooler, mode):
    pooler = tls_pooler(server_tls_sslmode=mode)
    with pooler.client() as client:
        assert server_side_tls(client) == "TLSv1.3"


def test_servers_in_clear(tls_pooler):
    pooler = tls_pooler(server_tls_sslmode="disable")
    with pooler.client(user="plain_user") as client:
        assert server_side_tls(client) is None
        assert columns_of(pooler, "SERVERS") == [""]
    with refused(text="no encryption"):
        pooler.client().ask("select 1")


def no_tls(connection):
    connection.read_startup(b"N")
    connection.welcome()
    connection.read_message()


@pytest.mark.parametrize("mode, fine", [("prefer", True), ("require", False), ("verify-ca", False)])
def test_server_without_tls(tls_pooler, authority, mode, fine):
    with FakePostgres(no_tls) as fake:
        pooler = tls_pooler(
            {"app": f"host=127.0.0.1 port={fake.port}"},
            server_tls_sslmode=mode,
            server_tls_ca_file=authority.certificate,
        )
        if fine:
            pooler.client().close()
        else:
            with refused(text="the server has no TLS"):
                pooler.client()


@pytest.mark.parametrize(
    "answer, text",
    [
        (b"Sx", "received unencrypted data after SSL response"),
        (b"N" + b"R\0\0\0\x08\0\0\0\0", "received unencrypted data after SSL response"),
        (b"E\0\0\0\x05\0", "answer to the SSL request"),
        (b"?", "answer to the SSL request"),
    ],
)
def test_server_must_answer_with_one_byte(tls_pooler, answer, text):
    def script(connection):
        connection.read_packet()
        connection.send(answer)
        connection.read_message()

    with FakePostgres(script) as fake:
        pooler = tls_pooler({"app": f"host=127.0.0.1 port={fake.port}"})
        with refused(text=text):
            pooler.client()


def test_server_certificates_are_verified(tls_pooler, secured, authority, stranger):
    at = f"host=localhost port={secured.port} dbname=app"
    pooler = tls_pooler(
        {
            "app": at,
            "by_address": f"host=127.0.0.1 port={secured.port} dbname=app",
            "stranger": f"{at} sslrootcert={stranger.certificate}",
            "unchecked": f"{at} sslrootcert={stranger.certificate} sslmode=require",
            "clear": f"{at} sslmode=disable",
        },
        server_tls_sslmode="verify-full",
        server_tls_ca_file=authority.certificate,
    )
    for good in ("app", "by_address", "unchecked"):
        with pooler.client(good) as client:
            assert server_side_tls(client) == "TLSv1.3"
    with refused(text="the certificate is refused"):
        pooler.client("stranger")
    with pooler.client("clear", user="plain_user") as client:
        assert server_side_tls(client) is None


def test_name_of_the_server_is_verified(tls_pooler, secured, authority):
    """verify-ca does not look at it, verify-full does."""
    certificate, key = authority.issue("elsewhere", "DNS:elsewhere.example")

    def script(connection):
        connection.read_packet()
        connection.send(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        try:
            connection.socket = context.wrap_socket(connection.socket, server_side=True)
            connection.read_startup()
            connection.welcome()
            connection.read_message()
        except ssl.SSLError:
            pass

    with FakePostgres(script) as fake:
        at = f"host=localhost port={fake.port}"
        pooler = tls_pooler(
            {"app": f"{at} sslmode=verify-ca", "second": f"{at} sslmode=verify-full"},
            server_tls_ca_file=authority.certificate,
        )
        pooler.client("app").close()
        with refused(text="hostname mismatch"):
            pooler.client("second")


def test_our_certificate_for_the_server(tls_pooler, secured, authority):
    mine, key = authority.issue("trust_user")
    at = f"host=127.0.0.1 port={secured.port} dbname=app"
    pooler = tls_pooler({"app": f"{at} sslcert={mine} sslkey={key}", "without": at})
    with pooler.client(user="trust_user") as client:
        assert client.ask("select current_user") == "trust_user"
    with refused(text="certificate"):
        pooler.client("without", user="trust_user")


def test_reload_of_server_tls_replaces_servers(tls_pooler, secured):
    pooler = tls_pooler()
    with pooler.client() as client:
        first = client.ask("select pg_backend_pid()")
        pooler.command("RELOAD")
        assert client.ask("select pg_backend_pid()") == first
        pooler.reload(server_tls_protocols="tlsv1.2")
        assert server_side_tls(client) == "TLSv1.2"


def test_server_takes_its_session_from_worker_to_worker(tls_pooler):
    pooler = tls_pooler(default_pool_size=1)
    clients = [pooler.client() for _ in range(6)]
    first = clients[0].ask("select pg_backend_pid()")
    for turn in range(20):
        for client in clients:
            assert client.ask("select pg_backend_pid()") == first
            assert client.ask(f"select length('{'x' * 20000}') + {turn}") == str(20000 + turn)
    if WORKERS > 1:
        assert sum(int(row["migrations_in"]) for row in pooler.show("WORKERS")) > 0
    for client in clients:
        client.close()


# SCRAM that is bound to the connection.


def test_scram_is_bound_to_the_channel(tls_pooler):
    pooler = tls_pooler(auth_type="scram-sha-256")
    dsn = f"host=127.0.0.1 port={pooler.port} dbname=app user=scram_user"
    with psycopg.connect(
        f"{dsn} sslmode=require channel_binding=require",
        password=pooler.passwords["scram_user"],
        autocommit=True,
    ) as connection:
        assert connection.execute("select current_user").fetchone() == ("scram_user",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed|SASL"):
        psycopg.connect(f"{dsn} sslmode=require channel_binding=require", password="wrong")
    psycopg.connect(
        f"{dsn} sslmode=require channel_binding=disable", password=pooler.passwords["scram_user"]
    ).close()


def test_our_log_in_is_bound_to_the_channel(tls_pooler, certificate):
    seen = []

    def script(connection):
        connection.read_packet()
        connection.send(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        connection.socket = context.wrap_socket(connection.socket, server_side=True)
        connection.read_startup()
        offered = cstring("SCRAM-SHA-256-PLUS") + cstring("SCRAM-SHA-256") + b"\0"
        connection.send(authentication(10, offered))
        seen.append(connection.read_message().body)

    with FakePostgres(script) as fake:
        pooler = tls_pooler({"app": f"host=127.0.0.1 port={fake.port}"})
        with pooler.raw() as client:
            client.startup("app", "app", read=False)
            wait_until(lambda: seen, "it logs in")
    assert seen[0].startswith(cstring("SCRAM-SHA-256-PLUS"))
    assert b"p=tls-server-end-point,,n=,r=" in seen[0]


def test_server_log_in_with_channel_binding_works(tls_pooler):
    """PostgreSQL offers it and so takes it, with the password and with a client's keys."""
    pooler = tls_pooler()
    with pooler.client(user="scram_user") as client:
        assert client.ask("select current_user") == "scram_user"


@pgweir_only
def test_session_with_a_server_over_tls_stays_in_its_process(tls_pooler):
    """Online restart: the client could go, its server cannot."""
    pooler = tls_pooler(pool_mode="session", client_tls_sslmode="disable")
    client = pooler.client()
    client.query("create temporary table own as select 7 as n")
    old = pooler.restart()
    for _ in range(3):
        works(pooler)
        assert client.ask("select n from own") == "7"
    time.sleep(1)  # longer than the old process looks for clients that can go
    assert client.ask("select n from own") == "7" and old.poll() is None
    client.close()
    assert pooler.exit_of(old, 30) == 0
