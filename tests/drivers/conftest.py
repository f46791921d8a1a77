"""The fixtures of ../support, and the ways in which every driver is tried."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))

from certificates import Authority  # noqa: E402
from fixtures import cluster, pooler, primary, pytest_sessionstart, start_pooler  # noqa: E402, F401
from postgres import PASSWORDS  # noqa: E402
from wire import wait_until  # noqa: E402


class Place:
    """Where a driver connects to, and what it may expect there."""

    def __init__(self, server, port, mode, secure=False):
        self.server = server
        self.port = port
        self.mode = mode
        self.secure = secure
        self.password = PASSWORDS["app"]

    def wait_for_sleep(self):
        """Until a query that sleeps runs on the server."""
        wait_until(lambda: self.server.backends("state = 'active' and query like '%pg_sleep%'") == 1, "it runs")

    @property
    def url(self):
        password = self.password.replace(" ", "%20")
        return f"postgresql://app:{password}@127.0.0.1:{self.port}/app"

    @property
    def sslmode(self):
        return "require" if self.secure else "disable"

    @property
    def dsn(self):
        return (
            f"host=127.0.0.1 port={self.port} dbname=app user=app password='{self.password}'"
            f" sslmode={self.sslmode} gssencmode=disable"
        )


def session_mode(start_pooler, primary):
    pooler = start_pooler(pool_mode="session", auth_type="scram-sha-256", default_pool_size=50)
    return Place(primary, pooler.port, "session")


def transaction_mode(start_pooler, primary, **settings):
    """Many clients share two servers, their prepared statements too."""
    pooler = start_pooler(
        auth_type="scram-sha-256", default_pool_size=2, max_prepared_statements=200, **settings
    )
    return Place(primary, pooler.port, "transaction", "client_tls_sslmode" in settings)


# One more is "direct", straight to PostgreSQL: it shows whether a test is right.
WAYS = os.environ.get("WAYS", "session,transaction,transaction_tls").split(",")


@pytest.fixture(params=WAYS)
def place(request, start_pooler, primary, tmp_path):
    if request.param == "direct":
        return Place(primary, primary.port, "session")
    if request.param == "session":
        return session_mode(start_pooler, primary)
    if request.param == "transaction":
        return transaction_mode(start_pooler, primary)
    certificate, key = Authority(primary.folder, tmp_path.name).server()
    return transaction_mode(
        start_pooler,
        primary,
        client_tls_sslmode="require",
        client_tls_cert_file=certificate,
        client_tls_key_file=key,
    )
