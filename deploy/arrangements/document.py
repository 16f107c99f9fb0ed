"""An arrangement as a page that people read: who takes part, which rules hold, in plain words.

    python -m deploy.arrangements.document g7 > docs/arrangement-g7.md

- Everything comes from the arrangement: tables from the directory, conditions from the syntax tree of the rules,
  reasons from their annotations, explanations from the comments that stand above them.
- What follows `Protective reading:` in a comment is also collected in a section of its own.
"""

import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

from cedarpy import pst

from broker.policy import Rule
from broker.policy.entities import CLOSED_LISTS, PORTION
from broker.policy.words import All, One, Phrase, conditions, said, speaks_of
from deploy.arrangements import SHIPPED, ArrangementError, ArrangementSource, read_arrangement
from schemas.codes import AgencyRole, State
from schemas.directory import Agency, Community, Interval, Officer
from schemas.verdicts import Effect

READING = "Protective reading:"

#: Closed lists of which the table of rules tells more.
_ELSEWHERE = ("AgencyRole", "PortionName")

_HOW_TO_READ = """\
A record is cut into portions, and each portion carries a label: whom it is addressed to, what it may be used for, how
it is to be handled. For every portion and every partner four questions are asked, in this order:

1. **The protection gate.** Does the portion bear a person under protection, and is the partner exposed to that person's
   state of origin? Then it is withheld. No rule can open the gate.
2. **Is the partner addressed?** The originator names agencies, communities or officers. Nobody else gets anything.
3. **Does a rule forbid it?** One that forbids beats all that permit.
4. **Does a rule permit it?** What no rule permits is withheld.

Under protection is everyone but a suspect or a convicted person without any ground of protection (victim, minor,
seeking protection) whose protection the originator cleared explicitly. An origin that is not known counts as every
state; so does the exposure of an agency that has not stated it."""


_INTRODUCTION = (
    """No agency named here takes part, and every person is invented. XA and XB are no real states."""
)

_MEMBERS = """*Seen in* lists the states that see what an agency holds, beside its own. Officers add to it: while one
is hosted, the states of either agency count for the other; while one is posted, the state of the posting counts for
what a label addresses to that officer."""

_OFFICERS = """A label may name an officer. The home agency, whose id stands before the slash, then gets the portion for
that officer, while the posting holds. *Shown there* is what the host may show of what it holds itself."""

_RULES = """A rule that *permits* opens, one that *forbids* closes whatever others permit. Of the conditions under
*When* all have to hold; of those under *Unless* one suffices to lift the rule."""

_APART = """The conditions of each rule once more, apart: what it asks of the recipient, alone or in relation to the
portion, and what it asks of the portion alone. All have to hold; each *unless* is an exception that suffices."""


_CODES = """A code that no rule names travels with the portion and binds its recipient; it decides nothing here. The
protection gate, which is no rule, reads categories of persons, grounds of protection and states of origin besides."""


def document(source: ArrangementSource) -> str:
    """The page, in Markdown, ending in a newline."""
    directory = source.directory
    rules = _by_file(source.policy.rules.values())
    blocks = [
        f"# The arrangement `{source.federation}` in plain words",
        f"<!-- Made from deploy/arrangements/{source.federation} by deploy.arrangements.document; change it there. -->",
        _wrapped(_INTRODUCTION),
        _wrapped(
            f"{len(directory.agencies)} agencies, {len(directory.communities)} communities, "
            f"{len(directory.officers)} officers, {len(source.policy.rules)} rules. A version of the arrangement "
            f"holds once {source.threshold} of its agencies have signed it."
        ),
        "## How to read it",
        _HOW_TO_READ,
        "## Members",
        _wrapped(_MEMBERS),
        _table(("Id", "Name", "Role", "States", "Seen in"), map(_member, directory.agencies)),
        "## Communities",
        "A start belongs to the interval, an end does not. All times are UTC.",
        _table(("Id", "Name", "Lead", "From", "Until", "Members"), map(_community, directory.communities)),
        "## Officers",
        _wrapped(_OFFICERS),
        _table(
            ("Id", "Sits with", "Posted to", "From", "Until", "Shown there"),
            map(_officer, directory.officers),
        ),
    ]
    if directory.suspensions:
        rows = ((f"`{s.agency}`", *_span(s), s.reason) for s in directory.suspensions)
        blocks += ["## Suspensions", _table(("Agency", "From", "Until", "Reason"), rows)]
    blocks += _readings(source, rules)
    blocks += ["## The rules", _wrapped(_RULES)]
    for file, of_file in rules.items():
        blocks += _section(source.policies[file], file, of_file)
    blocks += [
        "## Rule, who, what",
        _wrapped(_APART),
        _table(("Rule", "Does", "Who", "What"), map(_apart, source.policy.rules.values())),
        "## Which rule speaks of which code",
        _wrapped(_CODES),
        *_spoken(list(source.policy.rules.values())),
    ]
    return "\n\n".join(blocks) + "\n"


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        text,
        120,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _by_file(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    """The rules in the order in which they are written."""
    found: dict[str, list[Rule]] = {}
    for rule in sorted(rules, key=lambda r: (r.file, r.line)):
        found.setdefault(rule.file, []).append(rule)
    return found


# -- the directory -------------------------------------------------------------------------------------------


def _member(agency: Agency) -> tuple[str, ...]:
    exposed = agency.exposed_states
    seen = "every state" if exposed is None else ", ".join(sorted(exposed)) or "-"
    also = ", coordinating" if agency.coordinating and agency.role != AgencyRole.COORDINATION else ""
    role = agency.role.replace("_", " ") + also
    return f"`{agency.id}`", agency.name, role, ", ".join(sorted(agency.states)), seen


def _community(community: Community) -> tuple[str, ...]:
    members = []
    for member in community.members:
        span = [word for word in _span(member) if word != "-"]
        members.append(f"`{member.agency}`" + (f" ({' to '.join(span)})" if span else ""))
    lead = f"`{community.lead}`" if community.lead else "-"
    return f"`{community.id}`", community.name, lead, *_span(community), ", ".join(members)


def _officer(officer: Officer) -> tuple[str, ...]:
    host = f"`{officer.host}`" if officer.host else "-"
    cleared = "-" if officer.clearance is None else officer.clearance.said()
    return f"`{officer.id}`", host, str(officer.posted_to or "-"), *_span(officer), cleared


def _span(interval: Interval) -> tuple[str, str]:
    return _instant(interval.start), _instant(interval.end)


def _instant(at: datetime | None) -> str:
    if at is None:
        return "-"
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(" ", "milliseconds").removesuffix(".000").removesuffix(" 00:00:00")


# -- the rules -----------------------------------------------------------------------------------------------


def _readings(source: ArrangementSource, rules: dict[str, list[Rule]]) -> Iterator[str]:
    """The comments that state a protective reading, with the rules that carry them."""
    found = []
    for file, of_file in rules.items():
        lines = source.policies[file].split("\n")
        told = [(_comment(lines, 0, down=True), "")]
        told += [(_comment(lines, rule.line - 2), f"`{rule.id}`: {rule.reason} ") for rule in of_file]
        for comment, of in told:
            _, marked, reading = comment.partition(READING)
            if marked:
                found.append(_wrapped(f"{of}{_sentence(reading.strip())}", "- ", "  "))
    if found:
        yield "## Protective readings"
        yield "Where law or definitions leave a choice, this arrangement takes the reading that protects."
        yield "\n".join(found)


def _section(text: str, file: str, rules: list[Rule]) -> Iterator[str]:
    lines = text.split("\n")
    yield f"### {_sentence(file.rsplit('/', 1)[-1].removesuffix('.cedar').replace('-', ' '))}"
    if opening := _comment(lines, 0, down=True):
        yield _wrapped(opening)
    for rule in rules:
        yield _rule(rule, _comment(lines, rule.line - 2))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _comment(lines: list[str], at: int, down: bool = False) -> str:
    """The comment of which line `at`, counted from 0, is the last, or the first; empty if there is none."""
    found: list[str] = []
    while 0 <= at < len(lines) and lines[at].startswith("//"):
        found.append(lines[at].removeprefix("//").strip())
        at += 1 if down else -1
    return " ".join(found if down else reversed(found))


def _rule(rule: Rule, comment: str) -> str:
    must, exceptions = conditions(rule.node)
    lines = [f"#### `{rule.id}`", "", _wrapped(f"**{_sentence(_does(rule))}.** {rule.reason}"), ""]
    lines.append("- When:" if must else "- Always.")
    for part in must:
        lines += _listed(part, 1)
    if exceptions:
        lines.append("- Unless:")
        for part in exceptions:
            lines += _listed(part, 1)
    told = [f"Legal basis: {rule.legal_basis}"]
    if rule.obligation:
        bound = "Obligation" if rule.effect is Effect.PERMIT else "Obligation of those who may have it"
        told.append(f"{bound}: {rule.obligation}")
    if comment:
        told.append(f"Why so: {_sentence(comment.removeprefix(READING).strip())}")
    return "\n".join([*lines, *(_wrapped(item, "- ", "  ") for item in told)])


def _does(rule: Rule) -> str:
    return "permits" if rule.effect is Effect.PERMIT else "forbids"


def _listed(part: Phrase, depth: int) -> Iterator[str]:
    """A condition as items of a list; what belongs together is set in."""
    indent = "  " * depth
    if isinstance(part, All | One):
        yield f"{indent}- {'all of these:' if isinstance(part, All) else 'one of these:'}"
        for inner in part.parts:
            yield from _listed(inner, depth + 1)
    else:
        yield _wrapped(part.text, f"{indent}- ", f"{indent}  ")


def _apart(rule: Rule) -> tuple[str, ...]:
    """What the rule asks of the recipient (also in relation to the portion), and what of the portion alone."""
    must, exceptions = conditions(rule.node)
    who: list[str] = []
    what: list[str] = []
    for part in must:
        (who if "principal" in speaks_of(part) else what).append(said(part))
    for part in exceptions:
        (who if "principal" in speaks_of(part) else what).append(f"*unless* {said(part)}")
    return f"`{rule.id}`", _does(rule), "; ".join(who) or "any agency", "; ".join(what) or "any portion"


def _spoken(rules: Collection[Rule]) -> Iterator[str]:
    """The codes with the rules that name them, or ask of their list only whether it is empty; then all others."""
    rows, silent = [], []
    for name, codes in CLOSED_LISTS.items():
        fields = {field for field, (kind, _) in PORTION.items() if kind in (name, f"Set<{name}>")}
        named: dict[str, list[str]] = {}
        for rule in rules:
            ids = {uid.id for uid in pst.entity_uids(rule.node) if str(uid.type) == name}
            for code in ids or ({""} if fields & rule.reads.resource else set()):
                named.setdefault(code, []).append(f"`{rule.id}`")
        if name in _ELSEWHERE:
            continue
        if "" in named:
            rows.append((f"any {_title(name)}", ", ".join(named[""])))
        rows += [(f"{_title(name)} `{c}`", ", ".join(named[c])) for c in codes if c in named]
        unnamed = [f"`{c}`" for c in codes if not named.keys() & {c, ""}]
        silent += [f"{_title(name)} {', '.join(unnamed)}"] if unnamed and codes is not State else []
    yield _table(("Code", "Rules"), rows)
    yield _wrapped(f"Named by no rule: {'; '.join(silent)}.")


def _title(name: str) -> str:
    """`HandlingCode` as `handling code`, `Tlp` as `TLP`."""
    if name == "Tlp":
        return "TLP"
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def main(arguments: list[str]) -> int:
    """Print the page of a shipped arrangement; 2 if it cannot be read."""
    if len(arguments) != 1:
        print("usage: python -m deploy.arrangements.document ARRANGEMENT", file=sys.stderr)
        return 2
    try:
        page = document(read_arrangement(SHIPPED / arguments[0]))
    except ArrangementError as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
