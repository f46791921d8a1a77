"""Go's lib/pq and pgx."""

import os
import subprocess

import pytest

from pooler import seconds
from programs import HERE, run

ENVIRONMENT = {
    **os.environ,
    "GO111MODULE": "off",  # Debian's packages, and no network
    "GOPATH": "/usr/share/gocode",
    "GOFLAGS": "",
    "CGO_ENABLED": "0",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """built(name): the path of the program."""
    folder = tmp_path_factory.mktemp("go")
    environment = {**ENVIRONMENT, "GOCACHE": f"{folder}/cache", "HOME": str(folder)}
    programs = {}

    def build(name):
        if name not in programs:
            path = f"{folder}/{name}"
            command = ["go", "build", "-o", path, f"{HERE}/go/{name}/main.go"]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=seconds(300)
            )
            assert done.returncode == 0, done.stderr
            programs[name] = path
        return programs[name]

    return build


def test_lib_pq(place, built):
    dsn = f"host=127.0.0.1 port={place.port} dbname=app user=app password='{place.password}' sslmode={place.sslmode}"
    assert run([built("libpq"), dsn]) == "ok 10\n"


def test_pgx(place, built):
    dsn = f"host=127.0.0.1 port={place.port} dbname=app user=app password='{place.password}' sslmode={place.sslmode}"
    assert run([built("pgx"), dsn]) == "ok 11\n"
