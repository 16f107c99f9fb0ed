"""Verdicts and the closed lists of reasons: why a portion is withheld, why an entry is quarantined.

- A withheld portion is a value, not an exception; a bad envelope is an entry with one of these reasons.
- Precedence for a pair: gate, not addressed, forbid, no permit.
"""

from enum import StrEnum

import msgspec

from schemas.ids import AgencyId, RuleId


class Effect(StrEnum):
    """What the rules say of one (portion, recipient), before the gate and the audience are looked at."""

    PERMIT = "permit"
    FORBID = "forbid"
    NONE = "none"


class Withheld(StrEnum):
    """Why a portion is not released to a recipient, the strongest first."""

    GATE = "protection_gate"
    NOT_ADDRESSED = "not_addressed"
    FORBIDDEN = "forbidden"
    NO_PERMIT = "no_permit"


class Verdict(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The rules' answer for one recipient: gate, effect and the rules that decided, sorted by id."""

    recipient: AgencyId
    barred: bool
    effect: Effect
    rules: tuple[RuleId, ...]


def outcome(verdict: Verdict, is_addressed: bool) -> Withheld | None:
    """None when released, else the reason that takes precedence."""
    if verdict.barred:
        return Withheld.GATE
    if not is_addressed:
        return Withheld.NOT_ADDRESSED
    if verdict.effect is Effect.FORBID:
        return Withheld.FORBIDDEN
    if verdict.effect is not Effect.PERMIT:
        return Withheld.NO_PERMIT
    return None


class Refused(StrEnum):
    """Why admission quarantines an entry of a submission, in the order of the checks."""

    TOO_LARGE = "too_large"
    KAFKA_KEY_OR_HEADERS = "kafka_key_or_headers"
    BAD_MAGIC = "bad_magic"
    UNSUPPORTED_VERSION = "unsupported_version"
    MALFORMED = "malformed"
    UNKNOWN_SIGNER = "unknown_signer"
    BAD_SEAL = "bad_seal"
    SIGNER_EXPIRED = "signer_expired"
    BAD_PATH = "bad_path"
    UNKNOWN_CONTROL = "unknown_control"
    WRONG_ORIGINATOR = "wrong_originator"
    BAD_SLOT = "bad_slot"
    BAD_WRAP = "bad_wrap"
    SEQUENCE_MISMATCH = "sequence_mismatch"
    SEQUENCE_REUSED = "sequence_reused"
    SEQUENCE_PASSED = "sequence_passed"
    ORIGINATOR_NOT_ACTIVE = "originator_not_active"
    UNKNOWN_KIND = "unknown_kind"
    UNKNOWN_PORTION = "unknown_portion"
    UNKNOWN_LABEL_CODE = "unknown_label_code"
    LABEL_NOT_IN_ARRANGEMENT = "label_not_in_arrangement"
    INCOMPLETE_LABEL = "incomplete_label"
    CREATED_IN_FUTURE = "created_in_future"
    EXPIRED = "expired"
    UNKNOWN_VERSION = "unknown_arrangement_version"
    UNKNOWN_CAPSULE = "unknown_capsule"
    AUDIENCE_MISMATCH = "audience_mismatch"
    BAD_REVISION = "bad_revision"
    EQUIVOCATION = "equivocation"


class Unopened(StrEnum):
    """Why a recipient keeps a delivery, or a part of it, in its quarantine."""

    TOO_LARGE = "too_large"
    KAFKA_KEY_OR_HEADERS = "kafka_key_or_headers"
    BAD_MAGIC = "bad_magic"
    UNSUPPORTED_VERSION = "unsupported_version"
    MALFORMED = "malformed"
    UNKNOWN_SIGNER = "unknown_signer"
    BAD_SEAL = "bad_seal"
    SIGNER_EXPIRED = "signer_expired"
    BAD_PATH = "bad_path"
    BAD_HEAD = "bad_head"
    BAD_CERTIFICATE = "bad_certificate"
    NOT_FOR_US = "not_for_us"
    BAD_COMMITMENT = "bad_commitment"
    BAD_CAPSULE = "bad_capsule"
    BAD_WRAP = "bad_wrap"
    BAD_CIPHERTEXT = "bad_ciphertext"
    BAD_CONTENT = "bad_content"
    UNKNOWN_CONTROL = "unknown_control"
    BAD_RECEIPT = "bad_receipt"


class Alarm(StrEnum):
    """What a node or the broker notices and goes on from; always recorded, never silent."""

    CHAIN_BREAK = "chain_break"
    TAIL_DROPPED = "tail_dropped"
    FORK = "fork"
    SILENCE = "silence"
    SEQUENCE_GAP = "sequence_gap"
    RECEIPT_DIFFERS = "receipt_differs"
    RESTORED_COPY = "restored_copy"
