"""The certificates of a record's deliveries, for its originator and for auditors.

They are made again from the ledger, byte for byte what the recipients hold. The broker's signature over a chain's head
travels with the deliveries alone, and is not here: what a certificate made here proves, it proves by the ledger.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Base64Bytes, Field

from broker.api import examples
from broker.api.certifying import Certified
from broker.api.context import ThisContext
from broker.api.decisions import LAST_NUMBER, HexDigest, LeafNumber
from broker.api.ledger import Originator, lane_of
from schemas.certificate import certificate_digest
from schemas.directory import AgencyField
from schemas.http.problems import ProblemType
from schemas.http.refusals import described, not_found
from schemas.ids import AgencyId
from schemas.ledger import Admitted
from schemas.model import Model

router = APIRouter(tags=["ledgers"])


class CertificateBody(Model):
    """One recipient's. `certificate`: its bytes in base64; `digest`: the chain's head after it."""

    recipient: AgencyField
    chain_number: Annotated[int, Field(ge=1)]
    digest: HexDigest
    predecessor: HexDigest
    certificate: Base64Bytes


class CertificatesBody(Model):
    """Those of one leaf, in the order of the recipients' ids."""

    originator: AgencyField
    number: LeafNumber
    certificates: tuple[CertificateBody, ...]


@router.get(
    "/v1/ledgers/{originator}/entries/{number}/certificates",
    summary="What the recipients were certified",
    responses=described(examples.CERTIFICATES, ProblemType.FORBIDDEN, ProblemType.NOT_FOUND),
)
async def of_leaf(
    context: ThisContext, originator: Originator, number: Annotated[int, Path(ge=0, le=LAST_NUMBER)]
) -> CertificatesBody:
    """The certificates of the deliveries that a leaf decided; none of a leaf that released nothing."""
    lane, parts = lane_of(context, originator), context.parts
    found = await parts.evidence.entries(lane, number, 1)
    if not found or not isinstance(found[0].leaf, Admitted):
        raise not_found()
    arrangements = [version.arrangement for version in parts.signed.versions.values()]
    made = await parts.certificates.of(lane, number, found[0].leaf.manifest, arrangements)
    domains = context.version.arrangement.domains

    def body(one: Certified) -> CertificateBody:
        return CertificateBody.model_construct(
            recipient=AgencyId(one.certificate.recipient),
            chain_number=one.certificate.number,
            digest=certificate_digest(domains, one.data).hex(),
            predecessor=one.certificate.predecessor.hex(),
            certificate=one.data,
        )

    return CertificatesBody(originator=lane, number=number, certificates=tuple(body(one) for one in made))
