#!/usr/bin/env python3
"""check_tables.py finds what it is for."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).with_name("check_tables.py")
HEAD = "| Rule | pgweir | Test |\n|---|---|---|\n"


class CheckTablesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("tests/integration/test_a.py", 'CASES = {"one": 1}\n\n\ndef test_b(x):\n    pass\n')
        self.write("tests/unit/base/a_test.cpp", "TEST_F(SomeTest, Name) {}\n")
        self.write("docs/pgbouncer-compatibility.md", "nothing\n")
        self.write("docs/man/pgweir.ini.5", ".SS pgweir's own\n.B workers\n")
        self.write("src/config/keys.cpp", '    {"workers", x},\n')

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def check(self, cell):
        self.write("docs/wire.md", f"{HEAD}| rule with \\| in it | same | {cell} |\n")
        done = subprocess.run([sys.executable, str(CHECK), str(self.root)], capture_output=True, text=True)
        return done.returncode, done.stdout

    def test_what_exists_is_found(self):
        for name in ("test_a.py::test_b", "test_a.py::test_b[one]", "SomeTest.Name", "SomeTest.*"):
            self.assertEqual(self.check(f"`{name}`"), (0, "1 rules, 0 violations\n"), name)

    def test_what_does_not_exist_is_named_with_its_line(self):
        names = ("test_a.py::test_c", "test_a.py::test_b[two]", "test_b.py::test_b", "SomeTest.Other", "OtherTest.*", "x")
        for name in names:
            code, out = self.check(f"`SomeTest.Name`, `{name}`")
            self.assertEqual(code, 1, name)
            self.assertIn(f"docs/wire.md:3: there is no test {name}\n", out)

    def test_row_without_a_test(self):
        self.assertEqual(self.check("later"), (1, "docs/wire.md:3: no test\n1 rules, 1 violations\n"))

    def test_setting_that_is_forgotten(self):
        self.write("src/config/keys.cpp", '    {"workers", x},\n    {"user", x},\n')
        code, out = self.check("`SomeTest.Name`")
        self.assertEqual((code, out), (1, "docs/man/pgweir.ini.5: nothing of user\n1 rules, 1 violations\n"))
        self.write("docs/man/pgweir.ini.5", ".B user\n.SS pgweir's own\n.B workers\n")
        code, out = self.check("`SomeTest.Name`")
        self.assertEqual((code, out), (1, "docs/pgbouncer-compatibility.md: nothing of user\n1 rules, 1 violations\n"))
        self.write("docs/pgbouncer-compatibility.md", f"{HEAD}| `user` | same | `SomeTest.Name` |\n")
        self.assertEqual(self.check("`SomeTest.Name`"), (0, "2 rules, 0 violations\n"))

    def test_document_without_rules(self):
        self.write("docs/wire.md", "nothing\n")
        done = subprocess.run([sys.executable, str(CHECK), str(self.root)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
