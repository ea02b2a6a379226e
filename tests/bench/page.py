"""The table of `make bench` as Markdown, and the page of the documentation around it."""

from collections.abc import Sequence

from tests.bench.figure import Part, Row
from tests.bench.machine import describe

HEAD = "| line | ours | peer | ratio | target | verdict |\n| --- | --- | --- | --- | --- | --- |"
_INTRODUCTION = """\
# How fast it is

`make bench` writes this page. It measures every line again on your machine in about a quarter of an
hour; `make bench BENCH=upload` measures one line. Do not edit this page.

Each figure is shown beside its peer, measured in the same run and in turn (ours, peer, ours, peer),
after one round that does not count. A figure is the median of the rounds, with the lowest and the
highest in brackets. A ratio is the median of the ratios of the rounds. Seconds differ between
machines, ratios less so. Memory is the most that a process and everything it started used at once.
Services run on the same machine, over its loopback, and share its processors with both sides.
"""


def line_of(row: Row) -> str:
    """Return a row of the table."""
    target = row.target.text if row.target else ""
    verdict = f"**{row.verdict}**" if row.verdict in ("missed", "not measured") else row.verdict
    cells = (row.what, row.trouble or row.ours, row.peer, row.ratio, target, verdict)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(parts: Sequence[Part], rounds: int) -> str:
    """Return docs/explanation/benchmarks.md."""
    rows = [line_of(row) for part in parts for row in part.rows]
    missed = sum(row.verdict in ("missed", "not measured") for part in parts for row in part.rows)
    met = sum(row.verdict == "met" for part in parts for row in part.rows)
    sections = [f"## {part.heading}\n\n{part.text.rstrip()}" for part in parts if part.text]
    measured = f"Measured on {describe()}, {rounds} rounds. Targets met: {met} of {met + missed}."
    return "\n".join([_INTRODUCTION, measured, "", HEAD, *rows, "", "\n\n".join(sections)]) + "\n"
