"""pgbench in each of its modes; its own bookkeeping must add up."""

import re
import subprocess

import pytest

from pooler import seconds


def pgbench(place, *arguments):
    done = subprocess.run(
        ["pgbench", *arguments, place.dsn],
        capture_output=True,
        text=True,
        timeout=seconds(60),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def tables(place):
    """pgbench's tables, made through the pooler."""
    pgbench(place, "-i", "-q")
    yield place.server
    place.server.ask("drop table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")


def check(done, primary, wanted):
    assert "number of failed transactions: 0" in done.stdout, done.stdout
    assert re.search(rf"actually processed: {wanted}/{wanted}$", done.stdout, re.MULTILINE), done.stdout
    assert "ERROR" not in done.stderr and "FATAL" not in done.stderr, done.stderr
    sums = {
        primary.ask("select coalesce(sum(abalance), 0) from pgbench_accounts"),
        primary.ask("select coalesce(sum(bbalance), 0) from pgbench_branches"),
        primary.ask("select coalesce(sum(tbalance), 0) from pgbench_tellers"),
        primary.ask("select coalesce(sum(delta), 0) from pgbench_history"),
    }
    assert len(sums) == 1, sums


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_tpcb(place, tables, protocol):
    # A thread for each: pgbench waits for Parse without looking after its other clients, which hold the servers.
    check(pgbench(place, "-n", "-M", protocol, "-c", "30", "-j", "30", "-t", "20"), tables, 600)
    assert tables.ask("select count(*) from pgbench_history") == 600


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_select_only(place, tables, protocol):
    check(pgbench(place, "-n", "-S", "-M", protocol, "-c", "50", "-j", "2", "-t", "40"), tables, 2000)


def test_connect_for_each_transaction(place, tables):
    check(pgbench(place, "-n", "-S", "-C", "-c", "10", "-t", "10"), tables, 100)


@pytest.mark.parametrize("protocol", ["extended", "prepared"])
def test_pipelines(place, tables, tmp_path, protocol):
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\n" + "select 1;\n" * 10 + "\\endpipeline\n")
    check(pgbench(place, "-n", "-f", str(script), "-M", protocol, "-c", "10", "-t", "20"), tables, 200)
