"""ODBC: psqlODBC by way of pyodbc, with statements that the server prepares."""

import glob

import pyodbc
import pytest

LIBRARY = next(iter(glob.glob("/usr/lib/*/odbc/psqlodbcw.so")), None)


@pytest.mark.skipif(LIBRARY is None, reason="psqlODBC is not installed")
def test_psqlodbc(place):
    text = (
        f"DRIVER={LIBRARY};SERVER=127.0.0.1;PORT={place.port};DATABASE=app;UID=app;PWD={{{place.password}}};"
        f"SSLmode={place.sslmode};UseServerSidePrepare=1"
    )
    one = pyodbc.connect(text)
    cursor = one.cursor()
    cursor.execute("create table odbc_t (a int primary key, b text)")
    one.commit()
    for a in range(20):
        cursor.execute("insert into odbc_t values (?, ?)", a, f"Größe {a}")
    one.commit()
    for a in range(20):
        assert cursor.execute("select b from odbc_t where a = ?", a).fetchone()[0] == f"Größe {a}"
        one.commit()
    with pytest.raises(pyodbc.IntegrityError):
        cursor.execute("insert into odbc_t values (?, ?)", 1, "again")
    one.rollback()
    cursor.execute("delete from odbc_t")
    one.rollback()
    assert cursor.execute("select count(*) from odbc_t").fetchone()[0] == 20
    one.commit()
    others = [pyodbc.connect(text) for _ in range(10)]
    for other in others:
        assert other.cursor().execute("select ?::int * 2", 21).fetchone()[0] == 42
        other.commit()
        other.close()
    cursor.execute("drop table odbc_t")
    one.commit()
    one.close()
