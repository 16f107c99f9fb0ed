"""Whether a cluster serves: asked as a client asks, by a metadata call over mutual TLS.

An open port says little: a node listens before it takes part, and takes part before it leads. Ready means
that every node that should be there is in the metadata, and that every partition of every topic has a leader.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection
from typing import Any, cast

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.errors import StartFailed

_PAUSE = 0.05
_CALL_LIMIT = 5.0


async def wait_ready(
    bootstrap: str,
    context: ssl.SSLContext,
    nodes: Collection[int],
    *,
    limit: float,
    check: Callable[[], None],
    leaders: bool = True,
) -> None:
    """Return when the nodes are in the metadata and, with `leaders`, every partition has one.

    `check` is called before each try and raises what makes waiting pointless, such as a process that has
    ended.

    Raises:
        StartFailed: not ready after `limit` seconds.
    """
    try:
        async with asyncio.timeout(limit):
            while True:
                check()
                if await _answers(bootstrap) and await _serves(bootstrap, context, nodes, leaders):
                    return
                await asyncio.sleep(_PAUSE)
    except TimeoutError as error:
        raise StartFailed(f"the cluster at {bootstrap} was not ready after {limit:.0f} s") from error


async def _answers(bootstrap: str) -> bool:
    # A bare connection first: the client library would report every refusal as an error in the log.
    for address in bootstrap.split(","):
        host, port = address.rsplit(":", 1)
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
    return True


async def _serves(bootstrap: str, context: ssl.SSLContext, nodes: Collection[int], leaders: bool) -> bool:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, security_protocol="SSL", ssl_context=context, request_timeout_ms=2000
    )
    try:
        async with asyncio.timeout(_CALL_LIMIT):
            await admin.start()
            cluster = cast(dict[str, Any], await admin.describe_cluster())
            if not set(nodes) <= {broker["node_id"] for broker in cluster["brokers"]}:
                return False
            if not leaders:
                return True
            topics = cast(list[dict[str, Any]], await admin.describe_topics())
            return all(part["leader"] >= 0 for topic in topics for part in topic["partitions"])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
