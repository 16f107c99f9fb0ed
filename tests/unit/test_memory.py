"""What a process frees it keeps: the next parcels cost the kernel nothing."""

import platform
import subprocess
import sys

import pytest

_PARCELS = """
import resource
from schemas.memory import keep_freed
{first}
def step():
    return [bytes(b"x") * 900_000 for _ in range(12)]
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(first: str) -> int:
    ran = subprocess.run(
        [sys.executable, "-c", _PARCELS.format(first=first)], check=True, capture_output=True, text=True
    )
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no such setting")
def test_what_is_freed_is_not_taken_from_the_kernel_again() -> None:
    assert _faults("keep_freed()") * 20 < _faults("")
