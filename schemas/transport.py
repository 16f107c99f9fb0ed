"""Mutual TLS as every client here speaks it, and how it gets a new certificate without a restart.

- Trusts the folder's authority only, checks the server's name, shows `tls.pem`; TLS 1.3 at least.
- A new `tls.pem` is put in the old one's place and is shown by every connection made from then on. What is connected
  stays so: nothing is broken off, nothing is lost.
- A file that cannot be used is an alarm in the log, and the old certificate is shown on.
"""

import asyncio
import logging
import ssl
from pathlib import Path

log = logging.getLogger("entente.transport")

_LOOK_S = 2.0


def client_context(folder: Path) -> ssl.SSLContext:
    """From `ca.pem` and `tls.pem` of a principal's folder. Raises: `OSError`, `ssl.SSLError` (which is one)."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(folder / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / "tls.pem")
    return context


async def renewed(context: ssl.SSLContext, folder: Path, *, look_s: float = _LOOK_S) -> None:
    """Look for another `tls.pem` for ever, and show it from then on."""
    path = folder / "tls.pem"
    shown = _state(path)
    while True:
        await asyncio.sleep(look_s)
        found = _state(path)
        if found is None or found == shown:
            continue
        shown = found
        try:
            context.load_cert_chain(path)
        except OSError as error:
            log.critical(
                "the new certificate in '%s' cannot be used, the old one is shown on: %s", path, error
            )
        else:
            log.info("a new certificate is shown from '%s'", path)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
