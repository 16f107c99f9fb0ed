"""Reads what an OpenID Connect provider publishes: one GET, no redirects, bounded in bytes and seconds."""

import asyncio
import ssl
from typing import Final

import httpx

_MOST: Final = 256 * 1024
_SECONDS: Final = 5.0


async def fetch(url: str) -> bytes:
    """The body of a 200 answer. Raises: `OSError` for anything else."""
    try:
        async with (
            asyncio.timeout(_SECONDS),
            # No proxy and no netrc from the environment: who the provider is, the settings say
            httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise OSError(f"answered {response.status_code}")
            parts, size = list[bytes](), 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > _MOST:
                    raise OSError(f"more than {_MOST} bytes")
                parts.append(part)
            return b"".join(parts)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise OSError(type(error).__name__) from error
