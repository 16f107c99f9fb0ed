"""A report: what was checked, by which section of which standard, whether it held, and if not what exactly failed."""

from dataclasses import dataclass, field
from enum import StrEnum


class By(StrEnum):
    """Where it is written what a check demands. Without a standard's number: docs/architecture.md."""

    FORMAT = "format 1, parcels and frames"
    ARRANGEMENT = "format 1, versions; RFC 8032 5.1.7 and FIPS 204 5.3"
    SEAL = "format 1, batch seals; RFC 8032 5.1.7 and FIPS 204 5.3"
    PATH = "format 1, batch seals; RFC 6962 2.1.1"
    SIGNER = "format 1, validity of signing keys"
    MANIFEST = "format 1, manifests"
    COMMITMENT = "format 1, commitments; the idea of RFC 9901 4.2"
    CAPSULE = "format 1, capsules; RFC 9180 5.1"
    CERTIFICATE = "format 1, certificates"
    CHAIN = "format 1, chains"
    LEDGER = "format 1, ledgers"
    TREE = "RFC 6962 2.1"
    NOTE = "C2SP signed-note, Format"
    CHECKPOINT = "C2SP tlog-checkpoint, Note text"
    NOTE_SIGNATURE = "C2SP signed-note, Signatures; RFC 8032 5.1.7"
    INCLUSION = "RFC 9162 2.1.3.2"
    CONSISTENCY = "RFC 9162 2.1.4.2"


class Unusable(ValueError):
    """Input that is nothing that could be verified: it says nothing about whoever made it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One step. `failure` is empty where it held."""

    what: str
    by: By
    failure: str = ""

    @property
    def held(self) -> bool:
        return not self.failure


@dataclass(slots=True)
class Report:
    """The steps in their order."""

    subject: str
    checks: list[Check] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Something was checked, and all of it held."""
        return bool(self.checks) and all(check.held for check in self.checks)

    def check(self, held: object, what: str, by: By, failure: str) -> bool:
        """Note a step. `failure`: what is wrong where it does not hold."""
        self.checks.append(Check(what, by, "" if held else failure))
        return bool(held)

    def failed(self, what: str, by: By, failure: str) -> None:
        """Note a step that did not hold."""
        self.checks.append(Check(what, by, failure))
