#!/usr/bin/env python3
"""Checks that docs/wire.md and docs/pgbouncer-compatibility.md name tests that exist, and that no setting is forgotten.

usage: check_tables.py [project]

Each row of their tables names at least one test in its last column: `test_x.py::test_y` of tests/integration or tests/drivers,
with the name of a case in brackets if need be, or GoogleTest's `SuiteTest.Name` of tests/unit (`SuiteTest.*`: any).
Each setting of src/config/keys.cpp is described in docs/man/pgweir.ini.5, and has a row in the second document unless it
is pgweir's own.
Prints one line for each violation, `file:line: what`, and exits with 1 if there is any.
"""
import pathlib
import re
import sys

COMPATIBILITY = "docs/pgbouncer-compatibility.md"
DOCUMENTS = ("docs/wire.md", COMPATIBILITY)
MANUAL = "docs/man/pgweir.ini.5"
OURS = ".SS pgweir's own"
PYTHON = re.compile(r"(test_\w+\.py)::(test_\w+)(?:\[(\w+)\])?")
GOOGLE = re.compile(r"(\w+Test)\.(\w+|\*)")
DEFINED = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)


class Tests:
    def __init__(self, root):
        folders = (root / "tests" / "integration", root / "tests" / "drivers")
        self.python = {path.name: path.read_text() for folder in folders for path in folder.glob("test_*.py")}
        self.google = set()
        for path in (root / "tests" / "unit").rglob("*.cpp"):
            for suite, name in DEFINED.findall(path.read_text()):
                self.google |= {(suite, name), (suite, "*")}

    def exists(self, name):
        if match := PYTHON.fullmatch(name):
            text = self.python.get(match[1], "")
            case = match[3]
            defined = re.search(rf"^(?:async )?def {match[2]}\(", text, re.MULTILINE)
            return bool(defined) and (case is None or f'"{case}"' in text)
        match = GOOGLE.fullmatch(name)
        return bool(match) and match.groups() in self.google


def rows(text):
    """Yields (line number, last cell) of each row but the heads of tables."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        is_head = number < len(lines) and lines[number].startswith("|--")
        if line.startswith("|") and not line.startswith("|--") and not is_head:
            yield number, re.split(r"(?<!\\)\|", line)[-2]


def rules(root):
    """Yields (document, line number, last cell) of each row."""
    for document in DOCUMENTS:
        for number, cell in rows((root / document).read_text()):
            yield document, number, cell


def settings(root):
    """The names in the table of src/config/keys.cpp."""
    return re.findall(r'^    \{"(\w+)",', (root / "src" / "config" / "keys.cpp").read_text(), re.MULTILINE)


def violations(root):
    tests = Tests(root)
    for document, number, cell in rules(root):
        names = re.findall(r"`([^`]+)`", cell)
        if not names:
            yield f"{document}:{number}: no test"
        for name in names:
            if not tests.exists(name):
                yield f"{document}:{number}: there is no test {name}"
    pages = (root / MANUAL).read_text()
    described = set(re.findall(r"^\.B (\w+)$", pages, re.MULTILINE))
    ours = set(re.findall(r"^\.B (\w+)$", pages.partition(OURS)[2], re.MULTILINE))
    compared = set(re.findall(r"^\| `(\w+)` \|", (root / COMPATIBILITY).read_text(), re.MULTILINE))
    for name in settings(root):
        if name not in described:
            yield f"{MANUAL}: nothing of {name}"
        elif name not in ours | compared:
            yield f"{COMPATIBILITY}: nothing of {name}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(violations(root))
    for line in found:
        print(line)
    count = len(list(rules(root)))
    print(f"{count} rules, {len(found)} violations")
    sys.exit(1 if found or not count else 0)


if __name__ == "__main__":
    main()
