"""What an officer may be shown: a ceiling of the Traffic Light Protocol, handling codes, special categories.

- Everything is said, nothing follows: who is cleared for H3 is not by that cleared for H1, and no special category is
  implied by any ceiling.
- Of a liaison officer it stands in the arrangement, signed by the members; of an agency's own staff in its roster.
"""

from typing import Final

from schemas.codes import HandlingCode, SpecialCategory, Tlp
from schemas.model import Model, SortedSet

#: From what anybody may see to what only named people may (FIRST, TLP 2.0).
_RISING: Final = (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED)


class Clearance(Model):
    """What its holder may be shown. `tlp`: the highest mark; the sets: each code that may stand in a label."""

    tlp: Tlp
    handling_codes: SortedSet[HandlingCode] = frozenset()
    special: SortedSet[SpecialCategory] = frozenset()

    def reaches(self, tlp: Tlp) -> bool:
        """Whether the mark is not above the ceiling."""
        return _RISING.index(tlp) <= _RISING.index(self.tlp)

    def said(self) -> str:
        """In a few words, for people who are to agree to it."""
        return ", ".join([f"up to {self.tlp}", *sorted(self.handling_codes), *sorted(self.special)])
