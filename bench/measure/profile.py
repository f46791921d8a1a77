"""Callgrind's output file: instructions by the part of the program whose source they come from."""
import collections
import re

# Parts by what the path of the source contains; the first that fits. Inlined code counts where it is written.
PARTS = [
    ("src/session/", "session"), ("src/pool/", "pool"), ("src/protocol/", "protocol"), ("src/net/", "net"), ("src/auth/", "auth"),
    ("src/server/", "server"), ("src/", "other of pgweir"), ("boost/asio/", "Asio"), ("boost/intrusive/", "lists"),
    ("malloc/", "malloc"), ("nptl/", "mutex and threads"), ("include/c++/", "standard library"), ("libstdc++", "standard library"),
    ("libcrypto", "OpenSSL"), ("sysv/linux", "calls of the kernel"), ("liburing", "liburing"),
]


def part_of(source, library):
    for text, part in PARTS:
        if text in source or (source == "???" and text in library):
            return part
    return "libc, other"


def by_part(text):
    """Part -> instructions of its own, without what it calls."""
    names = {"file": {}, "object": {}}
    current = {"file": "???", "object": ""}
    kinds = {"fl": "file", "fi": "file", "fe": "file", "ob": "object"}
    costs = collections.Counter()
    skip = False
    for line in text.splitlines():
        if line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not skip:
                costs[part_of(current["file"], current["object"])] += int(line.split()[1])
            skip = False  # the line after calls= is what the callee took
            continue
        match = re.match(r"(fl|fi|fe|ob)=\((\d+)\)(?: (.*))?$", line)
        if match:
            kind = kinds[match[1]]
            if match[3]:
                names[kind][match[2]] = match[3]
            current[kind] = names[kind][match[2]]
        elif re.match(r"cfi=|cfl=|cob=", line):  # names of callees may be given here first
            match = re.match(r"c(fi|fl|ob)=\((\d+)\) (.*)$", line)
            if match:
                names[kinds[match[1]]][match[2]] = match[3]
        elif line.startswith("calls="):
            skip = True
    return costs
