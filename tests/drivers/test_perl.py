"""Perl's DBD::Pg."""

from programs import HERE, run


def test_dbd_pg(place):
    dsn = f"host=127.0.0.1;port={place.port};dbname=app;sslmode={place.sslmode}"
    assert run(["perl", f"{HERE}/perl/driver.pl", dsn, "app", place.password]) == "ok 9\n"
