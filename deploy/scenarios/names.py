"""What was probably meant by a name that nobody knows."""

from collections.abc import Iterable
from difflib import get_close_matches

_FEW = 8


def hint(name: str, known: Iterable[str]) -> str:
    """An addition to a message about an unknown name: the nearest known one, or all if they are few."""
    names = sorted(set(known))
    near = get_close_matches(name, names, n=1, cutoff=0.7)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there are {', '.join(names)}" if 0 < len(names) <= _FEW else ""
