"""What SQL does to a session: each client keeps its own settings, and none ever meets another's.

Two clients on a pool of one server, in transaction mode: whatever one of them leaves behind, the other
would see. PostgreSQL's manual: "SET", "ROLLBACK TO SAVEPOINT", "DISCARD".
"""

import itertools

import pytest

from harness import pgweir_only
from wire import bind, execute, flush, function_call, parse, query, request, sync

pytestmark = pgweir_only

NUMBERS = itertools.count()


@pytest.fixture
def narrow(start_pooler):
    """One server only: the next client gets the server of the client before it."""
    return start_pooler(default_pool_size=1)


@pytest.fixture
def roles(primary):
    primary.ask("create role reader; grant reader to app")
    yield primary
    primary.ask("drop role reader")


@pytest.fixture
def pair(narrow):
    with narrow.client() as one, narrow.client() as other:
        assert one.ask("select pg_backend_pid()") == other.ask("select pg_backend_pid()")
        yield one, other


def show(client, name):
    return client.ask(f"select current_setting('{name}', true)")


SET = [
    ("set search_path = app_private, \"Q u\", 'x'", "search_path", 'app_private, "Q u", x'),
    ("set session statement_timeout to '7s'", "statement_timeout", "7s"),
    ("set lock_timeout = 1500", "lock_timeout", "1500ms"),
    ("set row_security = off", "row_security", "off"),
    ("set app.tenant = 'it''s \\ 42'", "app.tenant", "it's \\ 42"),
    ("set App.\"Tenant\" = 'gr\u00fcn'", "app.tenant", "gr\u00fcn"),
    ("select set_config('app.tenant', 'by function', false)", "app.tenant", "by function"),
    ("set schema 'mine'", "search_path", "mine"),
    (
        "set session characteristics as transaction isolation level serializable",
        "default_transaction_isolation",
        "serializable",
    ),
]


def run(client, sql, how):
    """As a Query, or prepared and executed."""
    if how == "simple":
        return client.query(sql)
    if how == "unnamed":
        return client.extended(sql)
    name = f"p{next(NUMBERS)}"
    client.send(parse(sql, name=name) + bind(name=name) + execute() + sync())
    return client.read_result()


@pytest.mark.parametrize("how", ["simple", "unnamed", "named"])
def test_setting_stays_with_its_client_alone(narrow, how):
    for sql, name, value in SET:
        with narrow.client() as one, narrow.client() as other:
            before = show(other, name)
            assert not run(one, sql, how).errors, sql
            for _ in range(2):
                assert show(other, name) in (before, ""), sql
                assert show(one, name) == value, sql


def test_role_never_reaches_the_next_client(narrow, roles):
    with narrow.client() as one, narrow.client() as other:
        one.ask("set role reader")
        for _ in range(3):
            assert other.ask("select current_user") == "app"
            assert one.ask("select current_user") == "reader"
        one.ask("reset role")
        assert one.ask("select current_user") == "app"
        one.ask("set role = 'reader'")
        assert other.ask("select current_user") == "app"
        assert one.ask("select current_user") == "reader"
        for reset, then in (("reset all", "reader"), ("discard all", "app")):
            one.ask("set role reader")
            one.ask(reset)
            assert other.ask("select current_user") == "app", reset
            assert one.ask("select current_user") == then, f"PostgreSQL's {reset}"
        one.ask("set role reader")
        one.ask("set role none")
        assert other.ask("select current_user") == "app"
        assert one.ask("select current_user") == "app"


def test_no_role_is_another_one_than_that_of_the_log_in(narrow, roles):
    """ALTER ROLE ... SET role gives each session one, which RESET ROLE returns to and SET ROLE NONE does not."""
    roles.ask("alter role app set role = 'reader'")
    try:
        narrow.command("RECONNECT")
        with narrow.client() as one, narrow.client() as other:
            for _ in range(2):
                assert other.ask("select current_user") == "reader"
                one.ask("set role none")
                assert other.ask("select current_user") == "reader"
                assert one.ask("select current_user") == "app"
                one.ask("reset role")
                assert one.ask("select current_user") == "reader"
    finally:
        roles.ask("alter role app reset role")
        narrow.command("RECONNECT")


def test_role_outlives_a_reset_query_that_leaves_it(start_pooler, roles):
    """The server has it after RESET ALL, and that is known of it."""
    pooler = start_pooler(default_pool_size=1, server_reset_query="RESET ALL", server_reset_query_always=1)
    with pooler.client() as one, pooler.client() as other:
        for _ in range(2):
            one.ask("set role reader")
            assert other.ask("select current_user") == "app"
            assert one.ask("select current_user") == "reader"


@pytest.mark.parametrize("query", ["RESET ALL; SET SESSION AUTHORIZATION DEFAULT", "RESET ALL; RESET ROLE"])
def test_role_is_set_again_after_a_reset_query_that_takes_it(start_pooler, roles, query):
    pooler = start_pooler(default_pool_size=1, server_reset_query=query, server_reset_query_always=1)
    with pooler.client() as one, pooler.client() as other:
        one.ask("set role reader")
        other.ask("set role reader")
        for _ in range(2):
            assert one.ask("select current_user") == "reader"
            assert other.ask("select current_user") == "reader"


def test_setting_is_made_again_after_a_reset_query_that_takes_it(start_pooler):
    pooler = start_pooler(default_pool_size=1, server_reset_query="RESET work_mem", server_reset_query_always=1)
    with pooler.client() as one:
        one.ask("set work_mem = '3MB'")
        for _ in range(2):
            assert show(one, "work_mem") == "3MB"


def test_role_that_is_gone_ends_the_client_before_its_query_runs(narrow, primary):
    primary.ask("create role fleeting; grant fleeting to app; create table kept (a int);"
                "grant all on kept to app")
    try:
        with narrow.client() as one, narrow.client() as other:
            one.ask("set role fleeting")
            other.ask("select 1")
            primary.ask("drop role fleeting")
            one.send(query("insert into kept values (1)"))
            error = one.read_to_end().error
            assert error.severity == "FATAL" and "fleeting" in error.message
            assert other.ask("select count(*) from kept") == "0"
    finally:
        primary.ask("drop table kept")


def test_settings_below_a_role_are_made_before_it(narrow, roles, primary):
    """What the role may not set is set by the user that may."""
    primary.ask("alter role app superuser")
    try:
        with narrow.client() as one, narrow.client() as other:
            one.ask("set log_min_messages = 'error'")
            one.ask("set role reader")
            assert show(other, "log_min_messages") == "warning"
            assert show(one, "log_min_messages") == "error"
            assert one.ask("select current_user") == "reader"
    finally:
        primary.ask("alter role app nosuperuser")


def test_error_changes_nothing(pair):
    one, other = pair
    assert one.query("set statement_timeout = 'nonsense'").errors
    assert one.query("set app.a = 'x'; select 1/0").errors
    assert show(other, "app.a") in (None, "")
    assert show(one, "app.a") in (None, "")
    assert show(one, "statement_timeout") == "0"


def test_set_local_is_over_with_its_transaction(pair):
    one, other = pair
    one.ask("begin")
    one.ask("set local app.a = 'local'")
    one.ask("select set_config('app.b', 'local', true)")
    assert show(one, "app.a") == "local"
    one.ask("commit")
    for client in (one, other, one):
        assert show(client, "app.a") in (None, "")
        assert show(client, "app.b") in (None, "")


def check_is(pair, value):
    """Both ways, so that the server is changed for each of them."""
    one, other = pair
    assert show(other, "app.a") in (None, "")
    assert show(one, "app.a") == value
    assert show(other, "app.a") in (None, "")


TRANSACTIONS = [
    (["begin", "set app.a = '2'", "commit"], "2"),
    (["begin", "set app.a = '2'", "rollback"], "1"),
    (["begin", "set app.a = '2'", "select 1/0", "commit"], "1"),
    (["begin", "set app.a = '2'", "savepoint s", "set app.a = '3'", "rollback to s", "commit"], "2"),
    (["begin", "savepoint s", "set app.a = '2'", "rollback to s", "commit"], "1"),
    (["begin", "savepoint s", "set app.a = '2'", "release s", "commit"], "2"),
    (["begin", "set app.a = '2'", "savepoint s", "savepoint t", "set app.a = '3'", "release s", "commit"], "3"),
    (
        ["begin", "set app.a = '2'", "savepoint s", "set app.a = '3'", "savepoint s",
         "set app.a = '4'", "rollback to s", "release s", "rollback to s", "commit"],
        "2",
    ),
    (["begin", "set app.a = '2'", "savepoint s", "select 1/0", "rollback to s", "end"], "2"),
    (["begin", "set app.a = '2'", "commit and chain", "set app.a = '3'", "rollback"], "2"),
    (["begin; set app.a = '2'; commit"], "2"),
    (["begin; set app.a = '2'; rollback"], "1"),
    (["set app.a = '2'; begin; set app.a = '3'; rollback"], "1"),
    (["set app.a = '2'; commit; set app.a = '3'; select 1/0"], "2"),
    (["begin", "reset app.a", "rollback"], "1"),
    (["begin", "discard all", "rollback"], "1"),
]  # fmt: skip


@pytest.mark.parametrize("how", ["simple", "unnamed", "named"])
def test_transactions_undo_and_keep(pair, how):
    one, other = pair
    for statements, value in TRANSACTIONS:
        one.ask("set app.a = '1'")
        for sql in statements:
            run(one, sql, "simple" if ";" in sql else how)
        assert show(other, "app.a") in (None, ""), statements
        assert show(one, "app.a") == value, statements


def test_statements_prepared_before_are_followed(pair):
    """As drivers do: BEGIN, SAVEPOINT and ROLLBACK TO are prepared once, long before they matter."""
    one, _ = pair
    one.ask("set app.a = '1'")
    texts = {"b": "begin", "s": "savepoint x", "r": "rollback to x", "c": "commit", "set": "set app.a = '2'"}
    for name, sql in texts.items():
        one.send(parse(sql, name=name) + sync())
        assert not one.read_result().errors
    for name in ("b", "set", "s", "r", "c"):
        one.send(bind(name=name) + execute() + sync())
        assert not one.read_result().errors
    check_is(pair, "2")
    one.ask("set app.a = '3'")
    for name in ("b", "s", "set", "r", "c"):
        one.send(bind(name=name) + execute() + sync())
        assert not one.read_result().errors
    check_is(pair, "3")


def test_pipelined_requests_are_followed_in_their_order(pair):
    one, _ = pair
    one.send(
        query("set app.a = '1'")
        + query("begin; set app.a = '2'")
        + query("savepoint s")
        + query("set app.a = '3'")
        + query("rollback to s")
        + query("commit")
        + query("select current_setting('app.a')")
    )
    results = [one.read_result() for _ in range(7)]
    assert not any(result.errors for result in results)
    assert results[-1].value == "2"
    check_is(pair, "2")


def test_error_in_a_batch_undoes_what_the_batch_has_set(pair):
    one, _ = pair
    one.ask("set app.a = '1'")
    one.send(
        parse("set app.a = '2'") + bind() + execute() + parse("select 1/0") + bind() + execute()
        + parse("set app.a = '3'") + bind() + execute() + sync()
    )  # fmt: skip
    assert one.read_result().errors
    check_is(pair, "1")


def test_reset_all_and_discard_all_give_the_defaults(pair):
    one, other = pair
    for sql in ("reset all", "discard all", "reset app.a", "set app.a to default"):
        one.ask("set app.a = '1'")
        check_is(pair, "1")
        one.ask(sql)
        assert show(other, "app.a") in (None, "")
        assert show(one, "app.a") in (None, ""), sql


def test_message_cut_at_every_byte_is_followed(pair):
    one, _ = pair
    for value in ("1", "2"):
        one.send(query("begin"))
        one.read_result()
        message = query(f"select 1; set app.a = '{value}'")
        for at in range(1, len(message), 4):
            one.send(query("savepoint x") + message[:at])
            one.read_result()
            one.send(message[at:] + query("rollback to x"))
            one.read_result()
            one.read_result()
        one.send_split(message)
        assert not one.read_result().errors
        one.ask("commit")
        check_is(pair, value)


def test_long_value_is_kept(pair):
    one, _ = pair
    value = "x" * 20000
    one.ask(f"set app.a = '{value}'")
    check_is(pair, value)


def test_long_text_with_a_set_in_it_reaches_nobody(pair):
    """Too long to be read as a whole: the server is cleaned, and the client has the default again."""
    one, other = pair
    filler = "y" * 600000
    for sql in (
        f"select '{filler}'; set app.a = 'leak'",
        f"select '{filler}', set_config('app.a', 'leak', false)",
        f"select '{filler}'; do $$ begin set app.a = 'leak'; end $$",
        f"do $$ begin set app.a = 'leak'; perform '{filler}'; end $$",
    ):
        one.ask(sql)
        assert show(other, "app.a") in (None, ""), sql[:10]
    one.ask(f"select '{filler}'; declare leak cursor with hold for select 1")
    assert other.ask(SEEN["cursor"]) == ""


def test_function_that_is_called_by_its_number_reaches_nobody(pair):
    one, other = pair
    one.send(function_call(2078, "app.a", "leak", "f"))  # set_config
    assert not one.read_result().errors
    assert show(other, "app.a") in (None, "")


def test_more_settings_than_are_followed_reach_nobody(pair):
    one, other = pair
    one.ask(";".join(f"set app.a{i} = 'x'" for i in range(200)))
    assert show(other, "app.a1") in (None, "")
    assert show(other, "app.a150") in (None, "")


LEAKS = [
    ("set_config by value", "select set_config('app.a', 'leak' || 1, false)", "app_a"),
    ("a DO block", "do $$ begin perform set_config('app.a', 'leak', false); end $$", "app_a"),
    ("a lock", "select pg_advisory_lock(77)", "lock"),
    ("a lock of a failed query", "select pg_advisory_lock(77), 1/0", "lock"),
    ("a lock in capitals", "do $$ begin perform PG_ADVISORY_LOCK(77); end $$", "lock"),
    ("a lock in attribute notation", "select (77::bigint).pg_advisory_lock", "lock"),
    ("a temporary table", "create temp table leak (a int)", "temp"),
    ("a table that is temporary by its path", "begin; set local search_path = pg_temp, public; create table leak (a int); commit", "temp"),
    ("a path of nothing else", "set search_path = pg_temp; create table leak (a int)", "temp"),
    ("a path of nothing else, in quotes", "begin; set local search_path to \"pg_temp\"; create table leak (a int); commit", "temp"),
    ("select into its own schema", "select 1 as a into pg_temp.leak", "temp"),
    ("select into in parentheses", "(select 1 as a into local temp leak)", "temp"),
    ("select into", "select 1 as a into temp leak", "temp"),
    ("a cursor", "begin; declare leak cursor with hold for select 1; commit", "cursor"),
    ("listen", "listen leak", "listen"),
    ("a prepared set", "set app.a = U&'le\\0061k'", "app_a"),
    ("the view of settings", "update pg_settings set setting = 'leak' where name = 'search_path'", "path"),
]

SEEN = {
    "app_a": "select coalesce(current_setting('app.a', true), '')",
    "path": "select replace(current_setting('search_path'), '\"$user\", public', '')",
    "lock": "select coalesce(string_agg(pid::text, ''), '') from pg_locks"
    " where locktype = 'advisory' and pid = pg_backend_pid()",
    "temp": "select coalesce(to_regclass('pg_temp.leak')::text, '')",
    "cursor": "select coalesce(string_agg(name, ''), '') from pg_cursors where name = 'leak'",
    "listen": "select coalesce(string_agg(c, ''), '') from pg_listening_channels() c",
}


def test_what_cannot_be_taken_along_is_cleaned_and_said(narrow):
    with narrow.client() as other:
        process = other.ask("select pg_backend_pid()")
        for number, (what, sql, seen) in enumerate(LEAKS, 1):
            with narrow.client() as one:
                for _ in range(2):
                    one.query(sql)
                    assert other.ask(SEEN[seen]) == "", what
            lines = narrow.log().count("does not outlive a transaction")
            assert lines == number, f"{what}: said once for each client"
        assert other.ask("select pg_backend_pid()") == process, "cleaned, not closed"


def test_what_was_prepared_reaches_nobody_when_it_is_executed(pair):
    one, other = pair
    one.query("prepare s as select set_config('app.a', 'leak', false)")
    one.query("prepare l as select pg_advisory_lock(77)")
    for run in (
        query("execute s"),
        query("explain analyze execute s"),
        bind((), "s") + execute() + sync(),
        query("execute l"),
        bind((), "l") + execute() + sync(),
    ):
        one.send(run)
        assert not one.read_result().errors
        assert show(other, "app.a") in (None, "") and other.ask(SEEN["lock"]) == ""


def test_lock_of_a_prepared_statement_that_fails_reaches_nobody(pair):
    one, other = pair
    one.query("prepare f as select pg_advisory_lock(77), 1 / (pg_backend_pid() * $1::int)")
    for run in (query("execute f(0)"), query("explain analyze execute f(0)")):
        one.send(run)
        assert one.read_result().error.code == "22012"
        assert other.ask(SEEN["lock"]) == ""


def test_temporary_table_of_one_transaction_is_no_matter(narrow):
    with narrow.client() as one:
        one.ask("begin; create temp table t (a int) on commit drop; commit")
        one.ask("begin; select pg_advisory_xact_lock(1); commit")
        one.ask("begin; declare c cursor for select 1; commit")
    assert "does not outlive" not in narrow.log()


def test_connect_query_is_run_again_after_all_was_discarded(start_pooler, primary):
    setup = "connect_query='set app.a = from_connect_query'"
    where = f"host=127.0.0.1 port={primary.port} {setup}"
    pooler = start_pooler(databases={"app": where}, default_pool_size=1)
    with pooler.client() as one, pooler.client() as other:
        assert show(other, "app.a") == "from_connect_query"
        one.ask("listen x")
        assert show(other, "app.a") == "from_connect_query"


def test_client_that_vanishes_with_a_set_under_way_leaves_nothing(narrow, primary):
    for message in (
        query("set app.a = 'leak'; select pg_sleep(0.3)"),
        request("set app.a = 'leak'"),
        query("begin; set app.a = 'leak'"),
        parse("set app.a = 'leak'") + bind() + execute() + flush(),
    ):
        one = narrow.client()
        one.send(message)
        one.vanish()
        with narrow.client() as other:
            assert show(other, "app.a") in (None, "")


def test_session_mode_follows_nothing_and_resets(start_pooler):
    pooler = start_pooler(default_pool_size=1, pool_mode="session")
    with pooler.client() as one:
        one.ask("set app.a = 'x'")
        one.ask("listen y")
        assert show(one, "app.a") == "x"
    with pooler.client() as other:
        assert show(other, "app.a") == ""
    assert "does not outlive" not in pooler.log()


def test_statement_mode_keeps_settings_too(start_pooler):
    pooler = start_pooler(default_pool_size=1, pool_mode="statement")
    with pooler.client() as one, pooler.client() as other:
        one.ask("set app.a = '1'")
        check_is((one, other), "1")


def test_servers_of_one_pool_all_suit(start_pooler, primary):
    """Several servers and clients at once: each query runs with its client's value."""
    pooler = start_pooler(default_pool_size=3)
    clients = [pooler.client() for _ in range(8)]
    for number, client in enumerate(clients):
        client.ask(f"set app.a = '{number}'")
    for _ in range(20):
        for client in clients:
            client.send(query("select current_setting('app.a', true) from pg_sleep(0.002)"))
        for number, client in enumerate(clients):
            assert client.read_result().value == str(number)
    for client in clients:
        client.close()
