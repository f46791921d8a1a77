"""A cluster that pgweirctl makes in a folder of its own on free ports, with pgweir in front of it.

The environment says which programs: PGWEIRCTL and PGWEIR are their paths.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import time

import psycopg

from pooler import executable, seconds
from postgres import free_port, program, temporary_folder, unprivileged
from wire import wait_until

CTL = os.path.abspath(os.environ.get("PGWEIRCTL", "pgweirctl"))


class Managed:
    def __init__(self, standbys=2, settings=None):
        self.folder = temporary_folder("pgweir-ctl-")
        self.root = f"{self.folder}/root"
        self.names = ["primary"] + [f"standby{i + 1}" for i in range(standbys)]
        self.ports = {name: free_port() for name in self.names}
        self.pooler_port = free_port()
        self.settings = {"cluster": {"name": "trial", "root": self.root, "memory": "1GB"}}
        self.settings["cluster"].update(settings or {})
        self.settings["primary"] = {"port": self.ports["primary"]}
        for name in self.names[1:]:
            self.settings[f"standby.{name}"] = {"port": self.ports[name]}
        self.settings["pooler"] = {"port": self.pooler_port}
        self.ini = f"{self.folder}/cluster.ini"
        self.write()
        self.pooler = None
        self.pooler_settings = {}

    def add_server(self, name):
        self.names.append(name)
        self.ports[name] = free_port()
        self.settings[f"standby.{name}"] = {"port": self.ports[name]}
        self.write()

    def write(self):
        with open(self.ini, "w", encoding="utf-8") as file:
            for section, keys in self.settings.items():
                file.write(f"[{section}]\n")
                file.writelines(f"{key} = {value}\n" for key, value in keys.items())
        os.chmod(self.ini, 0o644)

    # pgweirctl.

    def command(self, *arguments):
        return [CTL, "-c", self.ini, *arguments]

    def run(self, *arguments, env=None):
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds(180),
            env=env,
        )

    def do(self, *arguments, env=None):
        """A command that succeeds; its output."""
        done = self.run(*arguments, env=env)
        assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *arguments, env=None):
        """A command that fails; all that it says."""
        done = self.run(*arguments, env=env)
        assert done.returncode == 1, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *arguments):
        done = self.run("--json", *arguments)
        answer = json.loads(done.stdout)
        assert answer["exit_code"] == done.returncode
        return answer

    def make(self):
        self.do("init")
        for name in self.names[1:]:
            self.do("add-standby", name)
        return self

    def another_machine(self, roles=("replication", "prober")):
        """The root of another machine, which has these passwords: for --root."""
        elsewhere = f"{self.folder}/elsewhere"
        for path in (elsewhere, f"{elsewhere}/secrets"):
            os.mkdir(path)
            os.chmod(path, 0o755)
        for role in roles:
            shutil.copy(f"{self.root}/secrets/{role}_password", f"{elsewhere}/secrets/")
        subprocess.run(["chown", "-R", "postgres", elsewhere], check=False)
        return elsewhere

    def own_pg_ctl(self, script):
        """Options that put a script before pg_ctl, whose path it has as $pg_ctl."""
        folder = f"{self.folder}/bin"
        os.mkdir(folder)
        programs = os.path.dirname(os.path.realpath(program("postgres")))
        for name in os.listdir(programs):
            os.symlink(f"{programs}/{name}", f"{folder}/{name}")
        os.remove(f"{folder}/pg_ctl")
        with open(f"{folder}/pg_ctl", "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\npg_ctl={programs}/pg_ctl\n{script}\nexec $pg_ctl "$@"\n')
        os.chmod(f"{folder}/pg_ctl", 0o755)
        return ["--set", f"cluster.bin_dir={folder}"]

    def kill_after(self, step, *arguments):
        """Runs a command and kills it when it has told of so many things done. False: it ended before."""
        return self.act_after(step, lambda process: process.kill(), *arguments)[0]

    def act_after(self, step, action, *arguments):
        """Runs a command and does something to its process when it has told of so many things done. Whether it came so
        far, its exit code, and what it said."""
        acted = False
        said = []
        with subprocess.Popen(
            self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout:
                said.append(line)
                if line.startswith("  done "):
                    step -= 1
                    if step == 0:
                        action(process)
                        acted = True
            process.wait()
            return acted, process.returncode, "".join(said)

    def finish_with_kills(self, *arguments):
        """Kills the command after the first thing that it does, the next run after its second, and so on, until one
        of them comes to its end. How often it was killed: the fewer, the more a run did before it was dead."""
        kills = 0
        while self.kill_after(kills + 1, *arguments):
            kills += 1
        return kills

    # The servers.

    def secret(self, role):
        with open(f"{self.root}/secrets/{role}_password", encoding="utf-8") as file:
            return file.read().strip()

    def connect(self, name, user="app", role="app", database="connect"):
        return psycopg.connect(
            host="127.0.0.1",
            port=self.ports[name],
            user=user,
            password=self.secret(role),
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def ask(self, name, sql, user="app", role="app"):
        with self.connect(name, user, role) as connection:
            rows = connection.execute(sql).fetchall()
            return rows[0][0] if rows else None

    def superuser(self, name, sql):
        """As the servers' own user over the Unix socket."""
        command = [program("psql"), "-X", "-h", f"{self.root}/run", "-p", str(self.ports[name])]
        done = subprocess.run(
            [*command, "-U", "postgres", "-d", "postgres", "-Atqc", sql],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds(60),
            **unprivileged(),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def postmaster(self, name):
        with open(f"{self.root}/{name}/postmaster.pid", encoding="utf-8") as file:
            return int(file.readline())

    def kill_server(self, name):
        process = self.postmaster(name)
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{process}"), "the killed server is gone")

    def primary_now(self):
        roles = {s["name"]: s["role"] for s in self.json("status")["servers"]}
        primaries = [name for name, role in roles.items() if role == "primary"]
        assert len(primaries) == 1, roles
        return primaries[0]

    # pgweir.

    def start_pooler(self, **settings):
        self.pooler_settings.update(settings)
        path, reachable = executable()
        if not reachable:
            path = shutil.copy(path, f"{self.folder}/pgweir")
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.pooler_port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": f"{self.root}/pgweir/userlist.txt",
            "admin_users": "pgweir_admin",
            "pool_mode": "transaction",
            "max_client_conn": 500,
            "default_pool_size": 25,
            "reserve_pool_size": 5,
            "reserve_pool_timeout": 3,
            "server_login_retry": 1,
            **self.pooler_settings,
        }
        ini = f"{self.folder}/pgweir.ini"
        with open(ini, "w", encoding="utf-8") as file:
            file.write(f"%include {self.root}/pgweir/databases.ini\n[pgweir]\n")
            file.writelines(f"{key} = {value}\n" for key, value in lines.items())
        os.chmod(ini, 0o644)
        with open(f"{self.folder}/pgweir.log", "ab") as log:
            self.pooler = subprocess.Popen(
                [path, ini], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", **unprivileged()
            )
        deadline = time.monotonic() + seconds(15)
        while True:
            try:
                with self.through():
                    return self
            except psycopg.OperationalError:
                assert self.pooler.poll() is None and time.monotonic() < deadline, self.pooler_log()
                time.sleep(0.05)

    def pooler_log(self):
        with open(f"{self.folder}/pgweir.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def through(self, database="connect", user="app", role="app"):
        return psycopg.connect(
            host="127.0.0.1",
            port=self.pooler_port,
            user=user,
            password=self.secret(role),
            dbname=database,
            autocommit=True,
            connect_timeout=10,
            prepare_threshold=None,
        )

    def console(self, command):
        with psycopg.connect(
            host="127.0.0.1",
            port=self.pooler_port,
            user="pgweir_admin",
            password=self.secret("admin"),
            dbname="pgbouncer",
            autocommit=True,
            prepare_threshold=None,
        ) as connection:
            cursor = psycopg.ClientCursor(connection)
            cursor.execute(command)
            return cursor.fetchall() if cursor.description else []

    def bench(self, *arguments):
        """pgbench through the pooler, running."""
        return subprocess.Popen(
            [program("pgbench"), "-n", "-h", "127.0.0.1", "-p", str(self.pooler_port), "-U", "app", *arguments, "connect"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PGPASSWORD": self.secret("app")},
        )

    def remove(self):
        """Leaves nothing behind, whatever state it is in."""
        if self.pooler is not None and self.pooler.poll() is None:
            self.pooler.kill()
            self.pooler.wait()
        for name in self.names:
            try:
                self.kill_server(name)
            except (FileNotFoundError, ProcessLookupError, ValueError):
                pass
        for _ in range(20):  # a killed server's processes may still write
            shutil.rmtree(self.folder, ignore_errors=True)
            if not os.path.exists(self.folder):
                return
            time.sleep(0.1)


class Ledger:
    """A client that inserts numbers through the pooler and remembers which ones were confirmed."""

    def __init__(self, managed, table="ledger"):
        self.managed = managed
        self.table = table
        self.confirmed = []
        self.times = []  # when each was confirmed
        self.errors = 0
        self.stopping = threading.Event()
        with managed.through() as connection:
            connection.execute(f"create table {table} (n int primary key)")
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self):
        number = 0
        connection = None
        while not self.stopping.is_set():
            number += 1
            try:
                connection = connection or self.managed.through()
                connection.execute(f"insert into {self.table} values ({number})")
                self.confirmed.append(number)
                self.times.append(time.monotonic())
            except psycopg.Error:
                self.errors += 1
                connection = None
                time.sleep(0.02)

    def wait_for_another(self, limit):
        """Seconds until the next confirmation."""
        begin = time.monotonic()
        seen = len(self.confirmed)
        while len(self.confirmed) == seen:
            assert time.monotonic() - begin < seconds(limit), "nothing is confirmed any more"
            time.sleep(0.01)
        return time.monotonic() - begin

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def lost(self, name):
        """Confirmed numbers that the server does not have."""
        with self.managed.connect(name) as connection:
            present = {row[0] for row in connection.execute(f"select n from {self.table}").fetchall()}
        return [number for number in self.confirmed if number not in present]
