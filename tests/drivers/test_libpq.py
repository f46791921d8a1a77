"""libpq in pipeline mode, from C++."""

import os
import subprocess

import pytest

from pooler import seconds

PROGRAM = os.environ.get("LIBPQ_PIPELINE", "libpq_pipeline")


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_pipeline_mode(start_pooler, primary, mode):
    primary.ask("create table if not exists copied (a int); grant all on copied to app")
    pooler = start_pooler(pool_mode=mode, auth_type="md5", default_pool_size=1)
    for _ in range(3):
        done = subprocess.run(
            [PROGRAM, pooler.dsn()],
            capture_output=True,
            text=True,
            timeout=seconds(30),
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    primary.ask("drop table copied")
