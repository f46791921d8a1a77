"""psycopg 3: plain, pipelines, COPY, many tasks at once."""

import asyncio

import psycopg
import pytest
from psycopg import sql


def connect(place, **options):
    options.setdefault("prepare_threshold", 1)  # what is run twice is a named statement
    return psycopg.connect(place.dsn, **options)


def test_values_of_many_types(place):
    with connect(place) as connection:
        row = connection.execute(
            "select %s::int, %s::text, %s::float8, %s::bytea, %s::int[], %s::jsonb",
            [1, "ü", 1.5, b"\0\xff", [1, None, 3], psycopg.types.json.Jsonb({"a": [1]})],
        ).fetchone()
        assert row == (1, "ü", 1.5, b"\0\xff", [1, None, 3], {"a": [1]})


def test_binary_cursor(place):
    with connect(place) as connection:
        cursor = connection.cursor(binary=True)
        assert cursor.execute("select %b::int8, now() is not null", [2**40]).fetchone() == (2**40, True)


def test_transactions_and_savepoints(place):
    with connect(place) as connection:
        with connection.transaction():
            connection.execute("create table things (a int)")
            with pytest.raises(psycopg.errors.DivisionByZero):
                with connection.transaction():
                    connection.execute("insert into things values (1)")
                    connection.execute("select 1/0")
            connection.execute("insert into things values (2)")
        assert connection.execute("select a from things").fetchall() == [(2,)]
        connection.execute("drop table things")


def test_errors_keep_their_class(place):
    with connect(place, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("select * from nowhere")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("select %s::int", ["x"])
        assert connection.execute("select 1").fetchone() == (1,)


def test_pipeline(place):
    with connect(place, autocommit=True) as connection:
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("select %s::int", [at]) for at in range(100)]
            pipeline.sync()
            more = [connection.execute("select %s::int", [at]) for at in range(100)]
        assert [cursor.fetchone()[0] for cursor in cursors + more] == list(range(100)) * 2


def test_pipeline_with_an_error(place):
    with connect(place, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            with connection.pipeline():
                connection.execute("select 1")
                connection.execute("select 1 / %s::int", [0])
                connection.execute("select 3")
        assert connection.execute("select 4").fetchone() == (4,)


def test_executemany(place):
    with connect(place) as connection:
        connection.execute("create table many (a int, b text)")
        with connection.cursor() as cursor:
            cursor.executemany("insert into many values (%s, %s)", [(at, "x") for at in range(1000)])
        assert connection.execute("select count(*), sum(a) from many").fetchone() == (1000, 499500)
        connection.rollback()


def test_copy(place):
    with connect(place) as connection:
        connection.execute("create table copied (a int, b text)")
        cursor = connection.cursor()
        with cursor.copy("copy copied from stdin") as copy:
            for at in range(5000):
                copy.write_row((at, f"text {at}"))
        with cursor.copy("copy copied to stdout") as copy:
            assert sum(1 for _ in copy.rows()) == 5000
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            with cursor.copy("copy copied from stdin") as copy:
                copy.write("no number\ttext\n")
        connection.rollback()


def test_copy_that_the_client_breaks_off(place):
    with connect(place) as connection:
        connection.execute("create table broken (a int)")
        connection.commit()
        with pytest.raises((ZeroDivisionError, psycopg.errors.QueryCanceled)):
            with connection.cursor().copy("copy broken from stdin") as copy:
                copy.write_row((1,))
                raise ZeroDivisionError
        connection.rollback()
        assert connection.execute("select count(*) from broken").fetchone() == (0,)
        connection.execute("drop table broken")


def test_server_side_cursor(place):
    with connect(place) as connection:
        with connection.cursor("walker") as cursor:
            cursor.itersize = 100
            cursor.execute("select generate_series(1, 1000)")
            assert sum(row[0] for row in cursor) == 500500


def test_cancel(place):
    import threading

    def cancel():
        place.wait_for_sleep()
        connection.cancel()

    with connect(place, autocommit=True) as connection:
        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(60)")
        canceller.join()
        assert connection.execute("select 1").fetchone() == (1,)


def test_prepared_statements(place):
    with connect(place, prepare_threshold=0, autocommit=True) as connection:
        for at in range(50):
            assert connection.execute("select %s::int + 1", [at]).fetchone() == (at + 1,)
        with connection.transaction():
            assert connection.execute("select count(*) > 0 from pg_prepared_statements").fetchone()[0]


def test_more_prepared_statements_than_are_kept(place):
    """psycopg takes the oldest away with DEALLOCATE, in SQL."""
    with connect(place, prepare_threshold=0, autocommit=True) as connection:
        connection.prepared_max = 10
        for round_ in range(2):
            for at in range(30):
                assert connection.execute(f"select %s::int + {at}", [round_]).fetchone() == (round_ + at,)


def test_what_is_set_stays(place):
    place.server.ask("grant pg_monitor to app")
    with connect(place, autocommit=True) as connection:
        connection.execute("set timezone to 'Asia/Tokyo'")
        for _ in range(5):
            assert connection.execute("show timezone").fetchone() == ("Asia/Tokyo",)
        connection.execute("set role pg_monitor; select set_config('app.tenant', 'seven', false)")
        for _ in range(5):
            row = connection.execute("select current_user, current_setting('app.tenant')").fetchone()
            assert row == ("pg_monitor", "seven")
        with connect(place, autocommit=True) as other:
            row = other.execute("select current_user, current_setting('app.tenant', true)").fetchone()
            assert row[0] == "app" and not row[1]
        connection.execute("reset role; reset timezone")
        assert connection.execute("show timezone").fetchone() == ("UTC",)


def test_notify_in_a_session(start_pooler):
    pooler = start_pooler(pool_mode="session")
    with psycopg.connect(pooler.dsn(), autocommit=True) as listener:
        with psycopg.connect(pooler.dsn(), autocommit=True) as speaker:
            listener.execute("listen news")
            speaker.execute(sql.SQL("notify news, {}").format("hello"))
            assert next(listener.notifies()).payload == "hello"


def test_many_tasks(place):
    async def one(number):
        options = {"prepare_threshold": 1, "autocommit": True}
        async with await psycopg.AsyncConnection.connect(place.dsn, **options) as connection:
            for at in range(10):
                cursor = await connection.execute("select %s::int, %s::int", [number, at])
                assert await cursor.fetchone() == (number, at)
            async with connection.transaction():
                await connection.execute("select pg_sleep(0.001)")
            async with connection.pipeline():
                cursors = [await connection.execute("select %s::int", [number]) for _ in range(5)]
            for cursor in cursors:
                assert await cursor.fetchone() == (number,)

    async def everybody():
        await asyncio.gather(*(one(number) for number in range(40)))

    asyncio.run(everybody())
