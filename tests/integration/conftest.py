"""The fixtures of ../support."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))

from fixtures import cluster, pooler, primary, pytest_sessionstart, start_pooler  # noqa: E402, F401
