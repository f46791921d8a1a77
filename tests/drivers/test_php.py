"""PHP: PDO and the functions of its pgsql extension."""

from programs import HERE, run


def test_pdo_and_pgsql(place):
    where = f"host=127.0.0.1;port={place.port};dbname=app;sslmode={place.sslmode}"
    assert run(["php", f"{HERE}/php/driver.php", where, "app", place.password]) == "ok 11\n"
