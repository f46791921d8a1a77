"""What systemd does for a service: it is told when the service is ready, and hands over sockets that listen."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

from harness import pgweir_only
from pooler import Pooler, executable, seconds
from postgres import temporary_folder
from wire import Wire, wait_until

pytestmark = pgweir_only


@pytest.fixture
def manager():
    """Where the service tells what it does."""
    folder = temporary_folder("pgweir-notify-")
    os.chmod(folder, 0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(f"{folder}/notify")
        os.chmod(f"{folder}/notify", 0o777)
        made.settimeout(seconds(20))
        yield made
    shutil.rmtree(folder)


def told(manager):
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_service_says_what_it_does(start_pooler, monkeypatch, manager):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    pooler = start_pooler()
    assert told(manager) == {"READY": "1", "MAINPID": str(pooler.process.pid)}
    pooler.command("reload")
    began = told(manager)
    assert began["RELOADING"] == "1" and int(began["MONOTONIC_USEC"]) > 0
    assert told(manager)["READY"] == "1"
    pooler.expect_exit = True
    pooler.signal(signal.SIGQUIT)
    assert told(manager) == {"STOPPING": "1"}
    assert pooler.wait_for_exit() == 0


def test_next_process_is_the_one_to_watch(start_pooler, monkeypatch, manager):
    """The process that it knows says so; it hears of the other, which it has not started, by its address."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    pooler = start_pooler()
    assert told(manager)["MAINPID"] == str(pooler.process.pid)
    monkeypatch.delenv("NOTIFY_SOCKET")
    old = pooler.restart()
    new = {"READY": "1", "MAINPID": str(pooler.process.pid)}
    assert told(manager) == new and told(manager) == new
    assert pooler.exit_of(old) == 0
    pooler.expect_exit = True
    pooler.signal(signal.SIGQUIT)
    assert told(manager) == {"STOPPING": "1"}, "of the new process; the old one said nothing"
    assert pooler.wait_for_exit() == 0


def passing(sockets):
    """What runs a program with these sockets as 3 and so on, as systemd does."""
    script = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"

    def place():
        copies = [os.dup(one.fileno()) for one in sockets]
        copies = [os.dup2(one, 100 + at) for at, one in enumerate(copies)]
        for at, one in enumerate(copies):
            os.dup2(one, 3 + at, inheritable=True)

    return script, place


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_sockets_that_were_handed_over_are_used(primary, tmp_path, family):
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        address = f"{tmp_path}/socket" if family == socket.AF_UNIX else ("127.0.0.1", 0)
        listening.bind(address)
        listening.listen(10)
        where = listening.getsockname()
        pooler = Pooler(primary)
        pooler.write()
        path, _ = executable()
        script, place = passing([listening])
        command = ["/usr/bin/python3", "-c", script, path, "-u", "postgres", pooler.file]
        with open(pooler.log_path, "ab") as log:
            process = subprocess.Popen(
                command, env={**os.environ, "LISTEN_FDS": "1"}, preexec_fn=place, close_fds=False, stderr=log, stdout=log
            )
        try:

            def answers():
                assert process.poll() is None, pooler.log()
                with Wire(where, timeout=seconds(10)).startup("app", "app", password="") as client:
                    return client.ask("select 6 * 7") == "42"

            wait_until(answers, "it answers there")
            assert not os.path.exists(pooler.unix_address), "nowhere else"
            pooler.process, first = process, process
            pooler.restart()
            assert first.wait(seconds(20)) == 0
            process = pooler.process
            answers()
            assert not os.path.exists(pooler.unix_address), "nor the next process"
        finally:
            process.kill()
            process.wait()
            pooler.remove()


def test_descriptor_that_does_not_listen_is_an_error(primary):
    pooler = Pooler(primary)
    pooler.write()
    path, _ = executable()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        script, place = passing([other])
        done = subprocess.run(
            ["/usr/bin/python3", "-c", script, path, "-u", "postgres", pooler.file],
            env={**os.environ, "LISTEN_FDS": "1"},
            preexec_fn=place,
            close_fds=False,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds(30),
        )
    pooler.remove()
    assert done.returncode == 1
    assert "descriptor 3 was handed over (LISTEN_FDS), but is no stream socket that listens" in done.stdout + done.stderr
