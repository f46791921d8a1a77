"""postgres.js: all its queries are named prepared statements, sent in pipelines."""

from programs import npm_packages, run


def test_postgres_js(place):
    command = ["node", "postgres_js.mjs", place.url, place.mode]
    if place.secure:
        command.append("--tls")
    assert run(command, cwd=npm_packages("node")) == "ok 9\n"
