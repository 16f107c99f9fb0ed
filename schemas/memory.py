"""How a process treats the memory that it has freed.

What travels is parcels of hundreds of kilobytes, made and dropped all the time. glibc gives such pieces back to the
kernel as soon as they are free, and the next step takes them again page by page: that cost the broker more than making
the bytes in them (docs/performance.md). So a process keeps what a few steps need.
"""

import ctypes
from typing import Final

# mallopt(3); the values of <malloc.h>.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2  # one thread at a time has the interpreter, so that more would only keep more
_KEPT: Final = 64 << 20
_LARGEST: Final = 32 << 20  # glibc takes no more


def keep_freed() -> None:
    """Keep up to 64 MiB that are free, in each of two arenas. Another C library than glibc is left as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
