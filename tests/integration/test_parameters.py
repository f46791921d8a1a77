"""Settings that a client asks for when it logs in, and those that servers report."""

import pytest

from harness import closed_with, pgweir_only, refused
from wire import query

pytestmark = pgweir_only


@pytest.fixture
def narrow(start_pooler):
    return start_pooler(default_pool_size=1)


def show(client, name):
    return client.ask(f"select current_setting('{name}', true)")


OPTIONS = [
    ("-c statement_timeout=5s", "statement_timeout", "5s"),
    ("-cwork_mem=3MB", "work_mem", "3MB"),
    ("--lock-timeout=2s", "lock_timeout", "2s"),
    ("-c app.tenant=a\\ b", "app.tenant", "a b"),
    ("-c search_path=a,b", "search_path", "a,b"),
    ("-c geqo=off -c Enable_SeqScan=off", "enable_seqscan", "off"),
]


def test_options_stay_with_their_client(narrow):
    for options, name, value in OPTIONS:
        with narrow.client(parameters={"options": options}) as one, narrow.client() as other:
            for _ in range(2):
                assert show(one, name) == value
                assert show(other, name) != value


def test_startup_parameters_stay_with_their_client(narrow):
    """JDBC and lib/pq send this one always."""
    with narrow.client(parameters={"extra_float_digits": "3"}) as one, narrow.client() as other:
        for _ in range(2):
            assert show(one, "extra_float_digits") == "3"
            assert show(other, "extra_float_digits") == "1"


def test_what_was_asked_for_at_log_in_is_the_default(narrow):
    with narrow.client(parameters={"options": "-c app.a=start"}) as one, narrow.client() as other:
        for sql in ("reset app.a", "reset all", "set app.a to default", "discard all"):
            one.ask("set app.a = 'other'")
            assert show(one, "app.a") == "other"
            one.ask(sql)
            assert show(other, "app.a") in (None, "")
            assert show(one, "app.a") == "start", sql


def test_unknown_setting_is_refused_at_log_in(narrow):
    with refused("08P01", "unsupported startup parameter in options: no_such_thing"):
        narrow.client(parameters={"options": "-c no_such_thing=1"})
    with refused("08P01", "unsupported startup parameter: no_such_thing"):
        narrow.client(parameters={"no_such_thing": "1"})


def test_ignored_settings_are_ignored(start_pooler):
    pooler = start_pooler(default_pool_size=1, ignore_startup_parameters="options, extra_float_digits")
    parameters = {"options": "-c work_mem=3MB -c datestyle=German", "extra_float_digits": "0"}
    with pooler.client(parameters=parameters) as one:
        assert show(one, "work_mem") == "4MB"
        assert show(one, "extra_float_digits") == "1"
        assert show(one, "datestyle").startswith("German"), "what is tracked counts"


def test_impossible_value_is_an_error_that_says_so(narrow):
    one = narrow.client(parameters={"options": "-c statement_timeout=never"})
    one.send(query("select 1"))
    closed_with(one, "22023", "statement_timeout")
    with narrow.client() as other:
        assert other.ask("select 1") == "1"


def test_setting_named_by_track_extra_parameters_is_kept(start_pooler):
    pooler = start_pooler(default_pool_size=1, track_extra_parameters="IntervalStyle, no_such.thing")
    with pooler.client(parameters={"no_such.thing": "x"}) as one, pooler.client() as other:
        assert show(one, "no_such.thing") == "x"
        assert show(other, "no_such.thing") in (None, "")
        one.ask("set no_such.thing = 'y'")
        assert show(other, "no_such.thing") in (None, "")
        assert show(one, "no_such.thing") == "y"


def test_rollback_undoes_reported_settings_too(narrow):
    with narrow.client() as one, narrow.client() as other:
        one.ask("set timezone = 'CET'")
        one.ask("begin")
        one.ask("set timezone = 'UTC'")
        one.ask("rollback")
        assert show(other, "timezone") != "CET"
        assert show(one, "timezone") == "CET"


def test_value_in_another_encoding_than_the_servers(narrow):
    with narrow.client() as one, narrow.client(parameters={"client_encoding": "LATIN1"}) as other:
        one.ask("set app.a = 'gr\u00fcn'")
        other.ask("select 1")
        assert show(one, "app.a") == "gr\u00fcn"
        assert show(other, "app.a") in (None, "")
