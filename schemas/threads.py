"""How the threads of a process share the interpreter.

One of them has it at a time, and gives it up when it waits or, asked to, after a turn: 5 ms by Python's own rule. Here
one thread computes, a fold or what a batch holds, while another has something to say to a cluster or a database every
few microseconds, and would wait a whole turn each time (docs/performance.md).
"""

import sys
from typing import Final

_TURN_S: Final = 0.001


def take_short_turns() -> None:
    """Let a thread that computes go on for 1 ms while another one waits for the interpreter."""
    sys.setswitchinterval(_TURN_S)
