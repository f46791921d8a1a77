"""Who is measured: the names that --subjects knows, and which of them a workload is for."""
import pathlib

from . import servers, workloads

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
PGWEIR = PROJECT / "build" / "release" / "pgweir"
RELAY = PROJECT / "build" / "bench" / "relay"


class Known:
    def __init__(self, kind, program, settings=""):
        self.kind = kind
        self.program = program
        self.settings = settings  # lines of the configuration, or the relay's options


KNOWN = {
    "direct": Known("direct", None),
    "pgweir": Known("pooler", PGWEIR),
    "pgweir-epoll": Known("engine", PGWEIR, "io_engine = epoll"),
    "pgweir-uring": Known("engine", PGWEIR, "io_engine = io_uring"),
    "pgweir-2": Known("workers", PGWEIR, "workers = 2"),
    "pgweir-routed": Known("routed", PGWEIR, "routing = auto\ntopology_user = postgres"),
    "pgweir-listed": Known("routed", PGWEIR, "routing = off"),
    "pgbouncer": Known("pooler", "/usr/sbin/pgbouncer"),
    "relay-epoll": Known("relay", RELAY, "--engine=epoll --buffer=64k"),
    "relay-uring": Known("relay", RELAY, "--engine=io_uring --buffer=64k"),
    "relay-epoll-16k": Known("relay-size", RELAY, "--engine=epoll --buffer=16k"),
    "relay-uring-16k": Known("relay-size", RELAY, "--engine=io_uring --buffer=16k"),
}

DEFAULT = ["direct", "pgweir", "pgbouncer", "relay-epoll", "relay-uring"]

# Without io_uring in the kernel there is nothing to measure, and nothing wrong either.
OPTIONAL = {"pgweir-uring", "relay-uring", "relay-uring-16k"}


def names_for(options):
    if options.subjects:
        return options.subjects
    if options.all:
        return list(KNOWN)
    wanted = set().union(*(each.kinds for each in workloads.ALL if each.name in options.workloads))
    return DEFAULT + [name for name, known in KNOWN.items() if known.kind == "routed" and "routed" in wanted]


def is_relay(name):
    return name.startswith("relay-")


def is_pgweir(name):
    return name.split("-")[0] == "pgweir"


def make(text, options, postgres, folder, ports):
    """One subject from NAME or NAME=PROGRAM[:setting;setting], where PROGRAM may be a known name."""
    name, _, program = text.partition("=")
    program, _, settings = program.partition(":")
    known = KNOWN.get(program or name)
    if known is None and not program:
        raise RuntimeError(f"no subject {name}; there are {', '.join(KNOWN)}, and NAME=PROGRAM")
    kind = known.kind if known else "pooler"
    program = known.program if known else pathlib.Path(program)
    extra = [known.settings] if known and known.settings else []
    extra += [each.strip() for each in settings.split(";") if each.strip()]
    if kind == "direct":
        return servers.Direct(postgres)
    if kind.startswith("relay"):
        return servers.Relay(name, kind, program, postgres, folder, ports, " ".join(extra).split())
    if pathlib.Path(program).name.startswith("pgweir") and not any(each.startswith("workers") for each in extra):
        extra.append(f"workers = {options.workers}")
    pooler = servers.RoutedPooler if kind == "routed" else servers.Pooler
    return pooler(name, kind, program, postgres, folder, ports, "\n".join(extra))


def make_all(options, postgres, folder, ports):
    """All subjects of the run; what this kernel does not grant is left out, with a line that says so."""
    subjects = []
    for text in names_for(options):
        subject = make(text, options, postgres, folder, ports)
        try:
            subject.start("trust", options.pool)
            subject.stop()
        except RuntimeError as error:
            if subject.name not in OPTIONAL:
                raise
            print(f"{subject.name} is left out: {str(error).splitlines()[-1]}")
            continue
        subjects.append(subject)
    return subjects
