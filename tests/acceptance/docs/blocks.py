"""The fenced blocks of the documentation, each with what an invisible comment before it tells the tests.

`<!-- test: file NAME -->` writes the block to a file of the scratch project, `first SHELL` runs a line unseen before
the block, `exits N` says how its commands end, `alternatives` begins each of them from the same project again,
`needs PROGRAM` skips the page where a program is missing, `kind NAME` says what a YAML block is that is not a manifest,
and `not run: REASON` leaves a block out. What is left out must also be in the tests' own list.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from tests.acceptance.conftest import ROOT

DOCS = ROOT / "docs"
_NOTE = re.compile(r"<!-- test: (.*?) -->", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: its language, its text, the line it begins at, and the notes before it."""

    page: str
    line: int
    language: str
    text: str
    notes: tuple[str, ...]

    @property
    def place(self) -> str:
        """Return where the block stands, as `page:line`."""
        return f"{self.page}:{self.line}"

    def told(self, word: str) -> tuple[str, ...]:
        """Return what the notes that begin with a word say after it."""
        return tuple(note.removeprefix(word).strip(" :") for note in self.notes if note.startswith(word))


def pages() -> list[str]:
    """Return every page of the documentation, as paths below docs/."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def text_of(page: str) -> str:
    """Return a page's source; `../README.md` is one too."""
    return (DOCS / page).read_text(encoding="utf-8")


def blocks_of(page: str, *languages: str) -> list[Block]:
    """Return the page's blocks in these languages, in their order."""
    return [block for block in _blocks(page, text_of(page)) if block.language in languages]


def inline_code(page: str) -> list[str]:
    """Return every code span of a page's sentences and tables."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text_of(page))
    spans = [child for token in tokens for child in token.children or () if child.type == "code_inline"]
    return [" ".join(span.content.split()) for span in spans]


def links_of(page: str) -> list[str]:
    """Return the targets of a page's links."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text_of(page))
    opened = [child for token in tokens for child in token.children or () if child.type == "link_open"]
    return [str(link.attrGet("href")) for link in opened]


def folder_of(page: str) -> Path:
    """Return the folder that a page's relative links start from."""
    return (DOCS / page).parent


def _blocks(page: str, text: str) -> Iterator[Block]:
    notes: tuple[str, ...] = ()
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "html_block":
            notes += tuple(_NOTE.findall(token.content))
        elif token.type == "fence":
            line = (token.map or [0])[0] + 1
            yield Block(page=page, line=line, language=token.info.strip(), text=token.content, notes=notes)
            notes = ()
