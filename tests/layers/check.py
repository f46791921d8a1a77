#!/usr/bin/env python3
"""Checks the includes of src/ and tests/unit/ against the layers.

usage: check.py [project]

- src/CMakeLists.txt lists the layers in order; a layer names only layers above it.
- A file includes its own layer, and the layers that its own names, at any depth. Headers of the project are
  included with quotes and with their folder.
- Asio is seen, directly or through other headers, only by the files of tests/layers/asio_files.txt, and
  each pattern there matches a file that does see it.
- Each header has `#pragma once` and opens with a comment. Its .cpp includes it first, so that the build itself
  shows that the header compiles alone; those without a .cpp are compiled by the test headers_compile_alone.
Prints one line for each violation, `file:line: what`, and exits with 1 if there is any.
"""
import fnmatch
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".hpp", ".cpp"))


def includes(path):
    """Yields (line number, quote, name) of each include directive."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[1], match[2]


class Project:
    def __init__(self, root):
        self.root = root
        self.src = root / "src"
        self.violations = []
        self.order, self.names = self.read_layers()
        self.visible = {layer: self.closure(layer) for layer in self.order}

    def violation(self, path, line, what):
        self.violations.append(f"{path.relative_to(self.root)}:{line}: {what}")

    def read_layers(self):
        """The layers in order, and for each the layers that it names."""
        path = self.src / "CMakeLists.txt"
        declared = []
        names = {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r"\s*pgweir_layer\(([^)]*)\)", line)
            if not match:
                continue
            layer, *words = match[1].split()
            named = [w for w in words if (self.src / w).is_dir()]
            for name in named:
                if name not in declared:
                    self.violation(path, number, f"{layer} names {name}, which is not above it")
            declared.append(layer)
            names[layer] = [n for n in named if n in names]
        return declared, names

    def closure(self, layer):
        seen = {layer}
        for name in self.names[layer]:
            seen |= self.closure(name)
        return seen

    def visible_to(self, path):
        """The layers whose headers a file of src/ may include; the two programs stand on top of all."""
        folder = path.relative_to(self.src).parts[0]
        return self.visible.get(folder, set(self.order) | {folder})

    def check_file(self, path, visible, test_folders=()):
        for number, quote, name in includes(path):
            folder, _, rest = name.partition("/")
            if quote == "<":
                if folder in self.order and rest and (self.src / name).exists():
                    self.violation(path, number, f'<{name}> is of this project: include it with ""')
            elif any((folder / name).exists() for folder in test_folders):
                continue
            elif not rest or not (self.src / name).exists():
                self.violation(path, number, f'"{name}" is not a header by its path in src/')
            elif folder not in visible:
                self.violation(path, number, f'"{name}": this layer does not stand on {folder}')

    def check_includes(self):
        for path in sources(self.src):
            self.check_file(path, self.visible_to(path))
        for layer in self.order:
            for path in sources(self.root / "tests" / "unit" / layer):
                self.check_file(path, self.visible[layer] | {"protocol"}, (path.parent, self.root / "tests"))

    def check_headers(self):
        for path in sources(self.src):
            text = path.read_text()
            if path.suffix != ".hpp":
                continue
            if not re.search(r"^#pragma once$", text, re.MULTILINE):
                self.violation(path, 1, "no #pragma once")
            if not re.match(r"(#pragma once\s+)?//", text):
                self.violation(path, 1, "a header opens with a comment: what it owns, thread, lifetimes, errors")
            self.check_included_first(path)

    def check_included_first(self, header):
        implementation = header.with_suffix(".cpp")
        if implementation.exists():
            line, _, name = next(includes(implementation), (1, "", ""))
            if self.src / name != header:
                self.violation(implementation, line, f"does not include {header.name} first")

    def sees_asio(self):
        """Path of each file of src/ that reaches Asio -> the include that leads there: (line, name)."""
        found = {}
        lists = {p: list(includes(p)) for p in sources(self.src)}
        for path, directives in lists.items():
            for number, _, name in directives:
                if name.startswith("boost/asio"):
                    found.setdefault(path, (number, name))
        grown = True
        while grown:
            grown = False
            for path, directives in lists.items():
                for number, _, name in directives:
                    if path not in found and self.src / name in found:
                        found[path] = (number, name)
                        grown = True
        return found

    def check_asio(self):
        allowed_path = self.root / "tests" / "layers" / "asio_files.txt"
        patterns = {}
        for number, line in enumerate(allowed_path.read_text().splitlines(), 1):
            pattern = line.partition("#")[0].strip()
            if pattern:
                patterns[pattern] = number
        used = set()
        for path, (line, name) in sorted(self.sees_asio().items()):
            relative = path.relative_to(self.src).as_posix()
            matching = [p for p in patterns if fnmatch.fnmatch(relative, p)]
            used.update(matching)
            if not matching:
                self.violation(path, line, f"{name} brings Asio into a file that decides (see asio_files.txt)")
        for pattern, number in patterns.items():
            if pattern not in used and not pattern.endswith("*"):
                self.violation(allowed_path, number, f"{pattern} does not see Asio: take it off the list")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    project = Project(root)
    project.check_includes()
    project.check_headers()
    project.check_asio()
    for line in project.violations:
        print(line)
    print(f"{len(sources(project.src))} files in {len(project.order)} layers, {len(project.violations)} violations")
    if not project.order:
        sys.exit("no layer found in src/CMakeLists.txt")
    sys.exit(1 if project.violations else 0)


if __name__ == "__main__":
    main()
