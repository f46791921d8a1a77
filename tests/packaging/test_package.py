"""Debian's package: what is in it, and its life on a machine from apt-get install to purge."""

import glob
import grp
import os
import pwd
import shlex
import stat
import subprocess

import pytest

from pooler import PASSWORDS, seconds
from postgres import free_port, program, temporary_folder
from wire import wait_until

BUILD = os.environ.get("BUILD", "build/release")
ENVIRONMENT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, **options)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def is_installed():
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", "pgweir"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout not in ("", "not-installed")


@pytest.fixture(scope="module")
def package():
    """The path of the package, made of this build."""
    folder = temporary_folder("pgweir-package-")
    run("cpack", "-G", "DEB", "--config", f"{BUILD}/CPackConfig.cmake", "-B", folder, cwd=BUILD)
    (made,) = glob.glob(f"{folder}/pgweir_*.deb")
    yield made
    run("rm", "-rf", folder)


@pytest.fixture
def installed(package):
    if os.geteuid() != 0:
        pytest.skip("only root can install a package")
    if is_installed():
        pytest.skip("a package pgweir is installed on this machine, and is left alone")
    run("apt-get", "install", "-q", "-y", "--no-install-recommends", package)
    yield
    if is_installed():
        run("apt-get", "purge", "-q", "-y", "pgweir")


def files_of(package):
    """Paths of the files in it, with their modes as ls shows them."""
    rows = [line.split(None, 5) for line in run("dpkg-deb", "-c", package).splitlines()]
    return {row[5].removeprefix("."): row[0] for row in rows if not row[5].endswith("/")}


def test_everything_is_in_it(package):
    files = files_of(package)
    for path in ("/usr/bin/pgweir", "/usr/bin/pgweirctl"):
        assert files.pop(path) == "-rwxr-xr-x"
    assert files.pop("/etc/pgweir/userlist.txt") == "-rw-r-----"
    for path in (
        "/etc/pgweir/pgweir.ini",
        "/etc/pgweir/cluster.ini",
        "/usr/lib/systemd/system/pgweir.service",
        "/usr/lib/systemd/system/pgweir-cluster.service",
        "/usr/share/man/man1/pgweir.1.gz",
        "/usr/share/man/man1/pgweirctl.1.gz",
        "/usr/share/man/man5/pgweir.ini.5.gz",
        "/usr/share/doc/pgweir/operations.md",
        "/usr/share/doc/pgweir/pgbouncer-compatibility.md",
    ):
        assert files.pop(path) == "-rw-r--r--"
    assert all(path.startswith("/usr/share/doc/pgweir/") for path in files), files
    assert "libpq5" in run("dpkg-deb", "-f", package, "Depends")
    assert run("dpkg-deb", "-I", package, "conffiles").split() == [
        "/etc/pgweir/pgweir.ini",
        "/etc/pgweir/cluster.ini",
        "/etc/pgweir/userlist.txt",
    ]


def unit_of(name):
    """The settings of a unit's [Service], the last of each."""
    with open(f"/usr/lib/systemd/system/{name}", encoding="utf-8") as file:
        return dict(line.strip().split("=", 1) for line in file if "=" in line and not line.startswith("#"))


def write_configuration(server, port):
    path = "/etc/pgweir/pgweir.ini"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("connect = host=127.0.0.1 port=5432 dbname=connect", f"app = host=127.0.0.1 port={server.port}")
    text = text.replace("listen_port = 6432", f"listen_port = {port}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    with open("/etc/pgweir/userlist.txt", "a", encoding="utf-8") as file:
        file.write(f'"scram_user" "{PASSWORDS["scram_user"]}"\n')


def test_it_is_installed_used_and_purged(package, installed, primary):
    user = pwd.getpwnam("pgweir")
    secrets = os.stat("/etc/pgweir/userlist.txt")
    assert stat.S_IMODE(secrets.st_mode) == 0o640
    assert (secrets.st_uid, grp.getgrgid(secrets.st_gid).gr_name) == (0, "pgweir")
    assert not subprocess.run(["pgrep", "-u", "pgweir"], capture_output=True, check=False).stdout

    port = free_port()
    write_configuration(primary, port)
    unit = unit_of("pgweir.service")
    assert unit["User"] == "pgweir"
    folder = f"/run/{unit['RuntimeDirectory']}"
    os.makedirs(folder, exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid)
    assert "error" not in run("/usr/bin/pgweir", "--check", "/etc/pgweir/pgweir.ini").lower()
    process = subprocess.Popen(
        shlex.split(unit["ExecStart"]), user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/",
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for host in ("127.0.0.1", folder):
            query = [program("psql"), "-X", "-h", host, "-p", str(port), "-U", "scram_user", "-Atc", "select 6 * 7", "app"]
            environment = {**ENVIRONMENT, "PGPASSWORD": PASSWORDS["scram_user"]}

            def answer(query=query, environment=environment):
                assert process.poll() is None, process.stderr.read()
                return subprocess.run(query, capture_output=True, text=True, check=False, env=environment).stdout

            wait_until(lambda: answer() == "42\n", f"a query is answered at {host}", seconds(15))
    finally:
        process.terminate()
        process.wait()
        os.rmdir(folder)

    paths = [path for path in files_of(package) if os.path.lexists(path)]
    assert "/usr/bin/pgweir" in paths
    run("apt-get", "purge", "-q", "-y", "pgweir")
    assert not is_installed()
    left = [path for path in paths + ["/etc/pgweir", "/usr/share/doc/pgweir"] if os.path.lexists(path)]
    assert not left
    with pytest.raises(KeyError):
        pwd.getpwnam("pgweir")
