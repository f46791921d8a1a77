"""Replication connections: each has a server of its own, and PostgreSQL's programs work through them."""

import contextlib
import os
import subprocess

import psycopg
import pytest

from certificates import Authority, client_context
from harness import pgweir_only
from pooler import seconds
from postgres import program, temporary_folder, unprivileged
from wire import wait_until

pytestmark = pgweir_only


@pytest.fixture
def through(start_pooler, primary):
    """A pooler whose users may replicate, as the superuser of the server."""
    at = f"host=127.0.0.1 port={primary.port} user=postgres"
    return lambda **settings: start_pooler(
        databases={"app": f"{at} dbname=app", "replication": at}, default_pool_size=2, **settings
    )


@pytest.fixture
def folder():
    made = temporary_folder("pgweir-replication-")
    os.chmod(made, 0o777)
    yield made
    subprocess.run(["rm", "-rf", made], check=True)


def at(pooler):
    return ["-h", "127.0.0.1", "-p", str(pooler.port), "-U", "app", "--no-password"]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds(60), **unprivileged())
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def servers(pooler, database):
    """Connections of the database's pool, whatever they do."""
    row = next(r for r in pooler.show("POOLS") if r["database"] == database)
    return sum(int(value) for key, value in row.items() if key.startswith("sv_"))


def one_row(pooler, what, database="replication"):
    (row,) = [row for row in pooler.show(what) if row["database"] == database]
    return row


def replicating(primary):
    return int(primary.ask("select count(*) from pg_stat_activity where backend_type = 'walsender'"))


def nothing_is_left(pooler, primary, database):
    wait_until(lambda: replicating(primary) == 0 and servers(pooler, database) == 0, "its server is closed")


def test_a_base_backup_goes_through_and_starts(through, primary, folder):
    pooler = through()
    data = f"{folder}/copy"
    run([program("pg_basebackup"), *at(pooler), "-D", data, "-X", "stream", "--checkpoint=fast"])
    checked = run([program("pg_verifybackup"), data])
    assert "successfully verified" in checked
    control = run([program("pg_controldata"), "-D", data])
    assert "in production" in control
    nothing_is_left(pooler, primary, "replication")


def test_log_is_received_while_it_is_written(through, primary, folder):
    pooler = through()
    command = [program("pg_receivewal"), *at(pooler), "-D", folder, "--no-loop", "--synchronous"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **unprivileged()) as process:
        try:
            wait_until(lambda: replicating(primary) == 1, "the log is streamed")
            wait_until(lambda: [row["state"] for row in pooler.show("SERVERS")] == ["active"], "the pooler knows")
            assert primary.ask("select application_name from pg_stat_replication") == "pg_receivewal"
            assert servers(pooler, "replication") == 1
            client = one_row(pooler, "CLIENTS")
            server = one_row(pooler, "SERVERS")
            assert client["replication"] == server["replication"] == "physical"
            assert client["link"] == server["ptr"] and server["link"] == client["ptr"]
            assert server["state"] == "active" and int(server["port"]) == primary.port
            sender = primary.ask("select pid from pg_stat_activity where backend_type = 'walsender'")
            assert int(server["remote_pid"]) == sender

            def segments():
                primary.ask("select pg_logical_emit_message(true, 'a', 'b')")
                primary.ask("select pg_switch_wal()")
                return [name for name in os.listdir(folder) if not name.endswith(".partial")]

            wait_until(segments, "a segment is complete")
        finally:
            process.terminate()
            process.wait()
    nothing_is_left(pooler, primary, "replication")


def test_changes_of_rows_are_decoded(start_pooler, replicas, folder):
    primary = replicas.servers[0]
    primary.configure("wal_level", "logical")
    primary.stop()
    primary.start()
    primary.ask("create table r (n int)")
    pooler = start_pooler(
        databases={"app": f"host=127.0.0.1 port={primary.port} user=postgres dbname=app"}, server=primary
    )
    receiver = [program("pg_recvlogical"), *at(pooler), "-d", "app", "-S", "slot_here"]
    run([*receiver, "--create-slot", "-P", "test_decoding"])
    command = [*receiver, "--start", "-f", f"{folder}/changes", "--no-loop", "--fsync-interval=1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **unprivileged()) as process:
        try:
            wait_until(lambda: replicating(primary) == 1, "it listens")
            with pooler.client() as client:
                assert client.query("insert into r values (4711)").tags == ["INSERT 0 1"]

            def changes():
                with open(f"{folder}/changes", encoding="utf-8") as file:
                    return file.read()

            wait_until(lambda: os.path.exists(f"{folder}/changes") and "4711" in changes(), "the row has come")
        finally:
            process.terminate()
            process.wait()
    wait_until(lambda: replicating(primary) == 0, "its server is closed")
    run([*receiver, "--drop-slot"])


@contextlib.contextmanager
def connected(pooler, replication="database"):
    one = psycopg.pq.PGconn.connect(f"{pooler.dsn()} replication={replication}".encode())
    assert one.status == psycopg.pq.ConnStatus.OK, one.error_message
    yield one
    one.finish()


def refused(pooler, replication="database"):
    """What the client is told."""
    one = psycopg.pq.PGconn.connect(f"{pooler.dsn()} replication={replication}".encode())
    assert one.status == psycopg.pq.ConnStatus.BAD
    return one.error_message.decode()


def test_statements_go_to_the_clients_own_server(through, primary):
    pooler = through(pool_mode="transaction")
    command = [program("psql"), "-XAt", f"{pooler.dsn()} replication=database", "-c", "IDENTIFY_SYSTEM"]
    assert run(command).startswith(str(primary.ask("select system_identifier from pg_control_system()")))
    with connected(pooler) as one:
        first = one.exec_(b"select pg_backend_pid()").get_value(0, 0)
        one.exec_(b"set application_name = 'of its own'")
        with pooler.client() as other:
            assert other.ask("show application_name") != "of its own"
        assert one.exec_(b"select pg_backend_pid()").get_value(0, 0) == first
    wait_until(lambda: replicating(primary) == 0 and servers(pooler, "app") == 1, "its server is closed")


def test_it_takes_its_place_in_the_pool(through):
    pooler = through(query_wait_timeout=5)
    with connected(pooler):
        with connected(pooler):
            assert "query_wait_timeout" in refused(pooler)
        wait_until(lambda: servers(pooler, "app") == 1, "the server is closed with its client")
        with pooler.client() as client:
            assert client.ask("select 1") == "1"
        with connected(pooler):  # the idle server makes room
            assert servers(pooler, "app") == 2


def test_refusal_is_the_servers_own(start_pooler, primary):
    pooler = start_pooler(databases={"app": f"host=127.0.0.1 port={primary.port} user=other dbname=app"})
    assert "no pg_hba.conf entry for replication connection" in refused(pooler, "true")
    with pooler.client() as client:
        assert client.ask("select 1") == "1", "nobody else hears of it"


def test_server_that_ends_takes_its_client_along(through, primary):
    pooler = through()
    with connected(pooler) as one:
        one.send_query(b"select pg_sleep(60)")
        active = "from pg_stat_activity where backend_type = 'walsender' and state = 'active'"
        wait_until(lambda: primary.ask(f"select count(pg_terminate_backend(pid)) {active}") == 1, "it is told to end")
        assert b"terminating connection due to administrator command" in one.get_result().error_message
        while one.get_result() is not None:
            pass
        assert one.status == psycopg.pq.ConnStatus.BAD
    wait_until(lambda: servers(pooler, "app") == 0, "nothing is left")


def test_client_that_leaves_in_the_middle_of_a_copy(through, primary):
    pooler = through()
    with connected(pooler) as one:
        made = one.exec_(b"create table wide as select repeat('x', 1000) t from generate_series(1, 50000)")
        assert not made.error_message
        one.send_query(b"copy wide to stdout")
    wait_until(lambda: replicating(primary) == 0, "its server is closed")
    with pooler.client() as client:
        assert not client.query("drop table wide").errors


def test_rules_ask_for_the_word_replication(through):
    folder = temporary_folder("pgweir-rules-")
    os.chmod(folder, 0o755)
    rules = f"{folder}/hba"
    with open(rules, "w", encoding="utf-8") as file:
        file.write("host all all 127.0.0.1/32 trust\n")
    pooler = through(auth_type="hba", auth_hba_file=rules)
    assert "no authentication method is found" in refused(pooler, "true")
    with connected(pooler):
        pass
    with open(rules, "a", encoding="utf-8") as file:
        file.write("host replication all 127.0.0.1/32 trust\n")
    pooler.command("reload")
    with connected(pooler, "true"):
        pass


def test_over_tls(through, primary, cluster, folder):
    """On the client's side; the server's is that of every other connection. PostgreSQL's program receives the log by
    libpq's asynchronous calls, which hang on records that are longer than PostgreSQL's own."""
    certificate, key = Authority(cluster.folder).server("pgweir")
    pooler = through(client_tls_sslmode="allow", client_tls_cert_file=certificate, client_tls_key_file=key)
    data = f"{folder}/copy"
    command = [program("pg_basebackup"), *at(pooler), "-D", data, "-X", "stream", "--checkpoint=fast"]
    run(["env", f"HOME={folder}", "PGSSLMODE=require", *command])
    assert "successfully verified" in run([program("pg_verifybackup"), data])
    with pooler.raw() as wire:
        wire.secure(client_context())
        wire.startup("app", "replication", password="", parameters={"replication": "true"})
        assert "TLS" in one_row(pooler, "CLIENTS")["tls"]
        assert wire.query("IDENTIFY_SYSTEM").errors == []
    nothing_is_left(pooler, primary, "replication")
