"""Heads kept elsewhere: how they are written, and whether a journal contains them."""

import json

import pytest

from runner.audit.bundle_layout import Head, parse_head, places_of, read_head
from runner.journal.chain import Link
from tests.unit.journal.journal_facts import chained, draft

SHA = "ab" * 32


@pytest.fixture(scope="module")
def journal() -> list[Link]:
    return chained([draft() for _ in range(5)])


@pytest.mark.parametrize(
    ("content", "head"),
    [
        (f"12 {SHA}\n", Head(sha256=SHA, events=12)),
        (f"{SHA}", Head(sha256=SHA)),
        (f"{SHA}@12", Head(sha256=SHA, events=12)),
        (json.dumps({"events": 12, "head_sha256": SHA}), Head(sha256=SHA, events=12)),
        (json.dumps({"run_id": "x", "journal": {"events": 12, "head_sha256": SHA}}), Head(sha256=SHA, events=12)),
    ],
)
def test_every_form_in_which_the_tool_prints_a_head_is_read(content: str, head: Head) -> None:
    assert read_head(content.encode()) == head


@pytest.mark.parametrize(
    "content",
    [
        "",
        "12",
        f"0 {SHA}",
        SHA[:-1],
        SHA.upper(),
        f"12 {SHA} 13 {SHA}",
        "[]",
        "{}",
        '{"journal": 3}',
        json.dumps({"events": True, "head_sha256": SHA}),
        json.dumps({"events": 0, "head_sha256": SHA}),
        json.dumps({"events": 10**400, "head_sha256": SHA}),
        json.dumps({"events": 1, "head_sha256": 7}),
        "[" * 100_000,
    ],
)
def test_anything_else_is_not_a_head(content: str) -> None:
    assert read_head(content.encode()) is None
    assert read_head(b"\xff" + content.encode()) is None


def test_a_journal_contains_its_own_heads_and_no_other(journal: list[Link]) -> None:
    digests = [one.sha256 for one in journal]
    words, numbered, shifted = (
        [Head(sha256=sha256, events=seq and seq + more) for seq, sha256 in pairs]
        for more, pairs in (
            (0, [(None, sha256) for sha256 in digests]),
            (0, list(enumerate(digests, start=1))),
            (1, list(enumerate(digests, start=1))),
        )
    )
    foreign = [Head(sha256=SHA), Head(sha256=SHA, events=99)]
    found = places_of([*words, *numbered, *shifted, *foreign], digests)
    assert found == {head: seq for heads in (words, numbered) for seq, head in enumerate(heads, start=1)}


def test_a_head_shows_as_it_is_parsed() -> None:
    for head in (Head(sha256=SHA), Head(sha256=SHA, events=3)):
        assert parse_head(str(head)) == head
