"""Erlang's p1_pgsql."""

from programs import HERE, run


def test_p1_pgsql(place):
    transport = "ssl" if place.secure else "tcp"
    command = ["escript", f"{HERE}/erlang/driver.escript", str(place.port), "app", place.password, transport]
    assert run(command) == "ok 6\n"
