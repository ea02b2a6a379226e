"""The end of a run on a terminal: one screen with every model, or those that need a person and counts of the rest."""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from runner.cli.terminal.capabilities import TerminalCapabilities, outcome_sign
from runner.journal.outcomes import BY_URGENCY, NEEDS_PERSON, Outcome
from runner.reports.evidence_text import evidence_line, summary_reason, undecided
from runner.reports.model import ModelReport, Report
from runner.reports.next_step import by_urgency, in_brief
from runner.reports.table import CUT, FEWEST_COLUMNS, cut_middle
from runner.reports.text import in_words, inline


def cut(line: Text, columns: int) -> None:
    """Cut the end of a line that is too long."""
    if cell_len(line.plain) > columns:
        line.truncate(max(columns - len(CUT), 1), overflow="crop")
        line.append(CUT)


_FEWEST = 5
_GAP = 2  # columns between two cells


def render_summary(report: Report, terminal: TerminalCapabilities, *, room: int, option: str = "") -> str:
    """Return the models of a report with their outcomes and reasons, in at most `room` lines, but in five at least.

    Where not all fit, reasons are cut, first those of models that want nobody; then models are counted. `option` is
    what the commands in it need to find the state.
    """
    models, room = report.models, max(room, _FEWEST)
    urgent = by_urgency(models)
    for shown, whole in ((models, _all), (urgent, _wants_a_person), (urgent, _none)) if len(models) <= room else ():
        text = _printed(_table(shown, terminal, whole), terminal)
        if text.count("\n") < room:
            return text
    return _printed(Group(*_grouped(urgent, terminal, room, option)), terminal)


def _all(_model: ModelReport) -> bool:
    return True


def _wants_a_person(model: ModelReport) -> bool:
    return model.outcome in NEEDS_PERSON


def _none(_model: ModelReport) -> bool:
    return False


def _table(
    models: Sequence[ModelReport], terminal: TerminalCapabilities, whole: Callable[[ModelReport], bool]
) -> RenderableType:
    """Return a line a model; a reason that is wanted whole continues in the next line, others are cut."""
    columns = terminal.columns or 80
    if columns < FEWEST_COLUMNS:
        return _stacked(models, terminal, whole)
    names = _name_columns(models, columns // 3)
    states = max((cell_len(_outcome(model, terminal).plain) for model in models), default=0)
    room = columns - names - states - 2 * _GAP
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for width in (names, states, room):
        table.add_column(overflow="fold", width=width)
    for model in models:
        table.add_row(*_cells(model, terminal, names, None if whole(model) else room))
    return table


def _cells(model: ModelReport, terminal: TerminalCapabilities, names: int, room: int | None) -> tuple[Text, Text, Text]:
    """Return a model's name, outcome and reason; with `room` for the reason it and the name are cut."""
    name = inline(model.name)
    if room is None:
        return Text(name), _outcome(model, terminal), Text(_told(model))
    reason = Text(_told_shortly(model))
    cut(reason, room)
    return Text(cut_middle(name, names)), _outcome(model, terminal), reason


def _told(model: ModelReport) -> str:
    """Return why a model ended so, and below it the metrics that a person decides by."""
    evidence = undecided(model)
    lines = [summary_reason(model), *([f"metrics: {evidence_line(evidence)}"] if evidence else [])]
    return "\n".join(map(inline, lines))


def _told_shortly(model: ModelReport) -> str:
    """Return the same for a single line that is cut: what to do, the first metric, then why."""
    evidence = undecided(model)
    metric = f"{evidence_line(evidence, 1, noted=False)}; " if evidence else ""
    return inline(f"{in_brief(model.next)}{metric}{summary_reason(model)}")


def _stacked(
    models: Sequence[ModelReport], terminal: TerminalCapabilities, whole: Callable[[ModelReport], bool]
) -> RenderableType:
    """Return each model's name behind its outcome, and below that its reason where it is wanted."""
    lines: list[RenderableType] = []
    for model in models:
        lines.append(_outcome(model, terminal).append("  ").append(inline(model.name), "default"))
        if whole(model):
            lines.append(Padding(Text(_told(model), overflow="fold"), (0, 0, 0, 4)))
    return Group(*lines)


def _grouped(models: Sequence[ModelReport], terminal: TerminalCapabilities, room: int, option: str) -> Iterator[Text]:
    """Yield a heading for each outcome that needs a person with some of its models, and a line that counts the rest."""
    counts = Counter(model.outcome for model in models)
    shares = _shares({outcome: counts[outcome] for outcome in NEEDS_PERSON if counts[outcome]}, room - 1)
    columns = terminal.columns or 80
    shown = {
        outcome: list(islice((model for model in models if model.outcome == outcome), shares[outcome]))
        for outcome in shares
    }
    names = _name_columns(list(chain(*shown.values())), columns - 4 if columns < FEWEST_COLUMNS else columns // 4)
    for outcome, share in shares.items():
        sign = outcome_sign(outcome)
        line = Text().append(f"{sign.shown(terminal)} {counts[outcome]} {in_words(outcome)}", f"bold {sign.colour}")
        rest = f"  all: retrain status --outcome {outcome}{option}"
        if counts[outcome] > share and cell_len(line.plain + rest) <= columns:
            line.append(rest)
        yield line
        yield from _lines(shown[outcome], names, columns)
    others = [(outcome_sign(outcome), outcome) for outcome in BY_URGENCY if counts[outcome] and outcome not in shares]
    parts = (
        Text(f"{sign.shown(terminal)} {counts[outcome]} {in_words(outcome)}", sign.colour) for sign, outcome in others
    )
    line = Text("   ").join(parts)
    cut(line, columns)
    yield line


def _shares(counts: dict[Outcome, int], room: int) -> dict[Outcome, int]:
    """Return how many models of each outcome are shown, by turns as long as there is room below the headings."""
    shares, room = dict.fromkeys(counts, 0), room - len(counts)
    while room > 0 and shares != counts:
        for outcome in [count for count in counts if shares[count] < counts[count]][:room]:
            shares[outcome] += 1
            room -= 1
    return shares


def _lines(models: Sequence[ModelReport], names: int, columns: int) -> Iterator[Text]:
    """Yield a model's name, in so many columns, and its reason as far as it fits."""
    for model in models:
        name = cut_middle(inline(model.name), names)
        line = Text(f"  {name}{' ' * (names - cell_len(name) + _GAP)}{_told_shortly(model)}")
        cut(line, columns)
        yield line


def _name_columns(models: Sequence[ModelReport], most: int) -> int:
    return min(max((cell_len(inline(model.name)) for model in models), default=0), max(most, 8))


def _outcome(model: ModelReport, terminal: TerminalCapabilities) -> Text:
    sign = outcome_sign(model.outcome)
    return Text().append(f"{sign.shown(terminal)} {in_words(model.outcome)}", sign.colour)


def _printed(table: RenderableType, terminal: TerminalCapabilities) -> str:
    stream = io.StringIO()
    console = RichConsole(
        file=stream,
        width=terminal.columns,
        force_terminal=terminal.colour,
        color_system="standard" if terminal.colour else None,
        highlight=False,
        _environ={},
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
