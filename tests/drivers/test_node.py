"""node-postgres. Its packages are installed into the build folder, as package-lock.json says."""

from programs import npm_packages, run


def test_node_postgres(place):
    command = ["node", "driver.mjs", place.url]
    if place.secure:
        command.append("--tls")
    assert run(command, cwd=npm_packages("node")) == "ok 9\n"
