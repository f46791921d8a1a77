"""pgbench in each of its modes; its own bookkeeping must add up."""

import re
import subprocess

import pytest

from pooler import seconds


def pgbench(pooler, *arguments):
    done = subprocess.run(
        ["pgbench", *arguments, pooler.dsn()],
        capture_output=True,
        text=True,
        timeout=seconds(60),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def tables(start_pooler, primary):
    """pgbench's tables, made through the pooler."""
    pgbench(start_pooler(), "-i", "-q")
    yield primary
    primary.ask("drop table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")


def check(done, primary):
    assert "number of failed transactions: 0" in done.stdout, done.stdout
    processed = int(re.search(r"actually processed: (\d+)", done.stdout).group(1))
    assert processed > 20
    assert "ERROR" not in done.stderr and "FATAL" not in done.stderr, done.stderr
    sums = {
        primary.ask("select coalesce(sum(abalance), 0) from pgbench_accounts"),
        primary.ask("select coalesce(sum(bbalance), 0) from pgbench_branches"),
        primary.ask("select coalesce(sum(tbalance), 0) from pgbench_tellers"),
        primary.ask("select coalesce(sum(delta), 0) from pgbench_history"),
    }
    assert len(sums) == 1, sums
    return processed


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_tpcb_in_transaction_mode(start_pooler, tables, protocol):
    pooler = start_pooler(default_pool_size=5)
    processed = check(pgbench(pooler, "-n", "-M", protocol, "-c", "30", "-j", "2", "-T", "2"), tables)
    assert tables.ask("select count(*) from pgbench_history") == processed
    assert pooler.servers() <= 5


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_tpcb_in_session_mode(start_pooler, tables, protocol):
    pooler = start_pooler(pool_mode="session", default_pool_size=10)
    check(pgbench(pooler, "-n", "-M", protocol, "-c", "10", "-j", "2", "-T", "2"), tables)


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_select_only(start_pooler, tables, protocol):
    pooler = start_pooler(default_pool_size=5)
    check(pgbench(pooler, "-n", "-S", "-M", protocol, "-c", "50", "-j", "2", "-T", "2"), tables)


@pytest.mark.parametrize("method", ["trust", "scram-sha-256"])
def test_connect_for_each_transaction(start_pooler, tables, method):
    pooler = start_pooler(default_pool_size=5, auth_type=method)
    check(pgbench(pooler, "-n", "-S", "-C", "-c", "10", "-T", "2"), tables)


def test_pipelines(start_pooler, tables, tmp_path):
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\n" + "select 1;\n" * 10 + "\\endpipeline\n")
    pooler = start_pooler(default_pool_size=2)
    check(pgbench(pooler, "-n", "-f", str(script), "-M", "extended", "-c", "10", "-T", "2"), tables)
