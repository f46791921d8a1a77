"""node-postgres. Its packages are installed into the build folder, as package-lock.json says."""

import pytest

from programs import npm_packages, run


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("method", ["md5", "scram-sha-256"])
def test_node_postgres(start_pooler, mode, method):
    size = 5 if mode == "transaction" else 40
    pooler = start_pooler(pool_mode=mode, auth_type=method, default_pool_size=size)
    password = pooler.passwords["app"].replace(" ", "%20")
    url = f"postgresql://app:{password}@127.0.0.1:{pooler.port}/app"
    command = ["node", "driver.mjs", url]
    if mode == "session":
        command.append("--session")
    run(command, cwd=npm_packages("node"))
