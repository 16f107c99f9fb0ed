"""An answer of each operation, for OpenAPI and for whoever writes a client. A test holds each against its model."""

from typing import Any, Final

_DIGEST: Final = "a945b7f5dbadfcc88e08aa7bd1b067f4153f15ccfe104464bc7787f467b5cf64"
_RECORD: Final = "01a0c2f3-8e00-7a3b-9c41-5d0f6f1e2a77"
_AT: Final = "2026-09-21T14:13:20Z"

ALIVE: Final = {"status": "alive"}
READY: Final = {"status": "ready"}

PERSON: Final = {
    "officer": "fr-oltim/analyst-1",
    "home": "fr-oltim",
    "node": "fr-oltim",
    "roles": ["officer"],
    "clearance": {"tlp": "AMBER+STRICT", "handling_codes": ["H0", "H1"], "special": []},
}

HANDLING: Final[dict[str, Any]] = {
    "tlp": "GREEN",
    "handling_codes": ["H0"],
    "source": "B",
    "information": "2",
    "purposes": ["detection", "investigation"],
    "subjects": [],
    "special": [],
    "caveats": [],
    "grounds": [],
    "protection_cleared": False,
    "origins": [],
    "retain_until": "2027-06-30",
}
CONTENT: Final[dict[str, Any]] = {
    "summary": "Twelve hulls in one container",
    "items": [{"what": "hull", "maker": "Example Marine", "serial": "HULL-0001", "count": 12}],
    "consignment": "ABCU1234560",
    "warehouse": "Unit 4",
    "seen_at": _AT,
}
RECORD: Final = {
    "kind": "boat_supply",
    "portions": [
        {
            "name": "base",
            "label": {
                "handling": HANDLING,
                "releasable_to": {"agencies": ["fr-oltim", "it-pds"]},
            },
            "content": CONTENT,
        }
    ],
}
VALID: Final = {"valid": True, "kind": "boat_supply", "portions": ["base"]}
AUDIENCE: Final = {
    "at": _AT,
    "arrangement": 0,
    "portions": [
        {
            "name": "base",
            "audience": [
                {"agency": "fr-oltim", "withheld": None, "officers": []},
                {"agency": "xa-np", "withheld": "not_addressed", "officers": []},
            ],
        }
    ],
}
PUBLISHED: Final = {"record": _RECORD, "manifest": _DIGEST, "sequence": 17, "revision": 1}

_HEAD: Final = {
    "originator": "gb-nca",
    "record": _RECORD,
    "manifest": _DIGEST,
    "kind": "boat_supply",
    "created": _AT,
    "admitted": _AT,
}
INBOX: Final = {
    "records": [{**_HEAD, "portions": [{"name": "base", "label": HANDLING}]}],
    "next": f"gb-nca.{_DIGEST}",
}
SEARCH: Final = {"query": "hull container", "purpose": "detection", "limit": 20}
HITS: Final = {
    "hits": [
        {
            "originator": "gb-nca",
            "record": _RECORD,
            "manifest": _DIGEST,
            "portion": "base",
            "kind": "boat_supply",
            "label": HANDLING,
        }
    ],
    "next": None,
}
READING: Final = {
    "originator": "gb-nca",
    "record": _RECORD,
    "purpose": "investigation",
    "justification": "Case 2026/114: the hulls seized at Dunkirk",
}
READ: Final = {**_HEAD, "portions": [{"name": "base", "label": HANDLING, "content": CONTENT}]}

DISCLOSURES: Final = {
    "disclosures": [
        {
            "number": 3,
            "at": _AT,
            "officer": "fr-oltim/analyst-1",
            "home": "fr-oltim",
            "act": "read",
            "purpose": "investigation",
            "justification": "Case 2026/114: the hulls seized at Dunkirk",
            "query": None,
            "originator": "gb-nca",
            "record": _RECORD,
            "manifest": _DIGEST,
            "portions": ["base"],
            "outcome": "granted",
            "reason": "persons: above_tlp_ceiling",
        }
    ],
    "whose": "all",
    "next": 3,
}
QUARANTINE: Final = {
    "entries": [
        {
            "number": 1,
            "at": _AT,
            "lane": "gb-nca",
            "record": _RECORD,
            "portion": "base",
            "reason": "bad_wrap",
        }
    ],
    "next": None,
}
RECEIPTS: Final = {
    "receipts": [
        {
            "number": 4,
            "at": _AT,
            "recipient": "it-pds",
            "after": 0,
            "upto": 12,
            "exceptions": [[7, "bad_wrap"]],
        }
    ],
    "next": 4,
}
ALARMS: Final = {
    "alarms": [{"number": 1, "at": _AT, "alarm": "chain_break", "detail": "a number of gb-nca is missing"}],
    "next": None,
}
DECISIONS: Final = {
    "decisions": [
        {
            "originator": "gb-nca",
            "number": 12,
            "outcome": "admitted",
            "record": _RECORD,
            "portions": [
                {
                    "name": "base",
                    "outcomes": [{"recipient": "it-pds", "withheld": "not_addressed", "rules": []}],
                }
            ],
        }
    ],
    "next": "5f2c41aa.13",
}
BROKER_TOKEN: Final = {
    "token": "eyJhbGciOiJFZDI1NTE5In0.eyJyb2xlIjoib2ZmaWNlciJ9.c2lnbmF0dXJl",
    "expires": _AT,
    "broker": "https://broker.example",
}
