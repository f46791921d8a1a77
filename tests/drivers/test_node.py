"""node-postgres. Its packages are installed into the build folder, as package-lock.json says."""

import os
import shutil
import subprocess

import pytest

from pooler import seconds

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")
FOLDER = os.environ.get("NODE_FOLDER", "/tmp/pgweir-node")
FILES = ("package.json", "package-lock.json", "driver.mjs")


def content(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


@pytest.fixture(scope="module")
def packages():
    os.makedirs(FOLDER, exist_ok=True)
    lock = f"{FOLDER}/node_modules/.pgweir-lock"
    for name in FILES:
        shutil.copy(f"{SOURCE}/{name}", FOLDER)
    if content(lock) != content(f"{SOURCE}/package-lock.json"):
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=FOLDER, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        shutil.copy(f"{SOURCE}/package-lock.json", lock)
    return FOLDER


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("method", ["md5", "scram-sha-256"])
def test_node_postgres(start_pooler, packages, mode, method):
    size = 5 if mode == "transaction" else 40
    pooler = start_pooler(pool_mode=mode, auth_type=method, default_pool_size=size)
    password = pooler.passwords["app"].replace(" ", "%20")
    url = f"postgresql://app:{password}@127.0.0.1:{pooler.port}/app"
    command = ["node", "driver.mjs", url]
    if mode == "session":
        command.append("--session")
    done = subprocess.run(
        command, cwd=packages, capture_output=True, text=True, timeout=seconds(60), check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok")
