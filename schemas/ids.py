"""Identifiers, each a type of its own, and the patterns that strangers' ids must match.

- Agencies, communities, officers and rules have readable ids, fixed by the arrangement.
- A record is known everywhere by (originator, record id); its revision by the manifest digest.
"""

from typing import Annotated, NewType

import msgspec

from schemas.clock import Clock
from schemas.entropy import Entropy

AgencyId = NewType("AgencyId", str)
CommunityId = NewType("CommunityId", str)
OfficerId = NewType("OfficerId", str)
RuleId = NewType("RuleId", str)
RecordId = NewType("RecordId", bytes)
Digest = NewType("Digest", bytes)

AGENCY_PATTERN = r"^[a-z]{2}-[a-z0-9]{2,12}$"
COMMUNITY_PATTERN = r"^[a-z0-9][a-z0-9-]{2,39}$"
OFFICER_PATTERN = r"^[a-z]{2}-[a-z0-9]{2,12}/[a-z0-9][a-z0-9-]{0,39}$"
RULE_PATTERN = r"^[a-z0-9][a-z0-9-]{2,59}$"

DIGEST_BYTES = 32
RECORD_ID_BYTES = 16
SALT_BYTES = 16

#: Shapes for frames. Only sizes are bounded here: whether an id exists is for the directory to say, and a
#: pattern on every id of an audience would cost more than the hashes beside it.
AgencyText = Annotated[str, msgspec.Meta(max_length=15)]
CommunityText = Annotated[str, msgspec.Meta(max_length=40)]
OfficerText = Annotated[str, msgspec.Meta(max_length=56)]
DigestBytes = Annotated[bytes, msgspec.Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
RecordIdBytes = Annotated[bytes, msgspec.Meta(min_length=RECORD_ID_BYTES, max_length=RECORD_ID_BYTES)]
Salt = Annotated[bytes, msgspec.Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
U64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


def new_record_id(clock: Clock, entropy: Entropy) -> RecordId:
    """A UUIDv7 with fresh random bits and no counter, so that ids tell nothing of how much is published.

    Source: RFC 9562 5.7. Returns the 16 raw bytes.
    """
    random = bytearray(entropy.random(10))
    random[0] = 0x70 | (random[0] & 0x0F)  # version 7
    random[2] = 0x80 | (random[2] & 0x3F)  # variant 10
    return RecordId((clock.now_ms() & (2**48 - 1)).to_bytes(6, "big") + bytes(random))


def record_text(record_id: bytes) -> str:
    """The usual UUID text of a record id, for people and SQL."""
    h = record_id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
