"""libpqxx, PostgreSQL's library for C++."""

import os

from programs import run


def test_libpqxx(place):
    assert run([os.environ["LIBPQXX_DRIVER"], place.dsn]) == "ok 12\n"
