"""What every test in Python gets: one PostgreSQL for the run, and poolers that are checked at their end."""

import shutil

import pytest

from managed import Managed
from pooler import Pooler, allow_many_files, refusal_of_engine
from postgres import Cluster, Replicas

allow_many_files()

SKIPPED = 77  # what CMakeLists.txt gives as SKIP_RETURN_CODE


def pytest_sessionstart(session):
    """A hook: nothing is run with an engine that is not to be had here."""
    refusal = refusal_of_engine()
    if refusal:
        pytest.exit(refusal, SKIPPED)


@pytest.fixture(scope="session")
def cluster():
    pair = Cluster()
    yield pair
    pair.stop()


@pytest.fixture(scope="session")
def replicas_template():
    folder = Replicas.make_template()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def replicas(replicas_template):
    """A primary of the test's own; replicas.add() adds standbys."""
    made = Replicas(replicas_template)
    yield made
    made.stop()


@pytest.fixture
def primary(cluster):
    """The primary, without connections left over from the test before."""
    if not cluster.primary.running:
        cluster.primary.start()
    return cluster.primary


@pytest.fixture
def start_pooler(primary):
    """start_pooler(databases=…, users=…, **settings): a running pooler, ended and checked after the test."""
    running = []

    def start(databases=None, users=None, passwords=None, server=primary, **settings):
        one = Pooler(server, settings, databases, users, passwords)
        running.append(one)
        return one.start()

    yield start
    failures = []
    for one in reversed(running):
        try:
            one.stop()
        except Exception as failure:  # every one of them is stopped, then the first failure counts
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def pooler(start_pooler):
    """A pooler with the harness's defaults: transaction mode, trust, five servers a pool."""
    return start_pooler()


@pytest.fixture
def make():
    """make(standbys=…, settings=…, pooler=True): a cluster that runs, gone after the test."""
    made = []

    def one(standbys=1, settings=None, pooler=True, routing="off"):
        managed = Managed(standbys, settings)
        managed.settings["pooler"]["routing"] = routing
        managed.write()
        made.append(managed)
        managed.make()
        return managed.start_pooler() if pooler else managed

    yield one
    for managed in made:
        managed.remove()
