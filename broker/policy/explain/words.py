"""Changes in plain words: what to mark otherwise, what would have to be true, what the members would have to sign.

A fact is worded as a condition (`only if it is true that ..`), never as something to do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from broker.policy.explain.edits import Change, Nature, Verb
from schemas.codes import ProtectionGround
from schemas.labels import retention_date

_SET, _ADD, _REMOVE = Verb.SET, Verb.ADD, Verb.REMOVE
_Words = Callable[[str, str, str], str]

#: (field, verb) -> words of: the portion, the values, the recipient.
_MARKINGS: Final[Mapping[tuple[str, Verb], _Words]] = {
    ("tlp", _SET): lambda p, v, r: f"mark {p} TLP:{v}",
    ("handling_codes", _ADD): lambda p, v, r: f"add the handling code {v} to {p}",
    ("handling_codes", _REMOVE): lambda p, v, r: f"take the handling code {v} off {p}",
    ("purposes", _ADD): lambda p, v, r: f"add the purpose {v} to {p}",
    ("purposes", _REMOVE): lambda p, v, r: f"take the purpose {v} off {p}",
    ("caveats", _ADD): lambda p, v, r: f"add the caveat {v} to {p}",
    ("caveats", _REMOVE): lambda p, v, r: f"take the caveat {v} off {p}",
    ("retain_until", _SET): lambda p, v, r: f"keep {p} until {v} or longer",
    ("agencies", _ADD): lambda p, v, r: f"address {p} to {v} by name",
    ("agencies", _REMOVE): lambda p, v, r: f"do not address {p} to {v} by name",
    ("communities", _ADD): lambda p, v, r: f"address {p} to the community {v}",
    ("communities", _REMOVE): lambda p, v, r: f"do not address {p} to the community {v}",
    ("officers", _ADD): lambda p, v, r: f"address {p} to the officer {v}",
    ("officers", _REMOVE): lambda p, v, r: f"do not address {p} to the officer {v}",
}
_FACTS: Final[Mapping[tuple[str, Verb], _Words]] = {
    ("subjects", _SET): lambda p, v, r: f"each person in {p} is of the category {v}",
    ("subjects", _ADD): lambda p, v, r: f"a person in {p} is of the category {v}",
    ("subjects", _REMOVE): lambda p, v, r: f"no person in {p} is of the category {v}",
    ("grounds", _ADD): lambda p, v, r: f"a person in {p} {v}",
    ("grounds", _REMOVE): lambda p, v, r: f"no person in {p} {v}",
    ("protection_cleared", _SET): lambda p, v, r: (
        f"protection was {'cleared' if v == 'true' else 'not cleared'} explicitly for the persons in {p}"
    ),
    ("origins", _ADD): lambda p, v, r: f"a person in {p} comes from {v}",
    ("origins", _REMOVE): lambda p, v, r: f"no person in {p} comes from {v}",
    ("origins", _SET): lambda p, v, r: (
        f"the persons in {p} are known to come from no state that sees what {r} holds (tried with {v})"
    ),
    ("special", _ADD): lambda p, v, r: f"{p} holds data of the special category {v}",
    ("special", _REMOVE): lambda p, v, r: f"{p} holds no data of the special category {v}",
    ("source", _SET): lambda p, v, r: f"the source of {p} is assessed as {v}",
    ("information", _SET): lambda p, v, r: f"the information in {p} is assessed as {v}",
}
_DIRECTORY: Final[Mapping[tuple[str, Verb], _Words]] = {
    ("role", _SET): lambda p, v, r: f"the role of {r} is {v}",
    ("coordinating", _SET): lambda p, v, r: (
        f"{r} is {'a coordinating agency' if v == 'true' else 'no coordinating agency'}"
    ),
    ("suspended", _SET): lambda p, v, r: f"{r} is not suspended",
    ("community", _ADD): lambda p, v, r: f"{r} is a member of {v} now",
    ("community", _REMOVE): lambda p, v, r: f"{r} is no member of {v}",
    ("exposed_states", _SET): lambda p, v, r: (
        f"it is stated that no state beside its own sees what {r} holds"
    ),
    ("exposed_states", _REMOVE): lambda p, v, r: f"{v} does not see what {r} holds",
    ("host", _REMOVE): lambda p, v, r: f"the officer {v} sits with no other agency",
}
_GROUNDS: Final = {
    ProtectionGround.VICTIM: "is a victim",
    ProtectionGround.MINOR: "is a minor",
    ProtectionGround.SEEKING_PROTECTION: "seeks protection",
}
#: Codes that are words; all others are said as they are written.
_SPOKEN: Final = frozenset({"role", "special", "subjects", "purposes"})


def change_in_words(change: Change, about: str | None, recipient: str) -> str:
    """One change. `about`: the portion that is called `it`."""
    portion = "it" if change.portion == about else f"the portion {change.portion}"
    table = {Nature.MARKING: _MARKINGS, Nature.FACT: _FACTS, Nature.DIRECTORY: _DIRECTORY}[change.nature]
    *others, last = (_value(change.field, value) for value in change.values)
    values = f"{', '.join(others)} or {last}" if others else last
    return table[change.field, change.verb](portion, values, recipient)


def changes_in_words(changes: Sequence[Change], about: str | None, recipient: str) -> str:
    """Changes that are made together, in one sentence without its full stop."""
    parts = []
    for nature, opening in (
        (Nature.MARKING, ""),
        (Nature.DIRECTORY, "if the arrangement is to say that "),
        (Nature.FACT, "only if it is true that "),
    ):
        said = [change_in_words(c, about, recipient) for c in changes if c.nature is nature]
        if said:
            parts.append(opening + " and ".join(said))
    return ", ".join(parts)


def _value(field: str, value: str) -> str:
    if field == "retain_until":
        return retention_date(int(value))
    if field == "grounds":
        return _GROUNDS[ProtectionGround(value)]
    return value.replace("_", " ") if field in _SPOKEN else value
