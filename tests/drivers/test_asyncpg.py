"""asyncpg: every query of its is a named prepared statement, many in a pipeline, its pool resets connections."""

import asyncio
import datetime
import decimal
import uuid

import asyncpg
import pytest


def connect(place, **options):
    return asyncpg.connect(place.url, ssl=place.sslmode if place.secure else False, **options)


def with_connection(place, work, **options):
    async def run():
        connection = await connect(place, **options)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_values_of_many_types(place):
    values = [
        2**40,
        "ü€",
        b"\0\xff",
        [1, None, 3],
        decimal.Decimal("12.50"),
        uuid.UUID(int=7),
        datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
        datetime.timedelta(hours=3),
        None,
        True,
    ]
    types = ["int8", "text", "bytea", "int4[]", "numeric", "uuid", "timestamptz", "interval", "int4", "bool"]

    async def work(connection):
        columns = ", ".join(f"${at}::{kind}" for at, kind in enumerate(types, 1))
        for _ in range(3):
            assert list(await connection.fetchrow(f"select {columns}", *values)) == values

    with_connection(place, work)


def test_a_composite_type_is_looked_up(place):
    async def work(connection):
        await connection.execute("drop type if exists pair; create type pair as (a int, b text)")
        row = await connection.fetchrow("select $1::pair as p, array[$1::pair] as q", (1, "x"))
        assert (tuple(row["p"]), [tuple(one) for one in row["q"]]) == ((1, "x"), [(1, "x")])
        await connection.execute("drop type pair")

    with_connection(place, work)


def test_statements_are_used_again(place):
    async def work(connection):
        statement = await connection.prepare("select $1::int + 1")
        for at in range(30):
            assert await statement.fetchval(at) == at + 1
            assert await connection.fetchval("select $1::int * 2", at) == 2 * at
            async with connection.transaction():
                assert await statement.fetchval(at) == at + 1

    with_connection(place, work)


def test_more_statements_than_are_kept(place):
    async def work(connection):
        for round_ in range(2):
            for at in range(250):
                assert await connection.fetchval(f"select $1::int + {at}", round_) == round_ + at

    with_connection(place, work, statement_cache_size=20)


def test_errors_leave_the_connection_usable(place):
    async def work(connection):
        await connection.execute("create table asyncpg_unique (a int primary key)")
        await connection.execute("insert into asyncpg_unique values ($1)", 1)
        for _ in range(3):
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.execute("insert into asyncpg_unique values ($1)", 1)
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval("select 1 / $1::int", 0)
            with pytest.raises(asyncpg.UndefinedTableError):
                await connection.fetchval("select * from nowhere")
            with pytest.raises(asyncpg.DataError):
                await connection.fetchval("select $1::int", "no number")
        assert await connection.fetchval("select count(*) from asyncpg_unique") == 1
        await connection.execute("drop table asyncpg_unique")

    with_connection(place, work)


def test_transactions_and_savepoints(place):
    async def work(connection):
        await connection.execute("create table asyncpg_things (a int)")
        async with connection.transaction():
            await connection.execute("insert into asyncpg_things values ($1)", 1)
            with pytest.raises(ZeroDivisionError):
                async with connection.transaction():
                    await connection.execute("insert into asyncpg_things values ($1)", 2)
                    raise ZeroDivisionError
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with connection.transaction():
                await connection.execute("insert into asyncpg_things values ($1)", 3)
                await connection.fetchval("select 1 / $1::int", 0)
        assert [row["a"] for row in await connection.fetch("select a from asyncpg_things")] == [1]
        await connection.execute("drop table asyncpg_things")

    with_connection(place, work)


def test_executemany(place):
    async def work(connection):
        await connection.execute("create table asyncpg_many (a int, b text)")
        rows = [(at, f"text {at}") for at in range(1000)]
        await connection.executemany("insert into asyncpg_many values ($1, $2)", rows)
        with pytest.raises(asyncpg.DataError):
            await connection.executemany("insert into asyncpg_many values ($1, $2)", [(1, "x"), ("y", "z")])
        assert await connection.fetchval("select sum(a) from asyncpg_many") == 499500
        await connection.execute("drop table asyncpg_many")

    with_connection(place, work)


def test_copy(place):
    async def work(connection):
        await connection.execute("create table asyncpg_copied (a int, b text)")
        records = [(at, "x" * (at % 50)) for at in range(5000)]
        await connection.copy_records_to_table("asyncpg_copied", records=records)
        with pytest.raises(asyncpg.PostgresError):
            await connection.copy_to_table("asyncpg_copied", source=_bytes(b"no number\tx\n"))
        received = bytearray()

        async def sink(data):
            received.extend(data)

        await connection.copy_from_query("select a from asyncpg_copied where a < $1", 100, output=sink)
        assert received.split() == [b"%d" % at for at in range(100)]
        assert await connection.fetchval("select count(*) from asyncpg_copied") == 5000
        await connection.execute("drop table asyncpg_copied")

    with_connection(place, work)


async def _bytes(data):
    yield data


def test_cursor(place):
    async def work(connection):
        async with connection.transaction():
            total = 0
            async for row in connection.cursor("select generate_series(1, $1::int) as a", 1000, prefetch=50):
                total += row["a"]
            assert total == 500500

    with_connection(place, work)


def test_time_limit_cancels(place):
    def sleeping():
        return place.server.backends("state = 'active' and query like '%pg_sleep%'")

    async def work(connection):
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval("select pg_sleep($1)", 60, timeout=0.5)
        # It waits for its cancel request before the next query.
        assert await connection.fetchval("select $1::int", 3) == 3
        assert sleeping() == 0

    with_connection(place, work)


def test_what_is_set_stays(place):
    async def work(connection):
        await connection.execute("set timezone to 'Asia/Tokyo'; set datestyle to 'German'")
        for _ in range(5):
            assert await connection.fetchval("show timezone") == "Asia/Tokyo"
            assert await connection.fetchval("select '2024-12-31'::date::text") == "31.12.2024"
        await connection.execute("set search_path to information_schema; set statement_timeout to '50s'")
        for _ in range(5):
            assert await connection.fetchval("select current_schema()") == "information_schema"
            assert await connection.fetchval("show statement_timeout") == "50s"
        other = await connect(place)
        assert await other.fetchval("select current_schema()") == "public"
        await other.close()
        await connection.execute("reset all")
        assert await connection.fetchval("select current_schema()") == "public"
        assert await connection.fetchval("show timezone") == "UTC"

    with_connection(place, work)


def test_a_pool_of_many(place):
    async def one(pool, number):
        for at in range(5):
            assert await pool.fetchrow("select $1::int as a, $2::int as b", number, at) == (number, at)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("select pg_sleep(0.001)")
            assert await connection.fetchval("select $1::text", f"number {number}") == f"number {number}"

    async def run():
        ssl = place.sslmode if place.secure else False
        async with asyncpg.create_pool(place.url, ssl=ssl, min_size=1, max_size=30) as pool:
            await asyncio.gather(*(one(pool, number) for number in range(60)))

    asyncio.run(run())
