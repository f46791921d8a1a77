"""Log-in: how clients prove who they are, what they are told, what is refused and with which words."""

import pytest

from harness import check_error, closed_with, pgweir_only, refused, works
from wire import (
    GSSENC_REQUEST,
    PROTOCOL_2_0,
    PROTOCOL_3_0,
    PROTOCOL_3_2,
    SSL_REQUEST,
    ServerError,
    Wire,
    query,
    startup_packet,
)

AUTH_CODES = {"trust": [0], "plain": [3, 0], "md5": [5, 0], "scram-sha-256": [10, 11, 12, 0]}


@pytest.mark.parametrize("method", AUTH_CODES)
def test_each_method_asks_and_lets_in(start_pooler, method):
    pooler = start_pooler(auth_type=method)
    with pooler.client(user="app") as client:
        assert client.auth_methods == AUTH_CODES[method]
        assert client.ask("select current_user") == "app"


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256"])
def test_wrong_password_and_unknown_user_look_the_same(start_pooler, method):
    pooler = start_pooler(auth_type=method)
    messages = []
    for user in ("app", "nobody_at_all"):
        with pytest.raises(ServerError) as caught:
            pooler.client(user=user, password="wrong")
        check_error(caught.value, "28P01", None, "FATAL")
        messages.append((caught.value.code, caught.value.message.replace(user, "")))
    assert messages[0] == messages[1]
    works(pooler)


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256"])
def test_empty_password_is_refused(start_pooler, method):
    pooler = start_pooler(auth_type=method)
    with refused():
        pooler.client(user="app", password="")
    works(pooler)


def test_trust_refuses_an_unknown_user(pooler):
    with refused("28000", "authentication failed"):
        pooler.client(user="nobody_at_all")
    works(pooler)


def test_first_client_after_a_reload_is_told_of_the_new_database(start_pooler, primary):
    pooler = start_pooler(databases={"app": f"host=127.0.0.1 port={primary.port} dbname=app"})
    primary.ask("alter database second set timezone = 'Asia/Tokyo'")
    try:
        with pooler.client() as before:
            assert before.parameters["TimeZone"] == "UTC"
            pooler.databases["app"] = f"host=127.0.0.1 port={primary.port} dbname=second"
            pooler.reload()
            with pooler.client() as after:
                assert after.parameters["TimeZone"] == "Asia/Tokyo"
                assert after.ask("show timezone") == "Asia/Tokyo"
            assert before.ask("show timezone") == "UTC", "it was told so"
    finally:
        primary.ask("alter database second reset timezone")


def test_auth_type_any_is_the_user_of_the_database(start_pooler, primary):
    at = f"host=127.0.0.1 port={primary.port} dbname=app"
    pooler = start_pooler(
        auth_type="any",
        databases={"app": at, "forced": f"{at} user=trust_user"},
        users={"trust_user": "max_user_client_connections=2"},
    )
    with refused("F0000", "bouncer config error"):
        pooler.client(user="postgres", password="x")
    with pooler.client(user="postgres", database="forced") as one, pooler.client(user="x", database="forced") as other:
        assert {one.ask("select current_user"), other.ask("select current_user")} == {"trust_user"}
        with refused("53300", "max_user_client_connections"):
            pooler.client(user="another", database="forced")


@pytest.mark.parametrize("method", ["trust", "scram-sha-256"])
def test_unknown_database_is_refused(start_pooler, method):
    pooler = start_pooler(auth_type=method)
    with refused("3D000", "no such database" if method == "trust" else None):
        pooler.client(database="nowhere")
    works(pooler)


def test_unknown_database_is_not_told_to_strangers(start_pooler):
    pooler = start_pooler(auth_type="scram-sha-256")
    with pytest.raises(ServerError) as known:
        pooler.client(database="app", password="wrong")
    with pytest.raises(ServerError) as unknown:
        pooler.client(database="nowhere", password="wrong")
    assert known.value.message == unknown.value.message


def test_md5_secret_in_the_user_list(start_pooler):
    import hashlib

    secret = "md5" + hashlib.md5(b"md5 secretmd5_user").hexdigest()
    pooler = start_pooler(
        auth_type="md5", passwords={"md5_user": secret, "admin_user": "admin secret"}
    )
    with pooler.client(user="md5_user", password="md5 secret") as client:
        assert client.ask("select current_user") == "md5_user"
    with refused("28P01"):
        pooler.client(user="md5_user", password="md5 secrets")


def test_scram_secret_in_the_user_list_is_passed_through(start_pooler, primary):
    """The same verifier on both sides: the client's proof is enough to log in at the server."""
    secret = primary.ask("select rolpassword from pg_authid where rolname = 'scram_user'")
    pooler = start_pooler(
        auth_type="scram-sha-256", passwords={"scram_user": secret, "admin_user": "admin secret"}
    )
    with pooler.client(user="scram_user", password="scram secret") as client:
        assert client.ask("select current_user") == "scram_user"
    with refused("28P01"):
        pooler.client(user="scram_user", password="scram")


def test_md5_asks_scram_of_a_user_with_a_scram_secret(start_pooler, primary):
    secret = primary.ask("select rolpassword from pg_authid where rolname = 'scram_user'")
    pooler = start_pooler(
        auth_type="md5", passwords={"scram_user": secret, "admin_user": "admin secret"}
    )
    with pooler.client(user="scram_user", password="scram secret") as client:
        assert client.auth_methods == AUTH_CODES["scram-sha-256"]


@pytest.mark.parametrize("user", ["trust_user", "plain_user", "md5_user", "scram_user"])
def test_server_asks_by_each_method(pooler, user):
    with pooler.client(user=user) as client:
        assert client.ask("select current_user") == user


def test_wrong_password_at_the_server_is_the_servers_error(start_pooler, primary):
    at = f"host=127.0.0.1 port={primary.port} dbname=app user=scram_user password=wrong"
    pooler = start_pooler(databases={"misfit": at})
    with refused("28P01", "password authentication failed"):
        with pooler.client(database="misfit") as client:
            client.ask("select 1")
    works(pooler)


def test_database_that_the_server_lacks_is_the_servers_error(start_pooler, primary):
    at = f"host=127.0.0.1 port={primary.port} dbname=not_there"
    pooler = start_pooler(databases={"misfit": at})
    with pytest.raises(ServerError) as caught:
        with pooler.client(database="misfit") as client:
            client.ask("select 1")
    assert "not_there" in caught.value.message
    check_error(caught.value, "3D000")
    works(pooler)


@pytest.mark.parametrize("first", [SSL_REQUEST, GSSENC_REQUEST])
def test_encryption_is_declined_and_login_goes_on(pooler, first):
    client = pooler.raw()
    client.send(first)
    assert client.read_bytes(1) == b"N"
    client.startup("app", "app")
    assert client.ask("select 1") == "1"
    client.close()


def test_gss_then_ssl_are_both_declined(pooler):
    client = pooler.raw()
    for packet in (GSSENC_REQUEST, SSL_REQUEST):
        client.send(packet)
        assert client.read_bytes(1) == b"N"
    client.startup("app", "app")
    client.close()


@pytest.mark.parametrize("first", [SSL_REQUEST, GSSENC_REQUEST])
def test_startup_behind_an_encryption_request_is_refused(pooler, first):
    """CVE-2021-3935."""
    client = pooler.raw()
    client.send(first + startup_packet({"user": "app", "database": "app"}))
    result = client.read_bytes(1)
    if result == b"N":
        result = client.read_bytes(1)
    assert result == b"E"
    works(pooler)


def test_protocol_3_0_is_not_negotiated(pooler):
    with pooler.client() as client:
        assert client.negotiated is None
        assert len(client.key) == 4
        assert client.ask("select 1") == "1"


@pgweir_only
def test_protocol_3_2_is_negotiated_down(pooler):
    with pooler.client(protocol=PROTOCOL_3_2) as client:
        assert client.negotiated == (PROTOCOL_3_0, [])
        assert client.ask("select 1") == "1"


@pgweir_only
def test_unknown_protocol_option_is_named(pooler):
    with pooler.client(parameters={"_pq_.colour": "green"}) as client:
        assert client.negotiated == (PROTOCOL_3_0, ["_pq_.colour"])
        assert client.ask("select 1") == "1"


@pytest.mark.parametrize("version", [PROTOCOL_2_0, 0x00040000, 0x00010000])
def test_other_protocols_are_refused(pooler, version):
    client = pooler.raw()
    client.send(startup_packet({"user": "app", "database": "app"}, version))
    closed_with(client)
    works(pooler)


def test_unix_socket_serves_too(pooler):
    with Wire(pooler.unix_address) as client:
        client.startup("app", "app")
        assert client.ask("select 6 * 7") == "42"


def test_unix_socket_goes_with_the_program(start_pooler):
    import os
    import signal

    pooler = start_pooler()
    path = pooler.unix_address
    assert os.path.exists(path)
    pooler.signal(signal.SIGINT)
    pooler.wait_for_exit()
    assert not os.path.exists(path)


def test_parameters_and_key_are_reported(pooler, primary):
    with pooler.client() as client:
        assert client.parameters["server_version"] == primary.ask("show server_version")
        assert client.parameters["client_encoding"] == "UTF8"
        assert client.parameters["standard_conforming_strings"] == "on"
        for name in ("server_encoding", "DateStyle", "TimeZone", "integer_datetimes"):
            assert name in client.parameters
        assert client.process_id is not None and len(client.key) == 4


def test_keys_differ_between_clients(pooler):
    clients = [pooler.client() for _ in range(20)]
    assert len({(client.process_id, client.key) for client in clients}) == 20
    for client in clients:
        client.close()


def test_database_defaults_to_the_users_name(pooler):
    client = pooler.raw().startup("app", None)
    assert client.ask("select current_database()") == "app"
    client.close()


def test_missing_user_is_refused(pooler):
    client = pooler.raw()
    client.send(startup_packet({"database": "app"}))
    closed_with(client, "28000", "no username supplied")


@pgweir_only
@pytest.mark.parametrize(
    "options",
    [
        "-c DateStyle=German",
        "-cDateStyle=German",
        "--DateStyle=German",
        "-c DateStyle=German -c TimeZone=Asia/Tokyo",
        "  --DateStyle=German  ",
    ],
)
def test_options_set_parameters(pooler, options):
    with pooler.client(parameters={"options": options}) as client:
        assert client.ask("select date '2026-11-20'") == "20.11.2026"


@pgweir_only
def test_unknown_word_in_options_is_refused(pooler):
    with refused("08P01", "options"):
        pooler.client(parameters={"options": "-f whatever"})
    works(pooler)


@pgweir_only
def test_unknown_parameter_in_options_is_refused_unless_ignored(start_pooler):
    pooler = start_pooler()
    with refused("08P01", "unsupported startup parameter in options: work_memory"):
        pooler.client(parameters={"options": "-c work_memory=1MB"})
    lenient = start_pooler(ignore_startup_parameters="work_memory")
    with lenient.client(parameters={"options": "-c work_memory=1MB"}) as client:
        assert client.ask("select 1") == "1"


def test_unsupported_startup_parameter_is_refused(pooler):
    with refused("08P01", "unsupported startup parameter: extra_double_digits"):
        pooler.client(parameters={"extra_double_digits": "2"})
    works(pooler)


def test_ignored_startup_parameters_are_swallowed(start_pooler):
    pooler = start_pooler(ignore_startup_parameters="extra_float_digits, search_path")
    parameters = {"extra_float_digits": "2", "search_path": "nowhere"}
    with pooler.client(parameters=parameters) as client:
        assert client.ask("show search_path") == '"$user", public'


def test_startup_parameters_reach_the_server(pooler):
    parameters = {
        "application_name": "it's me",
        "client_encoding": "LATIN1",
        "DateStyle": "German",
        "TimeZone": "Asia/Tokyo",
    }
    with pooler.client(parameters=parameters) as client:
        assert client.ask("show application_name") == "it's me"
        assert client.ask("show client_encoding") == "LATIN1"
        assert client.ask("select date '2026-11-20'") == "20.11.2026"
        assert client.ask("show timezone") == "Asia/Tokyo"


def test_client_encoding_is_kept_on_a_shared_server(start_pooler):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client(parameters={"client_encoding": "LATIN1"}) as latin, pooler.client() as utf8:
        for _ in range(3):
            latin.send(query(b"select '\xfc'"))
            assert latin.read_result().messages[1].body.endswith(b"\1\xfc")
            assert utf8.query("select 'ü'").rows == [("ü",)]


SETTABLE = [
    ("TimeZone", "Asia/Tokyo", "UTC"),
    ("DateStyle", "German, DMY", "ISO, MDY"),
    ("application_name", "first client", "second client"),
    ("client_encoding", "LATIN1", "UTF8"),
    ("standard_conforming_strings", "off", "on"),
    pytest.param("IntervalStyle", "iso_8601", "postgres", marks=pgweir_only),
]


@pytest.mark.parametrize("name, first_value, second_value", SETTABLE)
def test_parameter_of_one_client_is_not_the_others(start_pooler, name, first_value, second_value):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.ask(f"set {name} = '{first_value}'")
        second.ask(f"set {name} = '{second_value}'")
        assert first.ask("select pg_backend_pid()") == second.ask("select pg_backend_pid()")
        for _ in range(3):
            assert first.ask(f"show {name}") == first_value
            assert second.ask(f"show {name}") == second_value


@pgweir_only
@pytest.mark.parametrize("value", ["O'Brien", "back\\slash", "a" * 60, "''", "semi; colon", "-- x"])
def test_parameter_values_are_quoted_rightly(start_pooler, value):
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as first, pooler.client() as second:
        first.extended("select set_config('application_name', $1, false)", value)
        second.ask("set standard_conforming_strings = off")
        for _ in range(2):
            assert second.ask("show standard_conforming_strings") == "off"
            assert first.ask("show application_name") == value


@pgweir_only
def test_long_parameter_values_are_replayed_whole(start_pooler):
    """PgBouncer drops values above 127 bytes without a word."""
    pooler = start_pooler(default_pool_size=1, track_extra_parameters="search_path,IntervalStyle")
    zone = "<" + "A" * 10 + ">-03:00:00" + "<" + "B" * 10 + ">,M3.2.0/02:00:00,M11.1.0/02:00:00"
    with pooler.client() as first, pooler.client() as second:
        result = first.query(f"set timezone = '{zone}'")
        assert not result.errors, result.errors
        expected = first.ask("show timezone")
        second.ask("set timezone = 'UTC'")
        assert second.ask("show timezone") == "UTC"
        assert first.ask("show timezone") == expected


def test_login_waits_for_no_server_when_one_is_known(start_pooler):
    """A second client's log-in needs no free server."""
    pooler = start_pooler(default_pool_size=1)
    with pooler.client() as busy:
        busy.ask("begin")
        with pooler.client() as second:
            assert second.parameters["client_encoding"] == "UTF8"
        busy.ask("rollback")


