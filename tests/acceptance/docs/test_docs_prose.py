"""The prose of every page: lines that a diff can show, in the English that `docs/reference/glossary.md` goes by."""

import itertools
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt

from tests.acceptance.conftest import ROOT
from tests.acceptance.docs.blocks import pages, text_of

COLUMNS = 100
# Besides these pages, tables, code blocks, HTML comments and link definitions may be wider: a break would change them.
GENERATED = {"explanation/benchmarks.md": "`make bench` writes it"}
PAGES = [
    *(page for page in pages() if page not in GENERATED),
    *sorted(f"../{path.name}" for path in ROOT.glob("*.md")),
]


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
def test_a_wide_line_that_is_no_prose_may_stay(other: str) -> None:
    assert too_wide(f"First.\n\n{other}\n") == []
