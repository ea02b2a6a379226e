"""The fast way to canonical JSON gives the bytes of the reference, or leaves the value to it."""

from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from runner.lib.canonical_json import canonical_bytes

_SCALARS = st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | st.text(st.characters(codec=None))
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner)
)


@given(value=_VALUES)
@example(value={"\ufb33": 1, "\U0001f600": 2, "\r": 3, "a": 4})  # UTF-16 puts the second first, UTF-8 last
@example(value=[2**53 - 1, -(2**53) + 1])
@example(value={"check_s": 0.0123, "nested": {"b": [True, None, "é"], "a": ()}})
def test_the_bytes_are_those_of_the_reference(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(rfc8785.CanonicalizationError):
            canonical_bytes(value)
    else:
        assert canonical_bytes(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(-0.0, 1.0, 123456.0, 1e-3, 1e-4, 1e-7, 0.1, 0.0010000000000000002, 333333333.33333329),
        *(123456789012345.67, 1e15 - 0.125, 1e15, 1e15 + 0.5, 1e16, 1e21, 5e-324, 1.7976931348623157e308),
    ],
)
def test_numbers_are_written_as_ecmascript_writes_them(value: float) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


def test_every_character_is_written_as_the_reference_writes_it() -> None:
    text = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    assert canonical_bytes(text) == rfc8785.dumps(text)


@pytest.mark.parametrize("value", [2**53, -(2**53), {1: "a"}, {"a": {1, 2}}, [b"bytes"], "\ud800", float("nan")])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_bytes(value)
