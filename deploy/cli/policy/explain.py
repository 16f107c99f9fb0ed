"""`entente policy explain`: why an agency would get a record's portions or not, and what would turn it.

    entente policy explain record.yaml --to xa-np
    entente policy explain record.yaml --to xa-np --as recipient
    entente policy explain 01a22b80-f437-76be-9390-21fe6798f768 --run .entente/run-1 --to xa-np

- FILE has the labels of a record, as `broker.policy.drafted` reads them; no content is needed, nothing is sealed.
- With `--run`, a record that was decided is explained under the version that decided it, as of its admission.
- What would turn a refusal is searched, never advised: a fact about a person is worded as what would have to be true.
- The recipient's view tells what its certificate would. All else is to it as if it were not there.

Exit code 0 if the agency gets every portion asked about, 1 if not, 2 for what cannot be read. In the recipient's view
it is 0.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from re import fullmatch
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from broker.policy.arranged import engine_of
from broker.policy.explain.explaining import (
    MOST_ASKED,
    Explained,
    ExplainedPortion,
    Received,
    Share,
    Turn,
    explain,
    received,
)
from broker.policy.explain.words import changes_in_words
from broker.policy.foreseeing import Portion
from broker.policy.loader import Rule
from broker.policy.proof.words import WITHHELD_IN_WORDS
from deploy.cli.policy.common import (
    USUAL,
    ArrangementOption,
    JsonOption,
    now_ms,
    read_draft,
    read_source,
)
from deploy.errors import Refused
from schemas.codes import PortionName
from schemas.ids import AgencyId

app = typer.Typer()

_RECORD_ID = r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Standing(StrEnum):
    """Who asks: it decides what may be told."""

    ORIGINATOR = "originator"
    AUDITOR = "auditor"
    RECIPIENT = "recipient"


@app.command()
def policy_explain(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="The labels of a record, YAML or JSON; with --run, a record's id."
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="AGENCY", help="The agency that it is about.")],
    arrangement: ArrangementOption = USUAL,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of a run that decided the record, as `entente demo` prints it."),
    ] = None,
    portion: Annotated[PortionName | None, typer.Option(help="Only this portion.")] = None,
    standing: Annotated[Standing, typer.Option("--as", help="Who asks.")] = Standing.ORIGINATOR,
    most_asked: Annotated[
        int, typer.Option(min=0, help="How often Cedar is asked at most for what would turn a refusal.")
    ] = MOST_ASKED,
    as_json: JsonOption = False,
) -> None:
    """Say why an agency would get a record's portions or not, and the smallest changes that would turn it."""
    whole = standing is not Standing.RECIPIENT
    asked = _Asked(to, portion, most_asked if whole else 0, whole)
    explained = _of_file(Path(file), arrangement, asked) if run is None else _of_run(file, run, asked)
    if not whole:
        told = received(explained)
        print(json.dumps(_received_json(told)) if as_json else "\n".join(received_lines(told)))
        return
    if explained is None:
        raise Refused(f"no ledger of the run '{run}' has a record '{file}'")
    if as_json:
        print(json.dumps(explained_json(explained)))
    else:
        console = Console(highlight=False)
        for line in explained_lines(explained):
            console.print(line, markup=False, soft_wrap=False)
    withheld = explained.refused is not None or any(p.withheld is not None for p in explained.portions)
    raise typer.Exit(1 if withheld else 0)


class _Asked(NamedTuple):
    """What the caller wants to know. `whole`: as the originator or an auditor may."""

    to: str
    portion: PortionName | None
    most_asked: int
    whole: bool


def _of_file(file: Path, arrangement: str, asked: _Asked) -> Explained:
    source, record = read_source(arrangement), read_draft(file)
    at_ms = record.at_ms(now_ms())
    recipient = _recipient(asked.to, record.originator, source.directory.agency_ids)
    if record.originator not in source.directory.agency_ids:
        raise Refused(f"'{file}': originator: '{record.originator}' is no agency of '{arrangement}'")
    try:
        portions = record.labelled(source.directory, at_ms)
    except KeyError as error:
        missing = f"'{error.args[0]}' is neither a portion of '{record.kind}' nor an id of '{arrangement}'"
        raise Refused(f"'{file}': portions: {missing}") from error
    _check_portion(f"'{file}': the record", portions, asked)
    return explain(
        engine_of(source),
        record.originator,
        record.kind,
        portions,
        recipient,
        at_ms,
        asked.most_asked,
        asked.portion,
    )


def _of_run(record: str, folder: Path, asked: _Asked) -> Explained | None:
    """None: nothing that the caller could be told of. Raises: `Refused`, `DeployError`."""
    from deploy.stage.decided import (
        read_decided,
    )  # labels in a file are explained without the cluster's client

    if fullmatch(_RECORD_ID, record) is None:
        raise Refused(f"'{record}': expected a record's id, 32 hexadecimal digits, as --run is given")
    decided, directory = asyncio.run(read_decided(folder, bytes.fromhex(record.replace("-", ""))))
    if asked.to not in directory.agency_ids:
        raise Refused(f"--to '{asked.to}' is no agency of the run, but {', '.join(directory.agency_ids)}")
    if decided is None or (not asked.whole and asked.to == decided.originator):
        return None
    recipient = _recipient(asked.to, decided.originator, directory.agency_ids)
    if decided.refused is not None or decided.kind is None:
        return Explained(recipient, decided.refused, ())
    _check_portion("the record", decided.portions, asked)
    explained = explain(
        decided.engine,
        decided.originator,
        decided.kind,
        decided.portions,
        recipient,
        decided.at_ms,
        asked.most_asked,
        asked.portion,
    )
    decided.check(explained)
    return explained


def _check_portion(what: str, portions: Sequence[Portion], asked: _Asked) -> None:
    names = [portion.name for portion in portions]
    if asked.whole and asked.portion is not None and asked.portion not in names:
        raise Refused(f"{what} has no portion '{asked.portion}', but {', '.join(names)}")


def _recipient(to: str, originator: AgencyId, known: tuple[AgencyId, ...]) -> AgencyId:
    if to not in known:
        raise Refused(f"--to '{to}' is no agency of the arrangement, but {', '.join(known)}")
    if to == originator:
        raise Refused(f"--to '{to}' is the originator, who has the record; expected another agency")
    return AgencyId(to)


def explained_lines(explained: Explained) -> Iterator[str]:
    """The whole explanation, for originator and auditors."""
    if explained.refused is not None:
        yield f"admission would refuse the record: {explained.refused.replace('_', ' ')}"
        return
    for portion in explained.portions:
        yield from _portion_lines(portion, explained.recipient)


def _portion_lines(portion: ExplainedPortion, recipient: AgencyId) -> Iterator[str]:
    outcome = "released" if portion.withheld is None else WITHHELD_IN_WORDS[portion.withheld]
    yield f"{portion.name} to {recipient}: {outcome}"
    if portion.why:
        yield f"  {portion.why}"
    for rule in portion.rules:
        yield f"  by {rule.id}: {rule.reason}"
        yield f"    legal basis: {rule.legal_basis}"
    for lacking in portion.nearest:
        yield f"  nearest: {lacking.rule.id}: {lacking.rule.reason}"
        yield from (f"    it still asks that {part}" for part in lacking.parts)
    if portion.turns is None:
        return
    turns = portion.turns
    if turns.told:
        yield "  it would be released by one of these:"
    for turn in turns.told:
        yield f"  - {changes_in_words(turn.changes, portion.name, recipient)}"
        for words, shares in (("then also gets", turn.opens), ("then no longer gets", turn.closes)):
            if shares:
                yield f"      {words}: {_shares(shares)}"
    if turns.more:
        yield f"  and {turns.more} more of as many changes"
    if turns.stopped:
        yield f"  stopped after Cedar was asked {turns.asked} times: not all were tried"
    elif not turns.told:
        yield "  no three changes, nor fewer, would release it"


def _shares(shares: tuple[Share, ...]) -> str:
    return ", ".join(f"{share.agency} the portion {share.portion}" for share in shares)


def received_lines(told: Received) -> Iterator[str]:
    """The recipient's view: what came, and nothing else."""
    if not told.portions:
        yield "nothing of such a record has come to you"
        return
    yield f"released to you: {', '.join(told.portions)}"
    for rule in told.rules:
        yield f"  {rule.id}: {rule.reason}"


def _received_json(told: Received) -> dict[str, object]:
    return {"released": list(told.portions), "rules": [{"id": r.id, "reason": r.reason} for r in told.rules]}


def explained_json(explained: Explained) -> dict[str, object]:
    """The whole explanation for machines."""
    return {
        "recipient": explained.recipient,
        "refused": explained.refused,
        "portions": [_portion_json(portion, explained.recipient) for portion in explained.portions],
    }


def _portion_json(portion: ExplainedPortion, recipient: AgencyId) -> dict[str, object]:
    turns = portion.turns
    return {
        "name": portion.name,
        "withheld": portion.withheld,
        "why": portion.why,
        "rules": [_rule_json(rule) for rule in portion.rules],
        "nearest": [{"rule": one.rule.id, "asks": list(one.parts)} for one in portion.nearest],
        "turns": None
        if turns is None
        else {
            "told": [_turn_json(turn, portion.name, recipient) for turn in turns.told],
            "more": turns.more,
            "asked": turns.asked,
            "stopped": turns.stopped,
        },
    }


def _rule_json(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "effect": rule.effect,
        "reason": rule.reason,
        "legal_basis": rule.legal_basis,
        "obligation": rule.obligation,
    }


def _turn_json(turn: Turn, about: PortionName, recipient: AgencyId) -> dict[str, object]:
    return {
        "words": changes_in_words(turn.changes, about, recipient),
        "changes": [
            {
                "nature": c.nature,
                "portion": c.portion,
                "field": c.field,
                "verb": c.verb,
                "values": list(c.values),
            }
            for c in turn.changes
        ],
        "opens": [{"portion": s.portion, "agency": s.agency} for s in turn.opens],
        "closes": [{"portion": s.portion, "agency": s.agency} for s in turn.closes],
    }
