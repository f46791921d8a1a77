"""The fixtures of ../support."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))

from fixtures import (  # noqa: E402, F401
    cluster,
    make,
    pooler,
    primary,
    pytest_sessionstart,
    replicas,
    replicas_template,
    start_pooler,
)
