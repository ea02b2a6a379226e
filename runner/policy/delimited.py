"""Delimited text -> rows of cells: commas, tabs, semicolons, bars, colons or signs of equality, as the text shows."""

import csv
import io
import re

from runner.policy.refusal import refusal

Row = list[str]

_MOST_CELLS = 100_000
_SAMPLE = 20  # lines that tell the delimiter
_STATED = re.compile(r"\s*\"?sep=(?P<delimiter>[^\s\"])\"?[^\S\n]*(?:\r\n|\r|\n)")  # a first line that only Excel knows
_QUOTED = re.compile(r'"[^"]*"')
_RARE = ";|"  # taken only where every line has them: a comma is the rule
_RAREST = ":="  # taken only where every line has them, and none a comma
_RULE = re.compile(r"[\s|:+-]+")  # between the head and the rows of a Markdown table


def rows_of(text: str) -> list[Row]:
    """Return the rows that are not empty, each cell without spaces around it.

    Raises:
        ModelError: of kind result, for broken quotes or more than 100,000 cells.
    """
    stated = _STATED.match(text)
    body = text[stated.end() :] if stated else text
    delimiter = stated["delimiter"] if stated else _delimiter(body)
    if delimiter == "|":
        body = _without_frame(body)
    if body.count(delimiter) + body.count("\n") + body.count("\r") > _MOST_CELLS:
        raise refusal(f"The result is a table of more than {_MOST_CELLS:,} cells, too large for one of metrics.")
    try:
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise refusal("The result is a table with broken quotes or an overlong cell.") from error
    return [row for row in rows if any(row)]


def _delimiter(text: str) -> str:
    lines = [line for line in _QUOTED.sub("", text[: 1 << 16]).splitlines()[:_SAMPLE] if line.strip()]
    if not lines or "\t" in lines[0].lstrip(" "):
        return "\t" if lines else ","
    rare = _RARE if any("," in line for line in lines) else _RARE + _RAREST
    return next((one for one in rare if all(one in line for line in lines)), ",")


def _without_frame(text: str) -> str:
    """Return the lines of a Markdown table without the bars at their ends and the rule below its head."""
    lines = (line.strip().removeprefix("|").removesuffix("|") for line in text.splitlines())
    return "\n".join(line for line in lines if not _RULE.fullmatch(line))
