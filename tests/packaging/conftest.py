"""The fixtures of ../support."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))

from fixtures import cluster, primary, pytest_sessionstart  # noqa: E402, F401
