"""An answer of each operation, for OpenAPI and for whoever writes a client. A test holds each against its model."""

from typing import Any, Final

_DIGEST: Final = "a945b7f5dbadfcc88e08aa7bd1b067f4153f15ccfe104464bc7787f467b5cf64"
_OTHER: Final = "d1f7ac9c77baf2b9fe0f1e09f68ac86d6a5db42ac8b9c25b5b2a7cfb3eaa6a3e"
_AT: Final = "2026-09-21T14:13:20Z"
_EVENT: Final = "5f2c41aa.12"

ALIVE: Final = {"status": "alive"}
READY: Final = {"status": "ready"}
ARRANGEMENT: Final = {"federation": "g7", "number": 0, "digest": _DIGEST, "threshold": 2, "now": _AT}

AGENCY: Final = {
    "id": "gb-nca",
    "name": "National Crime Agency",
    "role": "police",
    "states": ["GB"],
    "exposed_states": ["GB"],
    "coordinating": False,
    "active": True,
    "communities": ["jit-channel"],
}
AGENCIES: Final = {"agencies": [AGENCY]}
COMMUNITY: Final = {
    "id": "jit-channel",
    "name": "Joint investigation team Channel",
    "lead": "fr-oltim",
    "start": "2026-01-01T00:00:00Z",
    "end": None,
    "active": True,
    "members": [{"agency": "gb-nca", "start": None, "end": None}],
}
COMMUNITIES: Final = {"communities": [COMMUNITY]}

LABEL: Final[dict[str, Any]] = {
    "handling": {
        "tlp": "GREEN",
        "handling_codes": ["H0"],
        "source": "B",
        "information": "2",
        "purposes": ["detection", "investigation", "prevention"],
        "retain_until": "2027-06-30",
    },
    "releasable_to": {"agencies": ["fr-oltim", "de-bpol"]},
}
PREVIEW_REQUEST: Final = {"kind": "boat_supply", "portions": [{"name": "base", "label": LABEL}]}

_OUTCOMES: Final = [
    {"recipient": "eu-europol", "withheld": "not_addressed", "rules": []},
    {"recipient": "fr-oltim", "withheld": None, "rules": ["partners-tlp-green"]},
]
_RULES: Final = {"partners-tlp-green": {"reason": "A partner may have what is marked TLP:GREEN."}}

PREVIEW: Final = {
    "at": _AT,
    "originator": "gb-nca",
    "kind": "boat_supply",
    "arrangement": 0,
    "refused": None,
    "portions": [{"name": "base", "outcomes": _OUTCOMES}],
    "rules": _RULES,
}
_RULE: Final = {
    "id": "partners-tlp-green",
    "effect": "permit",
    "reason": "A partner may have what is marked TLP:GREEN.",
    "legal_basis": "FIRST TLP 2.0, GREEN",
    "obligation": None,
    "when": ["the TLP level is GREEN"],
    "unless": [],
}
RULES: Final = {"arrangement": 0, "rules": [_RULE]}
EXPLANATION_REQUEST: Final = {**PREVIEW_REQUEST, "recipient": "eu-europol"}
EXPLANATION: Final = {
    "originator": "gb-nca",
    "recipient": "eu-europol",
    "arrangement": 0,
    "refused": None,
    "portions": [
        {
            "name": "base",
            "withheld": "not_addressed",
            "why": "the originator addressed neither the agency, nor a community that it is in, nor an officer of it",
            "rules": [],
            "turns": {
                "told": [
                    {
                        "words": "address it to eu-europol by name",
                        "changes": [
                            {
                                "nature": "marking",
                                "portion": "base",
                                "field": "agencies",
                                "verb": "add",
                                "values": ["eu-europol"],
                            }
                        ],
                        "opens": [],
                        "closes": [],
                    }
                ],
                "more": 0,
                "stopped": False,
            },
        }
    ],
}
DECISION: Final = {
    "event": _EVENT,
    "originator": "gb-nca",
    "number": 11,
    "at": _AT,
    "outcome": "admitted",
    "refused": None,
    "record": "019f6c6e-3c00-7d3a-9f11-0b7f1f0f2a01",
    "manifest": _DIGEST,
    "kind": "boat_supply",
    "revision": 1,
    "sequence": 7,
    "created": _AT,
    "arrangement": _DIGEST,
    "portions": [{"name": "base", "label": LABEL, "ruling": _OTHER, "outcomes": _OUTCOMES}],
    "rules": _RULES,
}
DECISIONS: Final = {"decisions": [DECISION], "next": _EVENT}

LEDGER: Final = {"originator": "gb-nca", "size": 12, "root": _OTHER}
ENTRY: Final = {"number": 11, "kind": "admitted", "at": _AT, "leaf": "rKhhZG1pdHRlZA==", "hash": _OTHER}
ENTRIES: Final = {"entries": [ENTRY], "next": 12}
CHECKPOINT: Final = {
    "originator": "gb-nca",
    "size": 12,
    "root": _OTHER,
    "signed_at": _AT,
    "note": "entente/g7/ledger/gb-nca\n12\n0fesnHe6...\ntime 1790000000000\n\n— entente/g7/ledger/gb-nca AAAA...\n",
    "path": "AAAA",
    "seal": "AAAA",
}
CHECKPOINTS: Final = {
    "key": "entente/g7/ledger/gb-nca+5f2c41aa+AXbzTxaVZ1HmSUBXTpGk",
    "earlier_keys": [],
    "checkpoints": [CHECKPOINT],
    "next": 1,
}
INCLUSION: Final = {
    "originator": "gb-nca",
    "index": 11,
    "size": 12,
    "leaf_hash": _DIGEST,
    "root": _OTHER,
    "path": [_DIGEST, _OTHER],
}
CONSISTENCY: Final = {
    "originator": "gb-nca",
    "first": 8,
    "second": 12,
    "first_root": _DIGEST,
    "second_root": _OTHER,
    "path": [_OTHER],
}
RULING: Final = {"digest": _OTHER, "ruling": "ksQg"}
CERTIFICATES: Final = {
    "originator": "gb-nca",
    "number": 11,
    "certificates": [
        {
            "recipient": "fr-oltim",
            "chain_number": 3,
            "digest": _OTHER,
            "predecessor": _DIGEST,
            "certificate": "nKhkZWxpdmVyeQ==",
        }
    ],
}
STATUS: Final = {
    "lacking": None,
    "arrangement": 0,
    "lanes": [
        {
            "originator": "gb-nca",
            "leaves": 12,
            "admitted": 9,
            "quarantined": {"bad_seal": 1},
            "duplicates": 0,
            "gaps": 0,
            "controls": 1,
        }
    ],
}
DELIVERED: Final = {"delivered": {"gb-bf": 2, "gb-bsc": 0, "gb-nca": 2}}

_RULE_TEXT: Final = """\
@id("partner-named")
@reason("A police service that is addressed by name gets what is no more than TLP:GREEN.")
@legal_basis("Directive (EU) 2016/680 Art. 4(1)(b)")
permit (principal is Agency, action == Action::"receive", resource is Portion)
when {
  principal.role == AgencyRole::"police" && principal in resource.to_agencies && resource.tlp == Tlp::"GREEN"
};
"""
DRAFT_REQUEST: Final = {"draft": {"policies": {"sharing/partners.cedar": _RULE_TEXT}}}

_SHOWN: Final = {
    "record": {
        "originator": "gb-nca",
        "kind": "online_advert",
        "at": _AT,
        "portions": {
            "persons": {"to": ["fr-oltim"], "tlp": "AMBER", "subjects": ["suspect"], "origins": ["XA"]}
        },
    },
    "portion": "persons",
    "originator": {"id": "gb-nca", "role": "police", "states": ["GB"]},
    "recipient": {"id": "fr-oltim", "role": "police", "states": ["FR"], "communities": []},
    "as_today": True,
    "decided": {"withheld": "no_permit", "rules": []},
}
_RELEASED: Final = {"withheld": None, "rules": ["partner-named"]}

MATRIX: Final = {
    "originator": "gb-nca",
    "rows": [
        {
            "kind": "boat_supply",
            "portion": "base",
            "to": "by name",
            "tlp": "AMBER",
            "person": None,
            "origin": None,
            "cells": {"fr-oltim": _RELEASED, "xa-np": {"withheld": "no_permit", "rules": []}},
        }
    ],
}
LINT: Final = {
    "findings": [
        {
            "rule": "partner-named",
            "file": "sharing/partners.cedar",
            "line": 1,
            "smell": "impossible",
            "fault": True,
            "message": "no label and no agency can ever satisfy it",
        }
    ],
    "faults": 1,
}
CASES: Final = {
    "cases": [
        {
            "file": "cases/partners.yaml",
            "line": 3,
            "case": "who is named gets it",
            "holds": False,
            "mismatches": [
                {
                    "portion": "base",
                    "agency": "fr-oltim",
                    "says": "it is released",
                    "finds": "it is withheld: no rule permits it",
                }
            ],
        }
    ],
    "rules": {"partner-named": {"pairs": 0, "pinned": 0}},
}
PROVED: Final = {
    "hold": True,
    "proofs": [
        {
            "id": "protection-gate",
            "says": "Nothing that bears a protected person reaches an agency exposed to that person's state of origin.",
            "holds": True,
            "against": None,
            "example": None,
        }
    ],
    "gate_alone": None,
}
RECORDED: Final = {
    "records": 120,
    "decisions": 1800,
    "decisions_after": 1800,
    "released": 400,
    "released_after": 412,
    "gained": 12,
    "lost": 0,
    "no_wrap": 0,
    "reason": 0,
    "refused_after": 0,
    "flows": [
        {
            "change": "gained",
            "originator": "gb-nca",
            "kind": "online_advert",
            "portion": "persons",
            "recipient": "fr-oltim",
            "before": {"why": "no_permit", "rules": []},
            "after": {"why": None, "rules": ["partner-named"]},
            "count": 12,
            "labels": 1,
            "example": {
                "record": "01a22b80-f437-76be-9390-21fe6798f768",
                "revision": 0,
                "leaf": 4,
                "labels": _SHOWN["record"],
            },
        }
    ],
}
PLAN: Final = {
    "written": ["new rule 'partner-named': A partner who is named may have it."],
    "recorded": RECORDED,
    "whole": True,
    "flows": [
        {
            "kind": "online_advert",
            "portion": "persons",
            "role": "police",
            "agency": None,
            "gained": True,
            "after": _RELEASED,
            "witness": _SHOWN,
        }
    ],
}
MUTATED: Final = {
    "total": 654,
    "noticed": 637,
    "equivalent": 16,
    "unnoticed": 1,
    "survivors": [
        {
            "rule": "partner-named",
            "wrong": "without its condition: it is addressed by name",
            "fate": "unnoticed",
            "witness": _SHOWN,
        }
    ],
}
