"""Servers that are no PostgreSQL, or a broken one: an error for the client, nothing for anybody else."""

import struct
import threading
import time

import pytest

import fake_postgres
from fake_postgres import FakePostgres, one_row
from harness import pgweir_only, works
from pooler import WORKERS, Pooler, memory, seconds
from wire import ConnectionClosed, ServerError, cstring, message, query, wait_until


LIMITS = {"query_wait_timeout": 3, "client_login_timeout": 3, "server_connect_timeout": 2}


def address_of(fake):
    return f"host=127.0.0.1 port={fake.port} user=app password=x"


@pytest.fixture
def with_fake(start_pooler):
    """with_fake(script, …settings): a pooler whose database `fake` is served by that script."""
    fakes = []

    def start(script, **settings):
        fake = FakePostgres(script)
        fakes.append(fake)
        return start_pooler(databases={"fake": address_of(fake)}, **{**LIMITS, **settings}), fake

    yield start
    for fake in fakes:
        fake.stop()
        assert not fake.failures, fake.failures


def fails(pooler, timeout=15):
    """A client of the fake gets an error, or is cut off; never an answer, never silence."""
    with pytest.raises((ServerError, ConnectionClosed)) as caught:
        with pooler.client("fake", timeout=timeout) as client:
            client.ask("select 1")
            raise AssertionError("it was answered")
    return caught.value


def test_the_fake_can_also_behave(with_fake):
    pooler, fake = with_fake(fake_postgres.well_behaved)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "fake"
    assert fake.startups[0]["user"] == "app"
    assert fake.startups[0]["database"] == "fake"


def moved(pooler, primary):
    """The database of the fake is PostgreSQL's from now on."""
    pooler.databases["fake"] = f"host=127.0.0.1 port={primary.port} dbname=app user=app password=x"
    pooler.reload()


PATIENT = {"server_connect_timeout": 600, "query_wait_timeout": 600, "server_login_retry": 600}


@pytest.mark.parametrize("clients", [1, 6])
def test_host_that_never_answers_is_left_by_a_reload(with_fake, primary, clients):
    """Nobody waits for connections that are being opened to it."""
    pooler, _ = with_fake(fake_postgres.never_answers, client_login_timeout=600, **PATIENT)
    waiting = [pooler.raw(timeout=seconds(60)) for _ in range(clients)]
    for client in waiting:
        client.startup("app", "fake", read=False)
    wait_until(lambda: pooler.pool("fake")["sv_login"] >= 1, "the host is asked")
    moved(pooler, primary)
    for client in waiting:
        client.read_login("app")
        assert client.ask("select current_database()") == "app"
        client.reset()


def test_refusal_by_the_host_before_a_reload_is_not_that_of_the_next(with_fake, primary):
    refuse, reached = threading.Event(), threading.Event()

    def script(connection):
        connection.read_startup()
        reached.set()
        refuse.wait(seconds(30))
        connection.send(fake_postgres.error_response(S="FATAL", C="28P01", M="the old one says no"))

    pooler, _ = with_fake(script, client_login_timeout=600, **PATIENT)
    client = pooler.raw(timeout=seconds(60))
    client.startup("app", "fake", read=False)
    assert reached.wait(seconds(30))
    moved(pooler, primary)
    refuse.set()
    client.read_login("app")
    assert client.ask("select current_database()") == "app"
    with pooler.client("fake") as other:
        assert other.ask("select current_database()") == "app"
    client.reset()


def test_pause_does_not_wait_for_a_host_that_never_answers(with_fake):
    pooler, _ = with_fake(fake_postgres.never_answers, client_login_timeout=600, **PATIENT)
    client = pooler.raw(timeout=seconds(60))
    client.startup("app", "fake", read=False)
    wait_until(lambda: pooler.pool("fake")["sv_login"] == 1, "the host is asked")
    pooler.command("PAUSE")
    assert pooler.pool("fake")["sv_login"] == 0
    pooler.command("RESUME")
    wait_until(lambda: pooler.pool("fake")["sv_login"] == 1, "the host is asked again")
    client.reset()


class Nonsense:
    """One pooler in front of all who talk nonsense at log-in, with a client for each. They are there at the same time,
    because most of them wait until client_login_timeout. Meanwhile others are served."""

    def __init__(self, cluster):
        self.outcomes = {}
        self.fakes = {one.__name__: FakePostgres(one) for one in fake_postgres.NONSENSE_AT_LOGIN}
        databases = {name: address_of(fake) for name, fake in self.fakes.items()}
        self.pooler = Pooler(cluster.primary, LIMITS, databases)

    def run(self):
        works(self.pooler.start())
        before = self.pooler.rss()
        threads = [threading.Thread(target=self._ask, args=(name,)) for name in self.fakes]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            works(self.pooler)
            time.sleep(0.05)
        self.growth = self.pooler.rss() - before
        works(self.pooler)

    def _ask(self, name):
        try:
            with self.pooler.client(name, timeout=15) as client:
                self.outcomes[name] = client.ask("select 1")
        except Exception as error:
            self.outcomes[name] = error

    def stop(self):
        try:
            self.pooler.stop()
        finally:
            for fake in self.fakes.values():
                fake.stop()
        failures = {name: fake.failures for name, fake in self.fakes.items() if fake.failures}
        assert not failures, failures


@pytest.fixture(scope="module")
def nonsense(cluster):
    everybody = Nonsense(cluster)
    try:
        everybody.run()
        yield everybody
    finally:
        everybody.stop()


@pytest.mark.parametrize("script", fake_postgres.NONSENSE_AT_LOGIN, ids=lambda one: one.__name__)
def test_nonsense_at_login(nonsense, script):
    """An error for its client, or the end of the connection; never an answer, never silence."""
    outcome = nonsense.outcomes[script.__name__]
    assert isinstance(outcome, (ServerError, ConnectionClosed)), outcome
    assert nonsense.fakes[script.__name__].accepted > 0


def test_nonsense_at_login_fills_no_memory(nonsense):
    assert nonsense.growth < memory(10_000_000)


def test_plaintext_behind_the_servers_ssl_answer_is_not_believed(with_fake):
    """CVE-2021-3935, towards servers."""
    pooler, fake = with_fake(
        fake_postgres.bytes_after_ssl_response, server_tls_sslmode="prefer", server_login_retry=1
    )
    with pytest.raises((ServerError, ConnectionClosed)) as caught:
        with pooler.client("fake") as client:
            client.ask("select 1")
            if fake.ssl_requests == 0:
                pytest.skip("it speaks no TLS to servers")
            raise AssertionError("it was answered")
    assert "smuggled" not in str(caught.value)
    works(pooler)


@pytest.mark.parametrize("name", fake_postgres.NONSENSE_AS_ANSWER)
def test_nonsense_as_answer(with_fake, name):
    script = fake_postgres.NONSENSE_AS_ANSWER[name]
    pooler, fake = with_fake(script, query_timeout=2)
    with pooler.client("fake") as client:
        client.send(query("select 1"))
        result = client.read_to_end()
        assert "Z" not in result.types
        # Nothing can be said in the middle of a message that has been begun.
        assert result.errors or "in_the_middle" in name
    works(pooler)


@pgweir_only
def test_error_without_fields_is_passed_on(with_fake):
    """It ends the request like any other; what it lacks is the client's to judge."""
    script = fake_postgres.answers(fake_postgres.message("E", b"\0") + fake_postgres.READY)
    pooler, fake = with_fake(script)
    with pooler.client("fake") as client:
        assert client.query("select 1").types == "EZ"
        assert client.query("select 1").types == "EZ"
    works(pooler)


@pgweir_only
def test_server_that_goes_without_a_word_after_an_earlier_error(with_fake):
    """Its last words were about something else, so the client is told."""

    def script(connection):
        connection.read_startup()
        connection.welcome()
        while connection.read_message().type != "Q":
            pass
        connection.send(fake_postgres.error_response(S="ERROR", V="ERROR", C="42P01", M="no such table"))
        connection.send(fake_postgres.READY)
        connection.read_message()

    pooler, _ = with_fake(script, pool_mode="session")
    with pooler.client("fake") as client:
        assert client.query("select 1").error.code == "42P01"
        client.send(query("select 2"))
        result = client.read_to_end()
        assert result.errors and result.error.code != "42P01", result
    works(pooler)


@pgweir_only
def test_surplus_answer_reaches_nobody(with_fake):
    """A server that answers twice is out of step: its second answer is not the next client's."""
    script = fake_postgres.answers(one_row("first") + one_row("second"))
    pooler, fake = with_fake(script, default_pool_size=1, query_timeout=2)
    for _ in range(5):
        with pooler.client("fake") as client:
            try:
                assert client.query("select 1").rows == [("first",)]
            except ConnectionClosed:
                pass
    works(pooler)


def test_server_that_closes_after_log_in_is_replaced(with_fake):
    closing = threading.Event()

    def script(connection):
        connection.read_startup()
        connection.welcome()
        closing.wait(10)

    pooler, fake = with_fake(script, default_pool_size=1)
    threading.Timer(0.5, closing.set).start()
    with pytest.raises((ServerError, ConnectionClosed)):
        with pooler.client("fake") as client:
            client.ask("select 1")
    works(pooler)


def test_error_at_login_is_given_to_the_client(with_fake):
    def script(connection):
        connection.read_startup()
        connection.send(
            fake_postgres.error_response(S="FATAL", V="FATAL", C="53300", M="too many of you")
        )

    pooler, _ = with_fake(script)
    error = fails(pooler)
    assert "too many of you" in str(error)


def test_long_error_at_login_is_given_whole(with_fake):
    """PgBouncer has room for some 480 bytes; beyond that its clients learn nothing."""
    text = "too many of you " * 500

    def script(connection):
        connection.read_startup()
        connection.send(fake_postgres.error_response(S="FATAL", V="FATAL", C="53300", M=text))

    pooler, _ = with_fake(script)
    error = fails(pooler)
    assert error.message.endswith(text), error.message


def test_login_with_messages_longer_than_a_buffer(with_fake):
    long = "x" * 20_000

    def script(connection):
        connection.read_startup()
        connection.send(fake_postgres.authentication(0))
        connection.send(message("S", cstring("app.motto") + cstring(long)))
        connection.send(message("N", b"SNOTICE\0C00000\0M" + cstring(long) + b"\0"))
        connection.welcome_without_authentication()
        connection.serve()

    pooler, _ = with_fake(script)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "fake"


def test_failing_server_is_not_hammered(with_fake):
    """server_login_retry is the pace, however many clients ask."""
    pooler, fake = with_fake(fake_postgres.error_without_sqlstate, server_login_retry=2)
    begin = time.monotonic()
    attempts = 0
    while time.monotonic() - begin < 3:
        attempts += 1
        with pytest.raises((ServerError, ConnectionClosed)):
            pooler.client("fake", timeout=15)
    assert fake.accepted <= 4, f"{fake.accepted} log-ins for {attempts} clients"


@pytest.mark.parametrize("code", [3, 5])
def test_password_is_sent_as_asked(with_fake, code):
    received = []

    def script(connection):
        connection.read_startup()
        connection.send(fake_postgres.authentication(code, b"salt" if code == 5 else b""))
        received.append(connection.read_message().body)
        connection.welcome()
        connection.serve()

    pooler, _ = with_fake(script)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "fake"
    from wire import md5_password

    expected = "x" if code == 3 else md5_password("app", "x", b"salt")
    assert received[0] == expected.encode() + b"\0"


def test_answer_byte_by_byte(with_fake):
    def script(connection):
        connection.read_startup()
        connection.welcome()
        while True:
            if connection.read_message().type == "Q":
                for byte in one_row("drop by drop"):
                    connection.send(bytes([byte]))
                    time.sleep(0.001)

    pooler, _ = with_fake(script)
    with pooler.client("fake") as client:
        for _ in range(3):
            assert client.ask("select 1") == "drop by drop"


def test_login_byte_by_byte(with_fake):
    def script(connection):
        connection.read_startup()
        original = connection.send

        def slowly(data):
            for byte in data:
                original(bytes([byte]))

        connection.send = slowly
        connection.welcome()
        connection.serve()

    pooler, _ = with_fake(script)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "fake"
        assert client.parameters["server_version"] == "15.0"


def test_idle_server_that_talks_is_closed_or_ignored(with_fake):
    """An error between two requests, as when an administrator ends the backend."""
    talk = threading.Event()

    def script(connection):
        connection.read_startup()
        connection.welcome()
        if connection.read_message().type == "Q":
            connection.send(one_row("answer"))
        if len(connection.server.startups) == 1:
            talk.wait(10)
            connection.send(
                fake_postgres.error_response(S="FATAL", C="57P01", M="terminating connection")
            )
            return
        connection.serve()

    pooler, fake = with_fake(script, default_pool_size=1)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "answer"
        talk.set()
        wait_until(lambda: pooler.servers("fake") == 0, "its end has been seen")
        assert client.ask("select 1") in ("answer", "fake")


def test_message_to_nobody_is_never_continued_to_the_next_client(with_fake):
    """A notification for an idle server, whose second half comes when another client has it."""
    talk, talks = threading.Event(), threading.Event()
    notification = message("A", struct.pack("!i", 1) + cstring("channel") + cstring("x" * 2000))

    def script(connection):
        connection.read_startup()
        connection.welcome()
        assert connection.read_message().type == "Q"
        connection.send(one_row("first"))
        talk.wait(10)
        connection.send(notification[:700])
        talks.set()
        if connection.read_message().type == "X":
            return  # the other client is on another worker, and a server that talks is not moved
        connection.send(notification[700:1400])
        time.sleep(0.1)
        connection.send(notification[1400:] + one_row("second"))
        connection.hold()

    pooler, _ = with_fake(script, default_pool_size=1)
    with pooler.client("fake") as one, pooler.client("fake") as other:
        assert one.ask("select 1") == "first"
        talk.set()
        assert talks.wait(30)
        time.sleep(seconds(0.3))
        # The other client is dealt to the next worker, if there is one, and gets a new server there.
        assert other.ask("select 1") == ("second" if WORKERS == 1 else "first")


@pgweir_only
def test_server_that_holds_a_cancel_request_is_left_after_a_while(with_fake):
    """Nothing is said on such a connection, and its end is the server's business; not for ever. What it asks for
    may still come, so nobody else gets the server it is meant for."""
    running, left = threading.Event(), threading.Event()

    def script(connection):
        if connection.read_packet()[:4] == struct.pack("!i", 80877102):
            connection.socket.settimeout(None)
            connection.hold()
            left.set()
            return
        connection.welcome()
        if connection.read_message().type == "Q":
            running.set()
            assert left.wait(seconds(30))
            connection.send(one_row("late"))
        connection.serve()

    pooler, _ = with_fake(script, default_pool_size=1, server_connect_timeout=2)
    with pooler.client("fake") as client:
        client.send(query("select 1"))
        assert running.wait(seconds(30))
        client.cancel()
        assert client.read_result().value == "late"
        with pooler.client("fake") as other:
            assert other.ask("select 2") == "late", "from a new server"


@pytest.mark.parametrize("closes", [True, False])
def test_fatal_error_of_the_server_ends_the_clients_connection(with_fake, closes):
    """The request has been given to the server: it is not repeated elsewhere behind the error."""

    def script(connection):
        connection.read_startup()
        connection.welcome()
        if len(connection.server.startups) > 1:
            connection.serve()
            return
        connection.read_message()
        connection.send(one_row("answer"))
        connection.read_message()
        connection.send(fake_postgres.error_response(S="FATAL", V="FATAL", C="57P01", M="shot"))
        if not closes:
            time.sleep(1)

    pooler, fake = with_fake(script, default_pool_size=1, query_timeout=5)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "answer"
        client.send(query("select 2"))
        result = client.read_to_end()
        assert result.error.code == "57P01"
        assert not result.rows and "Z" not in result.types
    works(pooler)


def test_server_that_ends_right_behind_its_answer_is_not_the_clients_concern(with_fake):
    """The answer and the farewell come in one packet; the next request is another server's."""

    def script(connection):
        connection.read_startup()
        connection.welcome()
        if len(connection.server.startups) > 1:
            connection.serve()
            return
        connection.read_message()
        farewell = fake_postgres.error_response(S="FATAL", V="FATAL", C="57P01", M="shot")
        connection.send(one_row("answer") + farewell)

    pooler, fake = with_fake(script, default_pool_size=1)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "answer"
        time.sleep(seconds(0.2))
        result = client.query("select 2")
        assert result.types == "TDCZ" and result.value == "fake", result.messages


@pgweir_only
def test_server_without_backend_key_is_served_but_not_cancelled(with_fake):
    def script(connection):
        connection.read_startup()
        connection.send(fake_postgres.authentication(0) + fake_postgres.READY)
        connection.serve()

    pooler, fake = with_fake(script)
    with pooler.client("fake") as client:
        assert client.ask("select 1") == "fake"
        client.cancel()
        assert client.ask("select 1") == "fake"


def test_connect_that_hangs_blocks_no_other_database(with_fake):
    pooler, fake = with_fake(fake_postgres.never_answers)
    waiting = pooler.raw().startup("app", "fake", read=False)
    wait_until(lambda: fake.accepted >= 1, "an attempt")
    works(pooler)
    waiting.reset()
