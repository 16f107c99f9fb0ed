"""One real cluster a session; each test takes topics of its own by a fresh prefix.

A test that kills the cluster makes a private one.
"""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.kafka.cluster import Cluster
from deploy.pki import Authority, write_tls
from tests.integration.live import Live

Identities = Callable[[str], Path]


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The authority that the session's cluster believes."""
    return Authority.create()


@pytest_asyncio.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> AsyncIterator[Cluster]:
    """A running cluster of one node; never killed."""
    async with Cluster(tmp_path_factory.mktemp("cluster"), authority) as running:
        yield running


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Identities:
    """Principal -> folder with its TLS files."""
    root = tmp_path_factory.mktemp("tls")

    def identity(principal: str) -> Path:
        if not (root / principal).exists():
            write_tls(root / principal, authority.issue(principal))
        return root / principal

    return identity


@pytest.fixture
def fresh_prefix() -> str:
    """A prefix that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


@pytest_asyncio.fixture
async def live(
    cluster: Cluster, authority: Authority, fresh_prefix: str, tmp_path: Path
) -> AsyncIterator[Live]:
    """A federation of its own on the session's cluster; no service runs yet."""
    async with Live(
        cluster.bootstrap, cluster.admin_tls, authority, fresh_prefix, tmp_path / "run"
    ) as federation:
        yield federation


@pytest_asyncio.fixture
async def two_shards(
    cluster: Cluster, authority: Authority, fresh_prefix: str, tmp_path: Path
) -> AsyncIterator[Live]:
    """A federation whose lanes are spread over two shards; no service runs yet."""
    async with Live(
        cluster.bootstrap, cluster.admin_tls, authority, fresh_prefix, tmp_path / "run", shards=2
    ) as federation:
        yield federation
