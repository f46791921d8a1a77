"""Assertions that the integration tests share."""

import contextlib
import socket
import time

import pytest

from pooler import IS_PGBOUNCER
from wire import ConnectionClosed, ServerError, wait_until

pgweir_only = pytest.mark.skipif(IS_PGBOUNCER, reason="PgBouncer does otherwise")


def check_error(error, sqlstate=None, text=None, severity=None):
    """The error is this one. PgBouncer has one SQLSTATE for everything, so it is compared with pgweir only."""
    assert error is not None, "no error"
    if text is not None:
        assert text in error.message, f"{error.message!r} does not say {text!r}"
    if severity is not None:
        assert error.severity == severity, f"{error}"
    if sqlstate is not None and not IS_PGBOUNCER:
        assert error.code == sqlstate, f"{error} should be {sqlstate}"


@contextlib.contextmanager
def refused(sqlstate=None, text=None):
    """The block ends in a FATAL error of the pooler's (or is a PostgreSQL error that is passed on)."""
    with pytest.raises(ServerError) as caught:
        yield caught
    check_error(caught.value, sqlstate, text, "FATAL")


def closed_with(wire, sqlstate=None, text=None, timeout=30):
    """The other side says why and closes."""
    result = wire.read_to_end(timeout)
    check_error(result.error, sqlstate, text, "FATAL")
    return result


def is_closed(wire, timeout=30):
    """The other side closes, with or without a word. A timeout is a failure."""
    try:
        wire.read_to_end(timeout)
    except ConnectionClosed:
        pass
    return True


def accepts(path):
    """Somebody listens there. The file alone is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def works(pooler, **who):
    """Somebody else gets an answer."""
    with pooler.client(**who) as other:
        assert other.ask("select 6 * 7") == "42"


PASS = "pg_advisory_xact_lock_shared(42)"


@contextlib.contextmanager
def gate(primary):
    """A query of PASS runs until the block ends, however slow the machine is."""
    with primary.connect() as keeper:
        keeper.execute("select pg_advisory_lock(42)")
        yield


def nothing_is_open(primary):
    """No transaction is left open at the server. One that is being rolled back just now may be."""
    wait_until(
        lambda: primary.backends("state like 'idle in transaction%'") == 0, "no open transaction"
    )


class Stopwatch:
    def __init__(self):
        self.begin = time.monotonic()

    @property
    def elapsed(self):
        return time.monotonic() - self.begin
