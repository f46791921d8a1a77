"""Ruby's pg."""

from programs import HERE, run


def test_pg(place):
    assert run(["ruby", f"{HERE}/ruby/driver.rb", place.dsn]) == "ok 10\n"
