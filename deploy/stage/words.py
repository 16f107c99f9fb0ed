"""A ledger leaf in plain words: when, what, and what was decided, as its originator may read it."""

from datetime import UTC, datetime

from broker.index import outcomes
from deploy.stage.evidence import Ledger
from schemas.clock import ClockMap
from schemas.ids import Digest, record_text
from schemas.ledger import Activation, Admitted, ControlNoted, Duplicate, Gap, Leaf, Quarantined


def leaf_in_words(ledger: Ledger, leaf: Leaf) -> tuple[str, str, str]:
    """Time of admission, what the leaf is about, and the decision."""
    match leaf:
        case Admitted():
            what = f"{leaf.kind} {record_text(leaf.record_id)[-12:]} no. {leaf.sequence}, revision {leaf.revision}"
            return _time(leaf.at_ms), what, _decision(ledger, leaf)
        case Quarantined():
            return (
                _time(leaf.at_ms),
                f"offset {leaf.offset}, entry {leaf.entry}",
                f"[red]refused: {leaf.reason}[/]",
            )
        case Duplicate():
            return _time(leaf.at_ms), f"no. {leaf.sequence} again", "dropped: a duplicate"
        case Gap():
            return (
                _time(leaf.at_ms),
                f"no. {leaf.first} to {leaf.next - 1} never seen",
                "[red]alarm: a gap[/]",
            )
        case ControlNoted():
            return _time(leaf.at_ms), leaf.code, f"forwarded to {leaf.to}" if leaf.to else "noted"
        case Activation():
            return "", "activation", f"arrangement {leaf.arrangement.hex()[:16]}… from offset {leaf.offset}"


def clock_in_words(clock: ClockMap) -> str:
    """What a clock's last piece says."""
    if not clock.pieces:
        return "real time"
    last = clock.pieces[-1]
    start = _time(last.start_ms)
    if not last.speed_ppm:
        return f"stands at {start}"
    return f"from {start} at {last.speed_ppm / 1_000_000:g} times real time"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _decision(ledger: Ledger, leaf: Admitted) -> str:
    """One line a portion: who got it, and why each other named agency did not."""
    lines = []
    for portion in leaf.portions:
        got, refused = [], []
        for verdict, why in outcomes(portion, ledger.rulings[Digest(portion.ruling)]):
            if why is None:
                got.append(verdict.recipient)
            elif verdict.recipient in portion.audience or verdict.barred:
                rules = f" by {', '.join(verdict.rules)}" if why == "forbidden" else ""
                refused.append(f"{verdict.recipient} {why}{rules}")
        text = f"{portion.name}: [green]{' '.join(got) or 'nobody'}[/]"
        lines.append(text + (f"; withheld: [yellow]{'; '.join(refused)}[/]" if refused else ""))
    return "\n".join(lines)
