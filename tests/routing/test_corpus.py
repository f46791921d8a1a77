"""The corpus of statements: what the classifier says of each, and what PostgreSQL does with it.

Every statement of corpus/*.sql runs on a primary and on its standby, in a transaction that is rolled back. It is
truly a read if both do the same and answer the same, and if the primary has not changed anything: no transaction
number given out, no sequence moved, no lock, cursor, setting or subscription left in the session. A statement
that both refuse alike says nothing, and is not counted.

A paragraph is one statement. Lines that begin with `--:` say something of it:
  --: varies            its answer is another one each time it is asked: only its form is compared
  --: alone             cannot run in a transaction block
  --: state             touches state of the session that cannot be looked at from outside
  --: args 1|x          values of its parameters, as text
  --: role NAME         who asks (postgres, if not said)
  --: path a, b         with this search_path
  --: because REASON    the verdict is no read, and this is why
"""

import collections
import glob
import os
import subprocess
import time

import psycopg
import pytest
from psycopg import pq

from postgres import Cluster

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSIFY = os.environ["CLASSIFY"]
LEAST_STATEMENTS = 500
LEAST_RECALL = 0.9

OK = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY)

# What a session holds, and what a statement may have moved: equal before and after a read.
STATE = """
select (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'),
       (select count(*) from pg_locks where pid = pg_backend_pid()
            and locktype = 'relation' and mode not in ('AccessShareLock')),
       (select count(*) from pg_prepared_statements),
       (select count(*) from pg_listening_channels()),
       (select count(*) from pg_cursors where is_holdable),
       (select md5(string_agg(name || '=' || setting, ',' order by name)) from pg_settings
            where name <> 'transaction_read_only' and name not like '%.%'),
       current_setting('app.tenant', true), current_setting('app.other', true)
"""
MOVED = """
select pg_current_xact_id_if_assigned(),
       (select string_agg(schemaname || sequencename || coalesce(last_value, -1), ',')
            from (select * from pg_sequences order by 1, 2) s)
"""


class Statement:
    def __init__(self, where, text, options):
        self.where = where
        self.text = text
        self.varies = "varies" in options
        self.alone = "alone" in options
        self.state = "state" in options
        self.role = options.get("role", "postgres")
        self.path = options.get("path", "")
        self.because = options.get("because")
        self.args = options["args"].split("|") if "args" in options else None
        self.verdict = None
        self.truth = None
        self.why = ""

    def __str__(self):
        return f"{self.where}: {' '.join(self.text.split())[:110]}"


def read_corpus():
    statements = []
    for path in sorted(glob.glob(f"{HERE}/corpus/*.sql")):
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n") + [""]
        begin, options = 0, {}
        body = []
        for number, line in enumerate(lines, 1):
            if line.startswith("--:"):
                word, _, value = line[3:].strip().partition(" ")
                options[word] = value
            elif line.strip():
                begin = begin or number
                body.append(line)
            elif any(not text.startswith("--") for text in body):
                where = f"{os.path.basename(path)}:{begin}"
                statements.append(Statement(where, "\n".join(body), options))
                begin, options, body = 0, {}, []
            else:
                begin, body = 0, []
    return statements


class Session:
    """One connection to one of the servers."""

    def __init__(self, server, role):
        self.connection = psycopg.connect(host=server.folder, port=server.port, dbname="app", user=role, autocommit=True)
        self.pgconn = self.connection.pgconn

    def run(self, text, args=None):
        """(SQLSTATE or nothing, what came back)."""
        if args is None:
            result = self.pgconn.exec_(text.encode())
        else:
            result = self.pgconn.exec_params(text.encode(), [a.encode() for a in args])
        if result.status == pq.ExecStatus.COPY_OUT:
            return self.copy_out()
        if result.status == pq.ExecStatus.COPY_IN:
            self.pgconn.put_copy_end()
            result = self.pgconn.get_result()
            while self.pgconn.get_result() is not None:
                pass
        if result.status not in OK:
            return (result.error_field(pq.DiagnosticField.SQLSTATE) or b"?????").decode(), None
        rows = [
            tuple(result.get_value(row, column) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]
        return None, (result.nfields, rows)

    def copy_out(self):
        rows = []
        while True:
            size, data = self.pgconn.get_copy_data(0)
            if size < 0:
                break
            rows.append((bytes(data),))
        result = self.pgconn.get_result()
        while self.pgconn.get_result() is not None:
            pass
        if result.status not in OK:
            return result.error_field(pq.DiagnosticField.SQLSTATE).decode(), None
        return None, (1, rows)

    def must(self, text):
        error, rows = self.run(text)
        assert error is None, f"{text}: {error}"
        return rows

    def try_out(self, statement, is_primary):
        """(SQLSTATE or nothing, answer, what it changed or nothing)."""
        if statement.path:
            self.must(f"set search_path = {statement.path}")
        if not statement.alone:
            self.must("begin")
        moved = self.must(MOVED) if is_primary else None  # locks sequences, so it comes first
        state = self.must(STATE)
        error, answer = self.run(statement.text, statement.args)
        changed = None
        if error is None and self.pgconn.transaction_status != pq.TransactionStatus.INERROR:
            now = self.must(STATE)
            if now != state:
                changed = f"changes its session from {state[1][0]} to {now[1][0]}"
            elif is_primary and self.must(MOVED) != moved:
                changed = "changes data"
        self.run("rollback")
        self.must("discard all")
        return error, answer, changed


def find_truth(statement, primary, standby):
    """Whether it is a read (None: PostgreSQL refuses it everywhere), and why not."""
    if statement.state:
        return False, "touches its session"
    error, answer, changed = standby.try_out(statement, False)
    if statement.alone and error is not None:
        return False, f"refused: {error}"
    other_error, other_answer, other_changed = primary.try_out(statement, True)
    if error is not None and error == other_error:
        return None, error
    if error is not None:
        return False, f"refused: {error}"
    if other_error is not None:
        return False, f"the primary refuses it: {other_error}"
    if changed or other_changed:
        return False, other_changed or changed
    if statement.varies:
        return (answer[0], len(answer[1])) == (other_answer[0], len(other_answer[1])), "another form"
    return answer == other_answer, "answers differ"


def wait_for_replay(primary, standby):
    lsn = primary.ask("select pg_current_wal_lsn()")
    while not standby.ask(f"select pg_last_wal_replay_lsn() >= '{lsn}'"):
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pair():
    cluster = Cluster()
    try:
        with cluster.primary.connect() as connection:
            for name in sorted(glob.glob(f"{HERE}/schema/*.sql")):
                with open(name, encoding="utf-8") as file:
                    connection.execute(file.read())
        wait_for_replay(cluster.primary, cluster.standby)
        yield cluster
    finally:
        cluster.stop()


def classify(server, *options, data=b""):
    conninfo = f"host={server.folder} port={server.port} dbname=app user=watcher"
    done = subprocess.run([CLASSIFY, *options, conninfo], input=data, stdout=subprocess.PIPE, timeout=120)
    assert done.returncode == 0
    return done.stdout.decode().split()


def judge_all(statements, server):
    fields = [field for s in statements for field in (s.role, s.path, s.text)]
    verdicts = classify(server, data=b"".join(field.encode() + b"\0" for field in fields))
    assert len(verdicts) == len(statements)
    for statement, verdict in zip(statements, verdicts):
        statement.verdict = verdict


def find_truths(statements, pair):
    sessions = {}
    for one in statements:
        if one.role not in sessions:
            sessions[one.role] = Session(pair.primary, one.role), Session(pair.standby, one.role)
        one.truth, one.why = find_truth(one, *sessions[one.role])


def is_read(statement):
    return statement.verdict in ("read", "harmless")


class Report:
    def __init__(self, statements):
        self.counted = [s for s in statements if s.truth is not None]
        self.uncounted = [s for s in statements if s.truth is None]
        self.reads = [s for s in self.counted if s.truth]
        self.found = [s for s in self.reads if is_read(s)]
        self.missed = [s for s in self.reads if not is_read(s)]
        wrong = [s for s in self.counted if is_read(s) and not s.truth]
        self.repairable = [s for s in wrong if s.why.startswith("refused")]
        self.silent = [s for s in wrong if not s.why.startswith("refused")]
        self.precision = len(self.found) / max(1, len(self.found) + len(wrong))
        self.recall = len(self.found) / max(1, len(self.reads))
        self.other_reason = [s for s in statements if s.because and s.verdict != s.because]

    def lines(self):
        yield f"statements {len(self.counted) + len(self.uncounted)}, refused everywhere {len(self.uncounted)}"
        yield f"reads {len(self.reads)}, found {len(self.found)}"
        yield f"precision of \"read\" {self.precision:.4f}, recall {self.recall:.4f}"
        yield "verdicts: truly reads / not"
        table = collections.Counter((s.verdict, s.truth) for s in self.counted)
        for verdict in sorted({s.verdict for s in self.counted}):
            yield f"  {verdict:15} {table[verdict, True]:4} / {table[verdict, False]:4}"
        for title, which in (
            ("WRONG and silent", self.silent),
            ("wrong, and repaired", self.repairable),
            ("missed", self.missed),
            ("another reason than said", self.other_reason),
            ("refused everywhere", self.uncounted),
        ):
            yield f"{title}: {len(which)}"
            for s in which:
                yield f"  [{s.verdict}] {s.why if s.truth is not True else ''} {s}"


def test_the_catalogue_is_read_alike_on_primary_and_standby(pair):
    assert classify(pair.primary, "--digest") == classify(pair.standby, "--digest")


def test_verdicts_are_what_postgres_does(pair):
    statements = read_corpus()
    judge_all(statements, pair.primary)
    find_truths(statements, pair)
    report = Report(statements)
    text = "\n".join(report.lines())
    print("\n" + text)
    if "REPORT" in os.environ:
        with open(os.environ["REPORT"], "w", encoding="utf-8") as file:
            file.write(text + "\n")
    assert not report.silent
    assert not report.repairable
    assert not report.other_reason
    assert report.recall >= LEAST_RECALL
    assert len(statements) >= LEAST_STATEMENTS
