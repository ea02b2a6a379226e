"""The end of a run on a terminal: one screen with every model, or those that want a person and counts of the rest."""

import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from runner.cli.look import Look
from runner.cli.screen.signs import OUTCOMES
from runner.report.next_step import TROUBLE, by_urgency
from runner.report.table import FEWEST_COLUMNS
from runner.report.text import inline, words

_FEWEST = 5


def render_summary(report: dict[str, Any], look: Look, *, room: int) -> str:
    """Return the models of a report with their outcomes and reasons, in at most `room` lines, but in five at least."""
    models, room = report["models"], max(room, _FEWEST)
    whole = _printed(_table(models, look, fold=True), look)
    if whole.count("\n") < room:
        return whole
    if len(models) <= room:
        return _printed(_table(by_urgency(models), look, fold=False), look)
    wanting = [model for model in by_urgency(models) if model["outcome"] in TROUBLE]
    shown = wanting[: room - 1]
    rest = len(models) - len(shown)
    wants = f", {len(wanting) - len(shown)} of them want a person" if len(wanting) > len(shown) else ""
    lines = [_printed(_table(shown, look, fold=False), look)] if shown else []
    return "\n".join([*lines, f"... and {rest} more models{wants}; the report has all"])


def _table(models: Sequence[dict[str, Any]], look: Look, *, fold: bool) -> RenderableType:
    """Return a line a model; with `fold` long reasons go on in the next line, else they are cut."""
    if (look.columns or 80) < FEWEST_COLUMNS:
        return _stacked(models, look, fold=fold)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", no_wrap=False, max_width=max((look.columns or 80) // 3, 8))
    table.add_column(overflow="fold", no_wrap=True)
    table.add_column(overflow="fold" if fold else "crop", no_wrap=not fold)
    for model in models:
        table.add_row(Text(inline(model["name"])), _outcome(model, look), Text(inline(model["reason"])))
    return table


def _stacked(models: Sequence[dict[str, Any]], look: Look, *, fold: bool) -> RenderableType:
    """Return each model's name behind its outcome, and below that, with `fold`, its reason."""
    lines: list[RenderableType] = []
    for model in models:
        lines.append(_outcome(model, look).append("  ").append(inline(model["name"]), "default"))
        if fold:
            lines.append(Padding(Text(inline(model["reason"]), overflow="fold"), (0, 0, 0, 4)))
    return Group(*lines)


def _outcome(model: dict[str, Any], look: Look) -> Text:
    sign = OUTCOMES[model["outcome"]]
    return Text().append(f"{sign.shown(look)} {words(model['outcome'])}", sign.colour)


def _printed(table: RenderableType, look: Look) -> str:
    stream = io.StringIO()
    console = RichConsole(
        file=stream,
        width=look.columns,
        force_terminal=look.colour,
        color_system="standard" if look.colour else None,
        highlight=False,
        _environ={},
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
