"""libpq in pipeline mode, from C++."""

import os

from programs import run

PROGRAM = os.environ.get("LIBPQ_PIPELINE", "libpq_pipeline")


def test_pipeline_mode(place):
    place.server.ask("create table copied (a int); grant all on copied to app")
    for _ in range(3):
        assert run([PROGRAM, place.dsn]) == "ok\n"
    place.server.ask("drop table copied")
