"""Randomness as a parameter, like the clock: vectors and tests then need no patching.

Salts, nonces, decoys and tree places come from here. Key generation stays with the cryptography
library, whose own generator cannot be seeded, on purpose.
"""

import hashlib
import os
from typing import Protocol
from weakref import WeakSet


class Entropy(Protocol):
    """A source of uniformly random bytes."""

    def random(self, size: int) -> bytes:
        """Return `size` random bytes."""
        ...


class SystemEntropy:
    """The operating system's generator, read in blocks.

    A system call for each 16-byte salt costs more than the hash it feeds; bytes are handed out
    once and never kept after use.
    """

    _BLOCK = 4096

    def __init__(self) -> None:
        self._block = b""
        self._at = 0
        _sources.add(self)

    def random(self, size: int) -> bytes:
        at = self._at
        if at + size > len(self._block):
            self._block = os.urandom(max(self._BLOCK, size))
            at = 0
        self._at = at + size
        return self._block[at : at + size]

    def forget(self) -> None:
        """Hand out nothing more of what was read."""
        self._block = b""


#: All of this process: a child that `fork` makes must never hand out what its parent does.
_sources: "WeakSet[SystemEntropy]" = WeakSet()


def _forget_all() -> None:
    for source in _sources:
        source.forget()


os.register_at_fork(after_in_child=_forget_all)


class SeededEntropy:
    """A reproducible stream for tests and vectors; never for real keys."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counter = 0

    def random(self, size: int) -> bytes:
        self._counter += 1
        return hashlib.shake_256(self._seed + self._counter.to_bytes(8, "big")).digest(size)
