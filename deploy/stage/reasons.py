"""Why portions were withheld and records refused, in plain words: codes of closed lists, and rules of every version."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from broker.versions import Versions
from schemas.ids import RuleId
from schemas.verdicts import Refused, Withheld

_QUARANTINED: Final = "quarantined: "

_WITHHELD: Final = {
    Withheld.GATE: "The protection gate: nothing on protected persons to where they come from.",
    Withheld.NOT_ADDRESSED: "The originator did not name the agency; nobody adds a recipient to its list.",
    Withheld.NO_PERMIT: "No rule permits it, and what no rule permits is withheld.",
}

_REFUSED: Final = {
    Refused.ORIGINATOR_NOT_ACTIVE: "of a suspended agency",
    Refused.EXPIRED: "past the date of erasure",
    Refused.CREATED_IN_FUTURE: "dated in the future",
    Refused.BAD_SEAL: "under a seal that does not hold",
    Refused.BAD_PATH: "not part of what was sealed",
    Refused.WRONG_ORIGINATOR: "in the name of another agency",
    Refused.UNKNOWN_SIGNER: "signed by nobody who may sign",
    Refused.SIGNER_EXPIRED: "signed with a key that was good no longer",
    Refused.UNKNOWN_VERSION: "sealed under a version that holds no longer",
    Refused.LABEL_NOT_IN_ARRANGEMENT: "labelled for somebody whom the arrangement does not know",
    Refused.AUDIENCE_MISMATCH: "sealed for others than the label names",
    Refused.EQUIVOCATION: "another text under the same revision",
    Refused.BAD_REVISION: "not the next revision",
    Refused.SEQUENCE_REUSED: "numbered as another record is",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """How often something was withheld or refused, and why. `rule`: its id, or the code of a closed list."""

    count: int
    text: str
    rule: str


def refused_because(reason: str) -> str:
    """Why records are refused at admission, in words that follow a colon."""
    return _REFUSED.get(Refused(reason), reason.replace("_", " "))


def withheld_because(why: Withheld, rules: Sequence[RuleId]) -> str:
    """Why an agency did not get a portion, in words that follow a colon. `rules`: those that forbade it."""
    if why is Withheld.FORBIDDEN:
        return f"forbidden by {', '.join(rules)}" if rules else "the rules could not be evaluated"
    return {
        Withheld.GATE: "the protection gate, as it would reach where a protected person comes from",
        Withheld.NOT_ADDRESSED: "the originator did not name it",
        Withheld.NO_PERMIT: "no rule permits it",
    }[why]


def rules_in_words(versions: Versions) -> dict[RuleId, str]:
    """The reason of each rule that any version had; of a rule that changed, its last one."""
    return {rule: reason for version in versions.values() for rule, reason in version.reasons.items()}


def withheld_reasons(reasons: Counter[str], rules: Mapping[RuleId, str]) -> list[Reason]:
    """Why portions were withheld: gate, originator's list and lack of a permit first, then rules, the busiest first."""
    first = [Reason(reasons[code], text, code) for code, text in _WITHHELD.items() if reasons[code]]
    ruled = [
        Reason(count, rules.get(RuleId(why), why), why if RuleId(why) in rules else "")
        for why, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        if why not in [*_WITHHELD] and not why.startswith(_QUARANTINED)
    ]
    return first + ruled


def refused_reasons(reasons: Counter[str]) -> list[Reason]:
    """Why records were refused at admission, the most frequent first."""
    found = {why.removeprefix(_QUARANTINED): n for why, n in reasons.items() if why.startswith(_QUARANTINED)}
    return [
        Reason(count, refused_because(code), code)
        for code, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]
