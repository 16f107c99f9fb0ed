"""How a run's events are said: instants, kinds and names in words, and a sentence for each sort of case.

A `Group` is all cases of one sort; its sentence reads alike for the first case and for all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from deploy.stage.reasons import refused_because
from schemas.codes import Kind
from schemas.directory import Directory
from schemas.verdicts import Refused

_KINDS: Final = {
    Kind.BOAT_SUPPLY: ("boat supply record", "boat supply records"),
    Kind.EXPERTISE: ("piece of expertise", "pieces of expertise"),
    Kind.TECHNICAL_INFORMATION: ("piece of technical information", "pieces of technical information"),
}

#: Beside the portions that somebody got: that there was more in the record.
MORE: Final = "and more that it did not get"


def said_at(at_ms: int) -> str:
    """An instant as people say it, UTC: `Mon 1 June 09:14`."""
    at = datetime.fromtimestamp(round(at_ms / 1000), UTC)
    return f"{at:%a} {at.day} {at:%B %H:%M}"


def kind_in_words(kind: str, count: int = 1) -> str:
    """`return case`, `return cases`; the number is not in it."""
    one, many = _KINDS.get(Kind(kind), (kind.replace("_", " "), f"{kind.replace('_', ' ')}s"))
    return one if count == 1 else many


def counted(what: str, count: int, many: str | None = None) -> str:
    """`a debrief`, `an advert`, `3 adverts`."""
    if count == 1:
        return f"a{'n' if what[0] in 'aeio' else ''} {what}"
    return f"{count:,} {many or what + 's'}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """`a, b and c`; of more than `most` the first ones, and how many others."""
    found = list(names)
    shown = found if len(found) <= most else found[: most - 1]
    if rest := len(found) - len(shown):
        return f"{', '.join(shown)} and {rest} others"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


@dataclass(slots=True)
class Group:
    """Cases of one sort: how many, whose, for whom, of which kinds. `says` makes the sentence."""

    says: Callable[["Group"], str]
    count: int = 0
    told: int = 0
    originators: Counter[str] = field(default_factory=Counter)
    recipients: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def sentence(self) -> str:
        return self.says(self)

    @property
    def cases(self) -> str:
        """`a debrief of it-pds`, `9 return cases of gb-nca and fr-oltim`, `40 records of 7 agencies`."""
        if len(self.kinds) == 1:
            (kind,) = self.kinds
            what = counted(kind_in_words(kind), self.count, kind_in_words(kind, self.count))
        else:
            what = counted("record", self.count)
        return f"{what} of {_few(self.originators)}"

    @property
    def whose(self) -> str:
        return _few(self.originators)

    @property
    def whom(self) -> str:
        return _few(self.recipients)

    @property
    def they(self) -> str:
        return "it" if self.count == 1 else "them"


def _few(names: Counter[str]) -> str:
    return listed(sorted(names)) if len(names) <= 4 else f"{len(names)} agencies"


def gate_of_origin(group: Group) -> str:
    """A source state, and what concerns people who left it."""
    permitted = group.notes["permitted"]
    which = (
        "it" if group.count == 1 else "all of them" if permitted == group.count else f"{permitted:,} of them"
    )
    though = f", though a rule would have permitted {which}" if permitted else ""
    return f"{group.whom} got nothing of {group.cases}: the protection gate{though}"


def gate_of_origin_in_part(group: Group) -> str:
    """As `gate_of_origin`, where the record's other portions were released."""
    return f"{group.whom} got nothing on the persons in {group.cases}: the protection gate"


def gate_elsewhere(group: Group) -> str:
    """Partners exposed to where protected persons come from, or anybody where that is not known."""
    return f"{group.whom} got nothing on the persons in {group.cases}: the protection gate"


def little(group: Group) -> str:
    """What a source state or a platform got. Notes: portions by name, and `MORE`."""
    portions = sorted((name, n) for name, n in group.notes.items() if name != MORE)
    if len(portions) == 1:
        said = f"{group.whom} got the {portions[0][0]} of {group.cases}"
    elif group.count == 1:
        said = f"{group.whom} got the {listed(name for name, _ in portions)} of {group.cases}"
    else:
        each = listed(f"the {name} of {n:,}" for name, n in portions)
        said = f"{group.whom} got {group.cases}: {each}"
    return f"{said}, and nothing else of {group.they}" if group.notes[MORE] else said


def forbidden(what: str) -> Callable[[Group], str]:
    """What a rule kept from those whom the originator had named."""
    return lambda group: f"{group.whom} did not get {what} in {group.cases}, though named: a rule forbids it"


def posting_over(officer: str) -> Callable[[Group], str]:
    """What was addressed to an officer who was not posted when it was admitted."""
    return lambda group: (
        f"{group.whom} got nothing of {group.cases} for its officer {officer}, who was not posted at that time"
    )


def corrected(group: Group) -> str:
    """Revisions. Notes: `replaced` and `kept`, how many agencies' copies."""
    copies, kept = group.notes["replaced"], group.notes["kept"]
    said = (
        f"{counted('correction', group.count)} of {group.whose} replaced {copies:,} copies that agencies held"
    )
    if group.count == 1:
        (kind,) = group.kinds
        what = f"a correction of {group.whose} ({kind_in_words(kind)})"
        held = "one agency holds" if copies == 1 else f"{copies} agencies hold"
        said = (
            f"{what} replaced what {held}" if copies else f"{what} reached nobody who holds the earlier one"
        )
    return f"{said}; {counted('copy', kept, 'copies')} of what was before stayed" if kept else said


def refused(reason: str) -> Callable[[Group], str]:
    """Records that admission refused."""

    def says(group: Group) -> str:
        some = counted("record", group.count)
        verb = "is" if group.count == 1 else "are"
        if reason == Refused.ORIGINATOR_NOT_ACTIVE:
            return f"{group.whose} was suspended: {some} of it {verb} refused ({reason})"
        return f"{some} of {group.whose} {verb} refused: {refused_because(reason)} ({reason})"

    return says


def doubled(group: Group) -> str:
    """Resends of what the lane has already."""
    return f"{counted('record', group.count)} of {group.whose} came twice and counts once"


def unopened(reason: str) -> Callable[[Group], str]:
    """What a recipient could not open, as its receipts say."""
    return lambda group: f"{group.whom} could not open {group.cases} ({reason})"


Facts = dict[tuple[str, str], tuple[str, str]]


def facts(directory: Directory, at_ms: int) -> Facts:
    """What holds at an instant by the directory: for each fact, what to say when it begins and when it ends."""
    found: Facts = {}
    for s in directory.suspensions:
        if s.holds(at_ms):
            found["suspension", s.agency] = (
                f"{s.agency} is suspended: {s.reason}",
                f"the suspension of {s.agency} ends",
            )
    for c in directory.communities:
        if c.holds(at_ms):
            members = sorted(directory.members(c.id, at_ms))
            found["community", c.id] = (
                f"{c.id} begins: {c.name}, of {listed(members, 6)}",
                f"{c.id} ends: nothing reaches anybody through it any more",
            )
            for member in members:
                found[f"member of {c.id}", member] = (f"{member} joins {c.id}", f"{member} leaves {c.id}")
    for o in directory.officers:
        if o.holds(at_ms):
            where = f"with {o.host}" if o.host else f"to {o.posted_to}"
            found["officer", o.id] = (
                f"the posting of {o.id} {where} begins",
                f"the posting of {o.id} {where} ends: from now on nothing reaches {o.home} on that account",
            )
    for a in directory.agencies:
        if not directory.signs(a.id, at_ms):
            found["key", a.id] = (
                f"the signing key of {a.id} expires: it publishes nothing until members sign a new date",
                f"the signing key of {a.id} is good again",
            )
    return found


def changes(before: Facts, after: Facts) -> list[str]:
    """What begins and what ends between two states; of a community that does, its members are not told one by one."""
    moved = {key[1] for key in before.keys() ^ after.keys() if key[0] == "community"}

    def told(key: tuple[str, str]) -> bool:
        return key[0].removeprefix("member of ") not in moved

    ended = [before[key][1] for key in sorted(before.keys() - after.keys()) if told(key)]
    return ended + [after[key][0] for key in sorted(after.keys() - before.keys()) if told(key)]


def instants(directory: Directory) -> list[int]:
    """Every instant at which what holds by the directory may change, in order."""
    spans = [*directory.communities, *directory.officers, *directory.suspensions]
    found = {t for span in spans for t in (span.start_ms, span.end_ms)}
    found |= {t for c in directory.communities for m in c.members for t in (m.start_ms, m.end_ms)}
    found |= {a.signing_until_ms for a in directory.agencies}
    return sorted(t for t in found if t is not None)
