"""A parcel by its bytes: what it is, a submission or a delivery, its entries tell."""

from broker.admission import Window, verify_control, verify_envelope
from deploy.verify.deliveries import recipient_of, verify_delivery_parcel
from deploy.verify.directory import Trusted
from deploy.verify.report import By, Report
from schemas.envelope import (
    ControlEntry,
    DeliveryEntry,
    HeadEntry,
    parse_deliver_entry,
    parse_submission_entry,
)
from schemas.frames import BadFrame, Parcel, parse_parcel
from schemas.ids import AgencyId
from schemas.seal import BadSeal, Role


def verify_parcel(data: bytes, recipient: str | None, trusted: Trusted, report: Report) -> None:
    """All that a parcel holds. `recipient`: of a delivery; None: whom its first certificate names."""
    what = "the parcel is of format 1: size, magic, version, frame"
    try:
        parcel = parse_parcel(data)
    except BadFrame as error:
        report.failed(what, By.FORMAT, str(error))
        return
    report.check(True, what, By.FORMAT, "")
    entries, broken = [], False
    for place, entry in enumerate(parcel.entries):
        try:
            entries.append(parse_deliver_entry(entry))
        except BadFrame:
            try:
                parse_submission_entry(entry)
            except BadFrame as error:
                broken = True
                report.failed(f"entry {place} can be read", By.FORMAT, str(error))
    if any(isinstance(entry, DeliveryEntry | HeadEntry) for entry in entries):
        verify_delivery_parcel(parcel, entries, recipient or recipient_of(entries), trusted, report)
    elif (
        entries and len(parcel.seals) > 1
    ):  # receipts of several agencies, forwarded: nothing names a recipient
        verify_delivery_parcel(parcel, entries, "", trusted, report)
    elif not broken:
        _submission(parcel, trusted, report)


def _submission(parcel: Parcel, trusted: Trusted, report: Report) -> None:
    """A window: its one seal, and every entry as the broker's admission verifies it."""
    what = "the window has one seal, signed by a member"
    if len(parcel.seals) != 1:
        report.failed(what, By.SEAL, f"there are {len(parcel.seals)}")
        return
    try:
        seal = trusted.windows.verify(parcel.seals[0])
    except (BadFrame, BadSeal) as error:
        report.failed(what, By.SEAL, str(error))
        return
    if not report.check(seal.role is Role.WINDOW, what, By.SEAL, f"it is over {seal.role}"):
        return
    window = Window(parcel, seal, parcel.seals[0], {}, {}, False)
    report.check(parcel.entries, f"'{seal.owner}' signed at least one entry", By.FORMAT, "there is none")
    for place, data in enumerate(parcel.entries):
        entry = parse_submission_entry(data)
        if isinstance(entry, ControlEntry):
            refused = verify_control(entry, window, trusted.domains)
            what = f"entry {place}: a control message under the seal"
            report.check(refused is None, what, By.PATH, str(refused))
            continue
        envelope = verify_envelope(entry, window, AgencyId(seal.owner), trusted.domains)
        what = f"entry {place}: path, manifest, originator, all eight slots and the wraps"
        if not report.check(not isinstance(envelope, str), what, By.COMMITMENT, str(envelope)):
            continue
        assert not isinstance(envelope, str)
        report.check(
            envelope.broker_only.arrangement in trusted.versions,
            f"entry {place}: it was sealed under a version that was signed",
            By.ARRANGEMENT,
            f"version {envelope.broker_only.arrangement.hex()[:16]} is not known",
        )
