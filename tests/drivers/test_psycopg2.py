"""psycopg2, with SQLAlchemy and without."""

import psycopg2
import psycopg2.errors
import psycopg2.extras
import pytest
import sqlalchemy


def test_transactions_and_errors(place):
    connection = psycopg2.connect(place.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists psycopg2_t")
        cursor.execute("create table psycopg2_t (a int primary key, b text, c bytea)")
        rows = [(i, f"Größe {i} 🐘", bytes(range(256))) for i in range(10)]
        psycopg2.extras.execute_values(cursor, "insert into psycopg2_t values %s", rows)
    with pytest.raises(psycopg2.errors.UniqueViolation), connection, connection.cursor() as cursor:
        cursor.execute("insert into psycopg2_t values (1, 'again', null)")
    with connection, connection.cursor() as cursor:
        cursor.execute("select b, c from psycopg2_t where a = %s", (7,))
        text, data = cursor.fetchone()
        assert text == "Größe 7 🐘" and bytes(data) == bytes(range(256))
    with connection, connection.cursor("named") as cursor:
        cursor.itersize = 3
        cursor.execute("select a from psycopg2_t order by a")
        assert [a for a, in cursor] == list(range(10))
    connection.rollback()
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table psycopg2_t")
    connection.close()


def test_copy(place):
    import io

    connection = psycopg2.connect(place.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("create table psycopg2_c (a int)")
        cursor.copy_expert("copy psycopg2_c from stdin", io.StringIO("".join(f"{i}\n" for i in range(1000))))
        out = io.StringIO()
        cursor.copy_expert("copy (select sum(a) from psycopg2_c) to stdout", out)
        assert out.getvalue() == "499500\n"
        cursor.execute("drop table psycopg2_c")
    connection.close()


def test_prepared_by_sql(place):
    connections = [psycopg2.connect(place.dsn) for _ in range(5)]
    for connection in connections:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("prepare twice (int) as select $1 * 2")
    for _ in range(3):
        for at, connection in enumerate(connections):
            with connection.cursor() as cursor:
                cursor.execute("execute twice (%s)", (at,))
                assert cursor.fetchone() == (2 * at,)
    for connection in connections:
        connection.close()


def test_sqlalchemy(place):
    engine = sqlalchemy.create_engine(
        f"{place.url.replace('postgresql://', 'postgresql+psycopg2://')}?sslmode={place.sslmode}", pool_size=10, pool_pre_ping=True
    )
    metadata = sqlalchemy.MetaData()
    table = sqlalchemy.Table(
        "alchemy_t", metadata, sqlalchemy.Column("a", sqlalchemy.Integer, primary_key=True), sqlalchemy.Column("b", sqlalchemy.Text)
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [{"a": a, "b": f"row {a}"} for a in range(100)])
    with pytest.raises(sqlalchemy.exc.IntegrityError), engine.begin() as connection:
        connection.execute(table.insert(), {"a": 1})
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.select(table.c.b).where(table.c.a == 42)).scalar()
        assert found == "row 42"
    assert sqlalchemy.inspect(engine).get_columns("alchemy_t")[1]["name"] == "b"
    metadata.drop_all(engine)
    engine.dispose()
