"""Record ids: UUIDv7 by RFC 9562, and nothing in them that counts."""

import os
from uuid import RFC_4122, UUID

from schemas.clock import ManualClock
from schemas.entropy import SeededEntropy, SystemEntropy
from schemas.ids import new_record_id, record_text


def test_a_record_id_is_a_uuid_of_version_7_with_its_time() -> None:
    now = 0x017F22E279B0  # the example of RFC 9562, appendix A.6
    for seed in range(200):
        made = UUID(bytes=new_record_id(ManualClock(now), SeededEntropy(str(seed).encode())))
        assert (made.version, made.variant) == (7, RFC_4122)
        assert made.int >> 80 == now


def test_all_other_bits_are_random() -> None:
    made = [
        int.from_bytes(new_record_id(ManualClock(1), SeededEntropy(str(seed).encode())), "big")
        for seed in range(400)
    ]
    fixed = (2**48 - 1) << 80 | 0xF << 76 | 0b11 << 62
    ever_set, always_set = 0, made[0]
    for value in made:
        ever_set |= value
        always_set &= value
    assert ever_set | fixed == 2**128 - 1
    assert always_set & ~fixed == 0


def test_ids_of_one_millisecond_are_in_no_order() -> None:
    clock, entropy = ManualClock(5), SystemEntropy()
    made = [new_record_id(clock, entropy) for _ in range(100)]
    assert len(set(made)) == 100
    assert made != sorted(made)


def test_the_text_is_the_usual_one() -> None:
    raw = new_record_id(ManualClock(5), SeededEntropy(b"x"))
    assert record_text(raw) == str(UUID(bytes=raw))


def test_a_forked_child_hands_out_nothing_that_its_parent_does() -> None:
    entropy = SystemEntropy()
    entropy.random(8)  # reads a block, most of which is left
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, entropy.random(32))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 32) != entropy.random(32)
    os.close(reads)
    os.close(writes)
