#!/usr/bin/env python3
"""check.py finds what it is for: each test builds a small tree with one violation and expects its line."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).with_name("check.py")
LAYERS = "pgweir_layer(base fmt::fmt)\npgweir_layer(protocol base)\npgweir_layer(net base)\npgweir_layer(session net protocol)\n"
HEADER = "// What it owns.\n#pragma once\n"


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("src/CMakeLists.txt", LAYERS)
        self.write("src/base/error.hpp", HEADER)
        self.write("src/protocol/frame.hpp", HEADER + '#include "base/error.hpp"\n')
        self.write("src/net/loop.hpp", HEADER + "#include <boost/asio/io_context.hpp>\n")
        self.write("src/session/client.hpp", HEADER + '#include "net/loop.hpp"\n')
        self.write("src/session/state.hpp", HEADER + '#include "protocol/frame.hpp"\n')
        self.write("tests/layers/asio_files.txt", "net/*\nsession/client.hpp # drives\n")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def check(self):
        result = subprocess.run([sys.executable, str(CHECK), str(self.root)], capture_output=True, text=True)
        return result.returncode, result.stdout

    def expect_violation(self, text):
        code, out = self.check()
        self.assertIn(text, out)
        self.assertIn(" 1 violations", out)
        self.assertEqual(code, 1)

    def test_a_clean_tree_passes(self):
        code, out = self.check()
        self.assertEqual((code, out), (0, "5 files in 4 layers, 0 violations\n"))

    def test_include_of_a_layer_below(self):
        self.write("src/base/bad.cpp", '\n#include "protocol/frame.hpp"\n')
        self.expect_violation("src/base/bad.cpp:2: ")

    def test_include_of_a_layer_beside(self):
        self.write("src/protocol/bad.cpp", '#include "net/loop.hpp"\n')
        self.write("tests/layers/asio_files.txt", "net/*\nsession/client.hpp\nprotocol/bad.cpp\n")
        self.expect_violation("does not stand on net")

    def test_a_layer_that_names_one_below_it(self):
        self.write("src/CMakeLists.txt", LAYERS.replace("(base fmt::fmt)", "(base protocol)"))
        self.expect_violation("base names protocol")

    def test_asio_through_another_header(self):
        self.write("src/session/state.hpp", HEADER + '#include "session/client.hpp"\n')
        self.expect_violation("src/session/state.hpp:3: session/client.hpp brings Asio")

    def test_a_listed_file_that_does_not_see_asio(self):
        self.write("tests/layers/asio_files.txt", "net/*\nsession/client.hpp\nsession/state.hpp\n")
        self.expect_violation("session/state.hpp does not see Asio")

    def test_include_without_its_folder(self):
        self.write("src/protocol/bad.cpp", '#include "frame.hpp"\n')
        self.expect_violation("is not a header by its path")

    def test_own_header_in_angle_brackets(self):
        self.write("src/protocol/bad.cpp", "#include <base/error.hpp>\n")
        self.expect_violation("is of this project")

    def test_header_without_opening_comment(self):
        self.write("src/base/bare.hpp", "#pragma once\nint f();\n")
        self.expect_violation("src/base/bare.hpp:1: a header opens with a comment")

    def test_header_that_its_implementation_does_not_include_first(self):
        self.write("src/protocol/frame.cpp", '#include <string>\n#include "protocol/frame.hpp"\n')
        self.expect_violation("src/protocol/frame.cpp:1: does not include frame.hpp first")
        self.write("src/protocol/frame.cpp", '#include "protocol/frame.hpp"\n#include <string>\n')
        self.assertEqual(self.check()[0], 0)

    def test_unit_test_of_a_layer_that_uses_one_below(self):
        self.write("tests/unit/base/error_test.cpp", '#include "session/state.hpp"\n')
        self.expect_violation("tests/unit/base/error_test.cpp:1: ")

    def test_a_unit_test_may_use_what_tests_share(self):
        self.write("tests/support/wire.hpp", HEADER)
        self.write("tests/unit/base/support.hpp", HEADER)
        self.write("tests/unit/base/error_test.cpp", '#include "support.hpp"\n#include "support/wire.hpp"\n')
        self.assertEqual(self.check()[0], 0)


if __name__ == "__main__":
    unittest.main()
