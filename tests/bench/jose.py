"""The usual way to do the same: one JWE a portion for all recipients, one JWS over the record, with joserfc.

- RFC 7516 general JSON serialisation, ECDH-ES+A256KW over X25519, A256GCM; RFC 7515 compact, Ed25519 (RFC 9864).
- The label travels in the protected header, so that it is authenticated as ours is.
- It gets every advantage: keys are parsed once, a recipient picks its entry by `kid` before it decrypts, the
  content is ready bytes and stays bytes. It signs classically only and shows every recipient who else has it.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from typing import Any, cast

from joserfc import jwe, jws
from joserfc.jwk import OKPKey

from schemas.ids import AgencyId
from schemas.labels import Handling, parse_handling

_ALG, _ENC, _SIGN = "ECDH-ES+A256KW", "A256GCM", "Ed25519"
_jwe_registry = jwe.JWERegistry(algorithms=[_ALG, _ENC])
_jws_registry = jws.JWSRegistry(algorithms=[_SIGN])
_jws_registry.max_payload_length = 4_000_000  # it would refuse a record for 200


class Jose:
    """Keys of one originator and its recipients."""

    def __init__(self, recipients: Sequence[AgencyId]) -> None:
        self._signing = OKPKey.generate_key("Ed25519")
        self._verifying = OKPKey.import_key(self._signing.as_dict(private=False))
        self._private = {r: OKPKey.generate_key("X25519", {"kid": r}) for r in recipients}
        self._public = {r: OKPKey.import_key(k.as_dict(private=False)) for r, k in self._private.items()}

    def create(self, record_id: str, portions: Sequence[tuple[str, str, bytes]]) -> str:
        """Encrypt and sign one record. A portion: name, handling label, content."""
        closed = []
        for name, handling, content in portions:
            protected = {"enc": _ENC, "typ": name, "cty": handling}
            one = jwe.GeneralJSONEncryption(cast("dict[str, Any]", protected), content)
            for recipient, key in self._public.items():
                one.add_recipient({"alg": _ALG, "kid": recipient}, key)
            closed.append(jwe.encrypt_json(one, None, registry=_jwe_registry))
        payload = json.dumps({"id": record_id, "portions": closed}, separators=(",", ":"))
        return jws.serialize_compact({"alg": _SIGN}, payload, self._signing, registry=_jws_registry)

    def verify(self, record: str) -> bytes:
        """What a broker could do without any key that opens. Raises: for a false signature."""
        return jws.deserialize_compact(record, self._verifying, registry=_jws_registry).payload

    def read(self, record: str) -> list[tuple[str, Handling, list[str]]]:
        """Verify, and read what a broker decides on: each portion's name, handling label and recipients."""
        found = []
        for one in json.loads(self.verify(record))["portions"]:
            protected = json.loads(urlsafe_b64decode(one["protected"] + "=="))
            label = parse_handling(bytes.fromhex(protected["cty"]))
            found.append((protected["typ"], label, [r["header"]["kid"] for r in one["recipients"]]))
        return found

    def open(self, record: str, recipient: AgencyId) -> list[bytes]:
        """Verify, and decrypt every portion for one recipient."""
        opened = []
        for one in json.loads(self.verify(record))["portions"]:
            one["recipients"] = [r for r in one["recipients"] if r["header"]["kid"] == recipient]
            plain = jwe.decrypt_json(one, self._private[recipient], registry=_jwe_registry).plaintext
            assert plain is not None
            opened.append(plain)
        return opened
