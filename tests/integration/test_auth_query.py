"""auth_query: users that auth_file does not list are looked up in PostgreSQL."""

import pytest

from harness import check_error, pgweir_only, refused
from postgres import PASSWORDS
from wire import PROTOCOL_3_2, ServerError, Wire, bind, describe, execute, parse, sync, wait_until

METHODS = ["trust", "plain", "md5", "scram-sha-256"]
ADMIN_ONLY = {"admin_user": PASSWORDS["admin_user"], "stats_user": PASSWORDS["stats_user"]}


@pytest.fixture
def start(start_pooler):
    """start(**settings): a pooler that lists its admins only, and asks as postgres."""

    def begin(databases=None, passwords=None, **settings):
        settings.setdefault("auth_user", "postgres")
        settings.setdefault("auth_type", "scram-sha-256")
        listed = dict(ADMIN_ONLY, **(passwords or {}))
        return start_pooler(databases=databases, passwords=listed, **settings)

    return begin


@pgweir_only
def test_look_up_in_a_database_that_is_removed_ends(start, primary):
    pooler = start(databases={"app": f"host=127.0.0.1 port={primary.port}"}, client_login_timeout=600)
    pooler.command("PAUSE app")
    client = pooler.raw(timeout=60)
    client.startup("scram_user", "app", read=False)
    assert client.silent_for(0.3), "the question waits"
    del pooler.databases["app"]
    pooler.reload()
    check_error(client.read_to_end().error, "57P01", "database removed")


def log_in(pooler, user, password=None, **options):
    password = PASSWORDS[user] if password is None else password
    return pooler.client(user=user, password=password, **options)


@pytest.fixture
def sql(primary):
    """Runs statements as superuser, and takes them back after the test."""
    undo = []

    def run(statement, at_the_end=None):
        primary.ask(statement)
        if at_the_end:
            undo.append(at_the_end)

    yield run
    for statement in reversed(undo):
        primary.ask(statement)


def role(sql, name, options):
    sql(f"create role {name} login {options}", f"drop role {name}")


def test_unnamed_statement_is_not_taken_for_that_of_a_look_up(start, primary):
    """Both run on the same server, for a client may log in as auth_user."""
    where = f"host=127.0.0.1 port={primary.port} user=postgres"
    pooler = start(databases={"app": where}, default_pool_size=1, passwords={"postgres": "known"})
    with log_in(pooler, "postgres", "known") as client:
        client.send(parse("select 'mine'") + describe() + sync())
        assert not client.read_result().errors
        log_in(pooler, "app").close()
        client.send(bind(("app",)) + execute() + sync())
        check_error(client.read_result().error, "26000", "unnamed prepared statement does not exist")


# Who gets in.


def test_users_come_from_postgresql(start):
    pooler = start()
    for method in METHODS:
        pooler.reload(auth_type=method)
        with log_in(pooler, "app") as client:
            assert client.ask("select current_user") == "app"
    assert [row["user"] for row in pooler.show("POOLS") if row["database"] == "app"] == [
        "app",
        "postgres",
    ]


@pytest.mark.parametrize(
    "method, user",
    [
        ("scram-sha-256", "scram_user"),
        ("md5", "scram_user"),
        ("md5", "md5_user"),
        ("plain", "plain_user"),
    ],
)
def test_server_asks_and_is_answered_with_what_the_login_proved(start, method, user):
    """SCRAM keys are passed through, an MD5 secret answers MD5, a password is sent on."""
    pooler = start(auth_type=method)
    with log_in(pooler, user) as client:
        assert client.ask("select current_user") == user
    pooler.command("RECONNECT")
    with log_in(pooler, user) as client:
        assert client.ask("select current_user") == user


def test_unknown_users_and_wrong_passwords_look_the_same(start):
    pooler = start()
    for method in ("plain", "md5", "scram-sha-256"):
        pooler.reload(auth_type=method)
        for kind in ("app", "md5_user" if method == "md5" else "app"):
            seen = []
            for user in (kind, "nobody_at_all"):
                client = pooler.raw()
                with pytest.raises(ServerError) as caught:
                    client.startup(user, "app", "wrong")
                check_error(caught.value, "28P01", None, "FATAL")
                seen.append((client.auth_methods, caught.value.message))
            assert seen[0] == seen[1]


def test_unknown_user_does_not_become_auth_user(start):
    """CVE-2015-6817: who was not found was logged in as auth_user."""
    pooler = start()
    for method in METHODS:
        pooler.reload(auth_type=method)
        for password in ("", "anything"):
            with refused():
                pooler.client(user="nobody_at_all", password=password)
    assert pooler.pool("app", "postgres")["cl_active"] == 0


def test_expired_and_passwordless_roles_are_refused(start, sql):
    """CVE-2025-2291: VALID UNTIL was not looked at. A NULL is no password."""
    role(sql, "expired_role", "password 'geheim' valid until '2001-01-01'")
    role(sql, "bare_role", "")
    pooler = start()
    for method in METHODS:
        pooler.reload(auth_type=method)
        for user in ("expired_role", "bare_role"):
            for password in ("geheim", "", "md5", "SCRAM-SHA-256"):
                with refused():
                    pooler.client(user=user, password=password)


def test_listed_users_are_not_looked_up(start):
    pooler = start(passwords={"app": "another secret"}, auth_query="select nothing_of_the_kind($1)")
    with refused("28P01"):
        log_in(pooler, "app")
    with log_in(pooler, "app", "another secret") as client:
        assert client.ask("select 1") == "1"


def test_without_auth_user_nobody_is_looked_up(start):
    pooler = start(auth_user="")
    with refused("28P01"):
        log_in(pooler, "app")


ALIAS = "select 'app'::text, 'geheim'::text where $1 = 'alias'"


def test_first_column_is_who_the_client_becomes(start):
    pooler = start(auth_type="plain", auth_query=ALIAS)
    with pooler.client(user="alias", password="geheim") as client:
        assert client.ask("select current_user") == "app"
        assert "app" in [row["user"] for row in pooler.show("CLIENTS")]


def test_rules_hold_for_who_the_client_becomes(start, tmp_path):
    rules = tmp_path / "hba"
    rules.write_text("host all app all reject\nhost all all all password\n")
    rules.chmod(0o644)
    for folder in rules.parents:
        if folder.stat().st_uid == rules.stat().st_uid and str(folder) != "/tmp":
            folder.chmod(0o755)
    pooler = start(
        auth_type="hba",
        auth_hba_file=rules,
        auth_query=ALIAS,
    )
    with refused("28000", "login rejected"):
        pooler.client(user="alias", password="geheim")


# Where it is asked.


def test_databases_have_their_own_words(start, primary):
    at = f"host=127.0.0.1 port={primary.port}"
    pooler = start(
        auth_user="",
        databases={
            "users": at + " dbname=second",
            "app": at + " auth_user=postgres auth_dbname=users"
            " auth_query='select $1::text, current_database()::text'",
        },
        auth_type="plain",
    )
    with pooler.client(user="app", password="second") as client:
        assert client.ask("select current_database()") == "app"
    with refused("28P01"):
        pooler.client(user="app", password="second", database="second")


def test_unknown_database_is_told_only_to_known_users(start):
    pooler = start(auth_dbname="second")
    with refused("28P01"):
        log_in(pooler, "app", "wrong", database="nowhere")
    with refused("3D000", "no such database"):
        log_in(pooler, "app", database="nowhere")


def test_disabled_database_is_not_asked(start):
    pooler = start(auth_dbname="second")
    pooler.command("DISABLE second")
    with refused("57P03", "authentication database is disabled: second"):
        log_in(pooler, "app")


def test_auth_dbname_without_database_is_an_error_of_the_configuration(start):
    pooler = start(auth_dbname="nowhere")
    with refused("F0000", "bouncer config error"):
        log_in(pooler, "app")
    wait_until(lambda: "there is no such database" in pooler.log(), "the log says why")


@pgweir_only
def test_console_users_are_looked_up_only_at_auth_dbname(start):
    pooler = start(admin_users="admin_user,app")
    with refused("28P01"):
        log_in(pooler, "app", database="pgbouncer")
    pooler.reload(auth_dbname="app")
    with log_in(pooler, "app", database="pgbouncer") as console:
        assert not console.query("SHOW VERSION").errors


# What the query may not do.


WRONG = [
    ("select $1::text", "1 columns; expected two"),
    ("select $1::text, 'a'::text, 'b'::text", "3 columns; expected two"),
    ("select null::text, $1::text", "is NULL or empty"),
    ("select $1::text, 'a'::text from generate_series(1, 2)", "more than one row"),
    ("select nothing_of_the_kind($1)", "function nothing_of_the_kind(unknown) does not exist"),
    ("selct", "syntax error"),
]


def test_query_that_is_wrong_is_an_error_of_the_configuration(start):
    pooler = start()
    for query, detail in WRONG:
        pooler.reload(auth_query=query)
        with refused("F0000", "bouncer config error"):
            log_in(pooler, "app")
        wait_until(lambda: detail in pooler.log(), "the log says why")
    assert pooler.servers("app", "postgres") == 1, "the server is as good as before"


def test_names_are_no_sql(start, sql):
    sql("create table canary (i int)", "drop table if exists canary")
    pooler = start()
    for name in ("'; drop table canary; --", "$1", "a' or '1'='1", "\\'", "x" * 127):
        with refused("28P01"):
            pooler.client(user=name, password="x")
    sql("insert into canary values (1)")


@pgweir_only
def test_clients_parameters_do_not_reach_the_query(start, sql):
    """CVE-2025-12819: a search_path from the startup packet chose what the query called."""
    sql("create schema evil", "drop schema evil cascade")
    sql("grant usage on schema evil to public")
    for schema, secret in (("public", "real"), ("evil", "forged")):
        sql(
            f"create function {schema}.find_user(text) returns text language sql"
            f" as $$ select '{secret}' $$",
            f"drop function {schema}.find_user(text)",
        )
    pooler = start(
        auth_type="plain",
        auth_query="select $1::text, find_user($1)",
        track_extra_parameters="search_path",
        passwords={"postgres": "postgres secret"},
        default_pool_size=1,
    )
    forged = {"search_path": "evil, public"}
    for parameters in (forged, {"options": "-c search_path=evil,public"}):
        with refused("28P01"):
            pooler.client(user="app", password="forged", parameters=parameters)
        with pooler.client(user="app", password="real", parameters=parameters) as client:
            assert client.ask("select find_user('')") == "forged", "its own affair"
    # Nor does what a client that is auth_user has left on the server.
    with pooler.client(user="postgres", password="postgres secret", parameters=forged) as client:
        client.ask("set datestyle = 'German'")
        assert client.ask("select find_user('')") == "forged"
    with pooler.client(user="other", password="real") as client:
        assert client.ask("select 1") == "1"
    assert pooler.servers("app", "postgres") == 1


def test_transaction_of_the_query_is_rolled_back(start):
    pooler = start(auth_query="begin")
    for _ in range(2):
        with refused("F0000"):
            log_in(pooler, "app")
    wait_until(lambda: pooler.pool("app", "postgres")["sv_active"] == 0, "the server is free")


def test_negotiation_is_told_once(start):
    """The reference once sent NegotiateProtocolVersion a second time after its lookup."""
    pooler = start()
    client = pooler.raw()
    seen = []
    read = client.read_message
    client.read_message = lambda *a: seen.append(read(*a)) or seen[-1]
    client.startup("app", "app", PASSWORDS["app"], protocol=PROTOCOL_3_2)
    assert [one.type for one in seen].count("v") == 1
    client.close()


def test_long_passwords(start, sql):
    long = "p" * 2000
    role(sql, "long_role", f"password '{long}'")
    pooler = start()
    for method in ("plain", "scram-sha-256"):
        pooler.reload(auth_type=method)
        with pytest.raises(ServerError) as caught:
            pooler.client(user="long_role", password=long)
        # It gets in here, and the server has no rule for it.
        assert "pg_hba.conf" in caught.value.message


# Forced users.


def test_keys_of_clients_are_not_those_of_a_forced_user(start, primary):
    """The reference once overwrote a forced user's password with the keys of whoever logged in."""
    forced = (
        f"host=127.0.0.1 port={primary.port} dbname=app user=scram_user"
        f" password='{PASSWORDS['scram_user']}'"
    )
    pooler = start(databases={"forced": forced})
    for user in ("app", "other"):
        with log_in(pooler, user, database="forced") as client:
            assert client.ask("select current_user") == "scram_user"
        pooler.command("RECONNECT forced")
    assert pooler.servers("forced", "postgres") <= 1


# Under load, and at the end.


def test_many_logins_share_one_server(start):
    pooler = start(auth_type="trust", default_pool_size=1)
    clients = [pooler.raw() for _ in range(30)]
    for client in clients:
        client.startup("app", "app", read=False)
    for client in clients:
        client.read_login("app")
    assert pooler.servers("app", "postgres") == 1
    for client in clients:
        client.close()


def test_client_that_leaves_during_its_lookup(start, primary):
    pooler = start(auth_query="select $1::text, 'x'::text from pg_sleep(0.3)", default_pool_size=1)
    clients = [pooler.raw() for _ in range(5)]
    for client in clients:
        client.startup("app", "app", read=False)
    wait_until(lambda: primary.backends("query like '%pg_sleep%' and state = 'active'"), "a lookup")
    for client in clients:
        client.vanish()
    wait_until(lambda: pooler.pool("app", "postgres")["sv_idle"] == 1, "the server is free again")
    with refused("28P01"):
        log_in(pooler, "app")


def test_server_that_dies_during_a_lookup(start, primary):
    pooler = start(auth_query="select $1::text, 'x'::text from pg_sleep(30)")
    client = pooler.raw()
    client.startup("app", "app", read=False)
    wait_until(lambda: primary.backends("query like '%pg_sleep%' and state = 'active'"), "a lookup")
    primary.terminate_backends("usename = 'postgres'")
    with pytest.raises(ServerError):
        client.read_login("app")
    pooler.reload(auth_query="select $1::text, 'x'::text")
    with refused("28P01"):
        log_in(pooler, "app", "wrong")


def test_login_timeout_counts_the_lookup_too(start, primary):
    query = "select $1::text, 'x'::text from pg_sleep(30)"
    pooler = start(auth_query=query, client_login_timeout=1)
    with refused("57014", "client_login_timeout"):
        log_in(pooler, "app")
    primary.terminate_backends("usename = 'postgres'")


def test_auth_user_that_cannot_log_in(start):
    pooler = start(auth_user="scram_user", passwords={"scram_user": "wrong"})
    with refused("F0000", "bouncer config error"):
        log_in(pooler, "app")
    wait_until(lambda: "password authentication failed" in pooler.log(), "the log says why")
    with refused("08001", "server login has been failing"):
        log_in(pooler, "app")


# The cache.


@pytest.fixture
def counted(sql, primary):
    """A query that counts its calls, and how often it was called."""
    sql("create sequence calls", "drop sequence calls")
    query = "select rolname, rolpassword from pg_authid where rolname = $1 and nextval('calls') > 0"
    count = "select case when is_called then last_value else 0 end from calls"
    return query, lambda: primary.ask(count)


@pgweir_only
def test_every_login_asks_unless_a_cache_is_set(start, counted):
    query, calls = counted
    pooler = start(auth_query=query)
    for _ in range(3):
        log_in(pooler, "app").close()
    assert calls() == 3


@pgweir_only
def test_cache_keeps_users_and_forgets_them_after_a_failure(start, counted):
    query, calls = counted
    pooler = start(auth_query=query, auth_query_cache_time=600)
    for _ in range(3):
        log_in(pooler, "app").close()
    assert calls() == 1
    with refused("28P01"):
        log_in(pooler, "app", "wrong")
    assert calls() == 1
    log_in(pooler, "app").close()
    assert calls() == 2, "the password may have changed"
    pooler.command("RELOAD")
    log_in(pooler, "app").close()
    assert calls() == 3
    for _ in range(2):
        with refused("28P01"):
            pooler.client(user="nobody_at_all", password="x")
    log_in(pooler, "app").close()
    assert calls() == 3, "who is not there is not counted by the query, nor kept"


def test_unix_socket_is_asked_about_too(start):
    pooler = start()
    with Wire(pooler.unix_address) as client:
        client.startup("app", "app", PASSWORDS["app"])
        assert client.ask("select 1") == "1"

