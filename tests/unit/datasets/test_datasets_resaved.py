import hashlib
from itertools import product

import pytest

from runner.datasets.joined_stream import blocks, resaved
from runner.datasets.resolve import resolve
from tests.unit.datasets.conftest import HEADER, Desk, rows

FORMS = list(product((b"", b"\xef\xbb\xbf"), (b"\n", b"\r\n"), (True, False)))


def written(mark: bytes, line_end: bytes, *, ended: bool) -> bytes:
    text = (HEADER + rows(9)).encode().replace(b"\n", line_end)
    return mark + (text if ended else text.removesuffix(line_end))


def difference(desk: Desk, now: bytes, before: bytes, size: int = 1 << 20) -> str | None:
    desk.write("train.csv", now)
    train = resolve(desk.dataset()).train
    return resaved(train, hashlib.sha256(before).hexdigest(), len(before), lambda part: blocks(part, size))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_each_form_of_a_text_is_known_as_each_other(desk: Desk, size: int) -> None:
    for (mark, line_end, ended), (old_mark, old_line_end, old_ended) in product(FORMS, FORMS):
        before = written(old_mark, old_line_end, ended=old_ended)
        told = difference(desk, written(mark, line_end, ended=ended), before, size)
        same = (mark, line_end, ended) == (old_mark, old_line_end, old_ended)
        assert (told is None) is same
        if told is not None:
            assert ("the line ends" in told) is (line_end != old_line_end)
            assert ("byte order mark" in told) is (mark != old_mark)
            assert ("last line" in told) is (ended != old_ended)


def test_mixed_line_ends_are_known_as_either_one(desk: Desk) -> None:
    mixed = written(b"", b"\n", ended=True).replace(b"\n", b"\r\n", 3)
    assert difference(desk, mixed, written(b"", b"\r\n", ended=True)) == "the line ends"
    assert difference(desk, mixed, written(b"", b"\n", ended=True)) == "the line ends"


def test_another_value_of_the_same_length_is_not_the_same(desk: Desk) -> None:
    now = written(b"", b"\r\n", ended=True)
    assert difference(desk, now.replace(b"red", b"rot"), written(b"", b"\n", ended=True)) is None
