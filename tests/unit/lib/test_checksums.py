import hashlib
import sys

import pytest

from runner.lib.checksums import Checksum, comparison_with, sum_of

CONTENT = b"a,b\n" * 1000


def agrees(expected: Checksum, *parts: bytes) -> bool:
    with comparison_with(expected) as compared:
        for part in parts:
            compared.add(part)
        return compared.agrees()


@pytest.mark.parametrize("fast", [False, True])
def test_the_same_bytes_agree_however_they_are_cut_and_no_others_do(fast: bool) -> None:
    expected = sum_of([CONTENT], fast=fast)
    assert (expected.fast_checksum is not None) == fast
    assert agrees(expected, CONTENT)
    assert agrees(expected, CONTENT[:7], CONTENT[7:3001], CONTENT[3001:])
    assert not agrees(expected, CONTENT[:-1])
    assert not agrees(expected, CONTENT, b"\0")
    assert not agrees(expected, CONTENT[4:], CONTENT[:3], b"\r")
    for bit in range(8):
        assert not agrees(expected, CONTENT[:2000] + bytes([CONTENT[2000] ^ 1 << bit]) + CONTENT[2001:])


def test_a_seal_changes_nothing_of_the_sum_and_shows_nothing_of_its_secret() -> None:
    fast, again = (sum_of([CONTENT[:9], CONTENT[9:]], fast=True) for _ in range(2))
    assert fast == sum_of([CONTENT]) == Checksum(sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT))
    assert fast.fast_checksum is not None
    assert again.fast_checksum is not None
    assert fast.fast_checksum.secret != again.fast_checksum.secret
    assert repr(fast.fast_checksum) == "FastChecksum()"
    assert "fast" not in repr(fast)


@pytest.mark.parametrize("gone_at", ["first", "second"])
def test_without_the_package_that_seals_sha_256_compares(monkeypatch: pytest.MonkeyPatch, gone_at: str) -> None:
    gone = ("xxhash", None)
    if gone_at == "first":
        monkeypatch.setitem(sys.modules, *gone)
    expected = sum_of([CONTENT], fast=True)
    monkeypatch.setitem(sys.modules, *gone)
    assert (expected.fast_checksum is None) == (gone_at == "first")
    assert agrees(expected, CONTENT)
    assert not agrees(expected, CONTENT[::-1])
