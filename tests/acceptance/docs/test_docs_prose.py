"""The prose of every page: lines that a diff can show, in the English of a technical writer."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from markdown_it import MarkdownIt

from runner.lib.schemas import NAMES, load_schema
from tests.acceptance.conftest import ROOT
from tests.acceptance.docs.blocks import pages, text_of

COLUMNS = 100
# Besides these pages, tables, code blocks, HTML comments and link definitions may be wider: a break would change them.
GENERATED = {"explanation/benchmarks.md": "`make bench` writes it"}
PAGES = [
    *(page for page in pages() if page not in GENERATED),
    *sorted(f"../{path.name}" for path in ROOT.glob("*.md")),
]

# What reads as translated, and what to write instead; a page in English has none of it outside of code.
UNIDIOMATIC = {
    r"(?:stand|stood|stands|standing)(?! for)": "is, has",
    r"(?:lie|lies|lay)": "is",
    r"likewise": "too",
    r"surely": "certainly",
    r"tells? whether": "say if",
    r"(?:a|the|that|this) word": "approval, status, value, argument",
    r"wants? a person": "needs a person",
    r"is had by": "use",
    r"comes? to serve": "is put into service",
    r"what (?:rules?|it|this|that|a change rule) comes? to": "the result of",
    r"(?<!there )(?:is|are) no(?! longer| more| less| later| earlier| newer| older)": "is not a",
    r"go(?:es)? on": "continue",
    r"of ours": "our",
    r"anew": "again",
    r"bec[ao]mes? of": "happens to",
    r"(?:is|are) told": "the message says",
    r"all the same": "still",
    r"for ever": "forever, always",
    r"the house": "the architecture",
    r"by itself at once": "immediately",
}


def prose_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line of the paragraphs, list items and headings, with its number."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    lines = text.splitlines()
    for before, token in itertools.pairwise(tokens):
        if token.type == "inline" and token.map and before.type in ("paragraph_open", "heading_open"):
            yield from enumerate(lines[slice(*token.map)], token.map[0] + 1)


def too_wide(text: str) -> list[str]:
    """Return the lines of prose that are wider than the limit, each with its number."""
    return [f"{number}: {line}" for number, line in prose_of(text) if len(line) > COLUMNS]


def sentences_of(text: str) -> Iterator[str]:
    """Yield the text of each paragraph, heading and cell of a table, without its code."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "inline":
            parts = (child.content if child.type == "text" else " " for child in token.children or ())
            yield " ".join("".join(parts).split())


def unidiomatic(text: str) -> list[str]:
    """Return the sentences that read as translated, each with what to write instead."""
    return [
        f"{found[0]!r}: write {better!r}: {sentence}"
        for sentence in sentences_of(text)
        for phrase, better in UNIDIOMATIC.items()
        for found in re.finditer(rf"\b{phrase}\b", sentence, re.IGNORECASE)
    ]


def descriptions(node: Any) -> Iterator[str]:
    """Yield every description in a schema."""
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield node["description"]
        for child in node.values():
            yield from descriptions(child)
    elif isinstance(node, list):
        for child in node:
            yield from descriptions(child)


@pytest.mark.parametrize("page", PAGES)
def test_prose_is_english_as_people_write_it(page: str) -> None:
    assert unidiomatic(text_of(page)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_descriptions_of_a_schema_are_english_as_people_write_it(name: str) -> None:
    assert [found for text in descriptions(load_schema(name)) for found in unidiomatic(text)] == []


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("The name stands in the report.", 1),
        ("`RUN` stands for the id of a run.", 0),
        ("What becomes of a model\n=======================", 1),
        ("| a |\n| --- |\n| The file lies beside it. |", 1),
        ("The file is no text.", 1),
        ("There is no file, and it is no longer needed.", 0),
        ("The output is `it stands there`.", 0),
    ],
)
def test_an_unidiomatic_phrase_is_found(prose: str, found: int) -> None:
    assert len(unidiomatic(prose)) == found


@pytest.mark.parametrize("page", PAGES)
def test_prose_is_wrapped_so_that_a_diff_can_be_read(page: str) -> None:
    assert too_wide(text_of(page)) == []


LONG = "word " * 25


@pytest.mark.parametrize("prose", [LONG, f"- item\n  {LONG}", f"# {LONG}", f"> {LONG}", f"1. item\n\n   {LONG}"])
def test_a_wide_line_of_prose_is_found(prose: str) -> None:
    assert too_wide(f"First.\n\n{prose}\n")


@pytest.mark.parametrize(
    "other",
    [f"```sh\n{LONG}\n```", f"| a |\n| --- |\n| {LONG} |", f"<!-- test: {LONG}-->", f"[a]: https://x.y/{'a' * 100}"],
)
def test_a_wide_line_that_is_not_prose_may_stay(other: str) -> None:
    assert too_wide(f"First.\n\n{other}\n") == []
