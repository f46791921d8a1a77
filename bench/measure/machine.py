"""The machine: processor time and memory of a process, whether something else is busy, free ports.

Processor time comes from schedstat, which counts nanoseconds on a core for each thread; the figures of
/proc/<pid>/stat count ticks of 10 ms and miss what a pooler does in between.
"""
import os
import pathlib
import platform
import pwd
import resource
import socket
import subprocess
import time


def task_seconds(pid):
    """Seconds on a core of all threads that the process has now."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            pass  # the thread ended between the two looks
    return total / 1e9


def memory_kb(pid, key="VmRSS"):
    """VmRSS: resident now. VmHWM: the most that was ever resident."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise LookupError(f"/proc/{pid}/status has no {key}")


def busy_cores(seconds=2.0):
    """How many cores were at work on average while we slept."""

    def idle_and_total():
        fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return fields[3] + fields[4], sum(fields)

    idle, total = idle_and_total()
    time.sleep(seconds)
    idle_after, total_after = idle_and_total()
    share = 1 - (idle_after - idle) / max(1, total_after - total)
    return share * os.cpu_count()


def busiest_programs(count=5):
    listing = subprocess.run(["ps", "-eo", "pcpu=,comm=", "--sort=-pcpu"], capture_output=True, text=True)
    lines = [line.strip() for line in listing.stdout.splitlines()]
    return [line for line in lines if not line.endswith(" ps")][:count]


class Ports:
    """Free ports on loopback: one after the other from `first`, or the kernel's choice."""

    def __init__(self, first=0):
        self.next = first

    def take(self):
        while True:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", self.next))
                except OSError:
                    self.next += 1
                    continue
                port = probe.getsockname()[1]
            if self.next:
                self.next += 1
            return port


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def server_user():
    """The account that PostgreSQL and the poolers run as: postgres when we are root."""
    return pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def as_server_user(command):
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] + command


def describe():
    model = ""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "memory_mb": pages // 2**20,
        "kernel": platform.release(),
        "load_average": os.getloadavg(),
    }


def git(folder, *command):
    """What git says of the folder; nothing where there is no repository."""
    result = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else ""
