"""Randomness as a parameter, like the clock: vectors and tests then need no patching.

Salts, nonces, decoys and tree places come from here. Key generation stays with the cryptography
library, whose own generator cannot be seeded, on purpose.
"""

import hashlib
import os
from typing import Protocol


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
        self._pid = os.getpid()

    def random(self, size: int) -> bytes:
        if self._at + size > len(self._block) or self._pid != os.getpid():  # never share a block over fork
            self._block = os.urandom(max(self._BLOCK, size))
            self._at = 0
            self._pid = os.getpid()
        at = self._at
        self._at = at + size
        return self._block[at : at + size]


class SeededEntropy:
    """A reproducible stream for tests and vectors; never for real keys."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._counter = 0

    def random(self, size: int) -> bytes:
        self._counter += 1
        return hashlib.shake_256(self._seed + self._counter.to_bytes(8, "big")).digest(size)
