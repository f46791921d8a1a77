"""psql, as people use it."""

import subprocess

import pytest


@pytest.fixture
def psql(place):

    def run(*arguments, stdin="", check=True):
        done = subprocess.run(
            ["psql", "-XAtq", place.dsn, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def test_command_and_script(psql):
    assert psql("-c", "select 6 * 7").stdout == "42\n"
    assert psql(stdin="select 1;\nselect 2;\nbegin;\nselect 3;\ncommit;\n").stdout == "1\n2\n3\n"
    assert psql("-1", "-c", "select 1", "-c", "select 2").stdout == "1\n2\n"


def test_errors_are_shown_with_their_place(psql):
    done = psql("-v", "ON_ERROR_STOP=1", "-c", "select 1 +* 2", check=False)
    assert done.returncode == 1
    assert "operator does not exist" in done.stderr and "LINE 1" in done.stderr


def test_copy_in_and_out(psql):
    script = "\n".join(
        [
            "create table copied (a int, b text);",
            "\\copy copied from stdin",
            *(f"{at}\ttext {at}" for at in range(1000)),
            "\\.",
            "\\copy (select count(*), sum(a) from copied) to stdout",
            "drop table copied;",
        ]
    )
    assert psql(stdin=script + "\n").stdout == "1000\t499500\n"


def test_backslash_commands(psql):
    psql("-c", "\\d", "-c", "\\l", "-c", "\\du", "-c", "\\dt pg_catalog.*")
    assert psql(stdin="select 1::int4 as a \\gdesc\n").stdout == "a|integer\n"
    assert psql(stdin="select 1 as a, 2 as b \\gset\nselect :a + :b;\n").stdout == "3\n"


def test_cursor_fetches(psql):
    script = "\\set FETCH_COUNT 7\nselect generate_series(1, 100);\n"
    assert len(psql(stdin=script).stdout.split()) == 100


def test_environment_options_and_encoding(psql):
    assert psql("-c", "select 'äöü€'").stdout == "äöü€\n"
    assert psql(stdin="\\encoding LATIN1\n\\encoding\n").stdout == "LATIN1\n"


def test_large_result(psql):
    assert len(psql("-c", "select repeat('x', 1000) from generate_series(1, 20000)").stdout) == 20_020_000
