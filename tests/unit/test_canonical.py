"""`enc`: two lists of fields never have the same bytes, and two domains never meet."""

from itertools import product
from struct import error

import pytest

from schemas.canonical import Domains, digest, domain, enc, framed, u32, u64


def test_enc_is_a_length_before_each_field() -> None:
    assert enc(domain("ab"), b"", b"c") == b"\0\0\0\2ab" + b"\0\0\0\0" + b"\0\0\0\1c"


def test_different_fields_have_different_bytes() -> None:
    values = [b"", b"\0", b"a", b"ab", b"\0\0\0\1", b"\0\0\0\1a"]
    lists = [fields for size in range(4) for fields in product(values, repeat=size)]
    assert len({enc(domain("d"), *fields) for fields in lists}) == len(lists)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 70_000])
def test_a_field_of_any_length_has_its_length_before_it(size: int) -> None:
    assert framed(bytes(size)) == u32(size) + bytes(size)
    assert enc(domain("d"), bytes(size)) == framed(b"d") + framed(bytes(size))


def test_u64_is_big_endian_and_bounded() -> None:
    assert u64(258) == bytes([0, 0, 0, 0, 0, 0, 1, 2])
    with pytest.raises(error):
        u64(-1)
    with pytest.raises(error):
        u64(2**64)


def test_every_domain_is_its_own_and_names_format_and_federation() -> None:
    one, other = Domains("one"), Domains("other")

    def values(domains: Domains) -> set[bytes]:
        constants = {v for v in vars(domains).values() if isinstance(v, bytes)}
        return constants | {domains.control("receipt"), domains.control("recall")}

    assert len(values(one)) == len([v for v in vars(one).values() if isinstance(v, bytes)]) + 2
    assert not values(one) & values(other)
    assert all(v[:4] == u32(len(v) - 4) for v in values(one))
    assert all(v[4:].startswith(b"entente/1/one/") for v in values(one))


def test_digest_known_answer() -> None:
    # printf '\0\0\0\1d\0\0\0\2xy' | sha256sum
    assert (
        digest(domain("d"), b"xy").hex() == "4a605fac1c980759bbcf3616c4505a56db8a88cac9ebed681a46df0014c4d539"
    )
