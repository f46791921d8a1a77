"""JDBC: its statements become named prepared ones when they have been used a few times; Debian's driver and Java."""

from programs import HERE, needs, run

DRIVER = "/usr/share/java/postgresql.jar"


@needs(DRIVER)
def test_jdbc(place):
    url = f"jdbc:postgresql://127.0.0.1:{place.port}/app?sslmode={place.sslmode}&gssEncMode=disable"
    # One that compiles a little and waits for the most part.
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", DRIVER]
    assert run([*java, f"{HERE}/java/Driver.java", url, "app", place.password]) == "ok 10\n"
