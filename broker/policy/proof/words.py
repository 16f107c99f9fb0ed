"""A concrete question in words: the labels, the two agencies, the decision."""

from collections.abc import Iterator, Mapping

import yaml

from broker.policy.foreseeing import Foreseen
from broker.policy.loader import Policy
from broker.policy.proof.witness import Witness
from schemas.verdicts import Withheld

WITHHELD_IN_WORDS: Mapping[Withheld, str] = {
    Withheld.GATE: "withheld by the protection gate",
    Withheld.NOT_ADDRESSED: "withheld: not addressed",
    Withheld.FORBIDDEN: "forbidden",
    Withheld.NO_PERMIT: "withheld: no rule permits it",
}


#: One letter for each outcome, where there is room for no more.
LETTERS: Mapping[Withheld | None, str] = {
    None: "R",
    Withheld.GATE: "G",
    Withheld.FORBIDDEN: "F",
    Withheld.NO_PERMIT: "P",
    Withheld.NOT_ADDRESSED: "·",
}


def decided_in_words(decided: Foreseen) -> str:
    """One line: released or withheld, and by which rules."""
    by = f" by {', '.join(decided.rules)}" if decided.rules else ""
    return f"{'released' if decided.withheld is None else WITHHELD_IN_WORDS[decided.withheld]}{by}"


def witness_lines(witness: Witness, decided: Foreseen, policy: Policy) -> Iterator[str]:
    """The concrete question, for people; what stands in `record:` can be given to `entente policy explain`."""
    document = witness.document()
    to = "as the directory stands" if witness.as_today else "supposed: no such entry stands in the directory"
    yield f"{document['portion']} to {witness.recipient.id} ({to}): {decided_in_words(decided)}"
    for rule in decided.rules:
        yield f"  {rule}: {policy.rules[rule].reason}"
    shown = {name: document[name] for name in ("originator", "recipient", "record")}
    for line in yaml.safe_dump(shown, sort_keys=False, default_flow_style=None, width=100).splitlines():
        yield f"  {line}"
