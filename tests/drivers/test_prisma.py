"""Prisma 7 with its driver adapter, with the option that its manual recommends for poolers and without."""

import os
import subprocess

import pytest

from programs import node_of, npm_packages, run

TABLES = """
create table "Author" (id serial primary key, name text not null unique);
create table "Post" (
    id serial primary key, title text not null, views int not null default 0,
    written timestamp(3) not null default current_timestamp, extra jsonb,
    "authorId" int not null references "Author" (id));
grant all on all tables in schema public to app;
grant all on all sequences in schema public to app;
"""


@pytest.fixture(scope="module")
def node():
    return node_of((20, 19))


@pytest.fixture(scope="module")
def folder(node):
    """With the client that Prisma generates from the schema. Its engine for migrations is not fetched and not used."""
    folder = npm_packages("prisma")
    without = {"PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true", "CHECKPOINT_DISABLE": "1", "PRISMA_HIDE_UPDATE_MESSAGE": "1"}
    done = subprocess.run(
        [node, "node_modules/prisma/build/index.js", "generate"],
        cwd=folder,
        env={**os.environ, **without},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def tables(primary):
    primary.ask(TABLES)
    yield
    primary.ask('drop table "Post", "Author"')


@pytest.mark.parametrize("option", ["", "?pgbouncer=true"])
def test_prisma(place, tables, node, folder, option):
    command = [node, "driver.mjs", place.url + option]
    if place.secure:
        command.append("--tls")
    assert run(command, cwd=folder) == "ok 5\n"
