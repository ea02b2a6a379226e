"""The live table: a separate thread draws it, so that a slow or stopped terminal delays nothing.

Whatever goes wrong while drawing ends the table, never the run; the lines that a log would have continue from there.
"""

import errno
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from textwrap import wrap
from typing import NoReturn

from msgspec import Struct
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from runner.cli.terminal.capabilities import TROUBLE, TerminalCapabilities, bar, outcome_sign, turning
from runner.cli.terminal.live_state import QUEUED, Flow, LiveRow, LiveState
from runner.cli.terminal.summary import cut
from runner.execute.progress_events import ProgressEvent
from runner.journal.outcomes import BY_URGENCY
from runner.plan.model_plan import PlanStage
from runner.reports.table import FEWEST_COLUMNS, cut_middle
from runner.reports.text import in_words, inline

_OTHER_LINES = 2  # of the screen beside models and counts: the empty one at the end, and what was there before
_FEWEST_LINES = 3
_GAP = "  |  "
_INDENT = " " * 6  # of more counts
_BOUND = "\xa0"  # a space at which no line is broken
_SPACE = "  "
_LONGEST_LEFT_S = 1e6  # of a time that is any help
_STATE_COLUMNS = 19  # the longest outcome with its sign
_LONGEST_BAR = 20
# The shortest bar of an upload, and what is told beside it: the first line that fits is shown.
_UPLOADS = (
    (8, ("share", "bytes", "speed", "left")),
    (5, ("bytes", "speed", "left")),
    (5, ("bytes", "speed")),
    (0, ("share", "bytes", "speed")),
    (0, ("share", "bytes")),
)
_DOING = {
    PlanStage.ADOPT: "adopting",
    PlanStage.SETTLE_UPLOAD: "asking for upload",
    PlanStage.CHECK: "checking data",
    PlanStage.UPLOAD: "uploading",
    PlanStage.WAIT: "training",
    PlanStage.EVALUATE: "judging",
    PlanStage.DECIDE: "judging again",
    PlanStage.SETTLE_SWITCH: "asking for switch",
    PlanStage.REVIEW: "reviewing",
    PlanStage.SWITCH: "switching",
}


class FrameSize(Struct, frozen=True, kw_only=True):
    """What all lines of a picture share; columns are those of the terminal, and of the names."""

    terminal: TerminalCapabilities
    columns: int
    name_columns: int


def draw(board: LiveState, *, now: float, began: float, terminal: TerminalCapabilities) -> list[Text]:
    """Return the lines of the picture at `now` of a run that began at `began`, both in the clock's seconds.

    No line is longer than the terminal is wide. The last one is empty: there a shell continues when the run is killed.
    """
    columns = max((terminal.columns or 80) - 1, 10)  # a full line would make some terminals add an empty one
    counts = _counts(board, now - began, 0, columns)  # as many lines as with what is shown
    rows = board.picked(max(terminal.rows - len(counts) - _OTHER_LINES, _FEWEST_LINES))
    longest = max((cell_len(inline(row.name)) for row in rows), default=0)
    name_columns = min(longest, max(columns // 4, 8))
    shape = FrameSize(terminal=terminal, columns=columns, name_columns=name_columns)
    lines = [_line(row, now, shape) for row in rows]
    lines += _counts(board, now - began, len(rows), columns)
    for line in lines:
        cut(line, columns)
    return [*lines, Text("")]


def _line(row: LiveRow, now: float, shape: FrameSize) -> Text:
    name = Text(cut_middle(inline(row.name), shape.name_columns))
    name.append(" " * (shape.name_columns - cell_len(name.plain)))
    line = name.append("  ").append(_state(row, now, shape)).append("  ")
    return line.append(_detail(row, now, shape.columns - cell_len(line.plain), shape.terminal))


def _state(row: LiveRow, now: float, shape: FrameSize) -> Text:
    terminal = shape.terminal
    if row.outcome:
        sign = outcome_sign(row.outcome)
        text, style = f"{sign.shown(terminal)} {in_words(row.outcome)}", sign.colour
    elif row.stage is None:
        text, style = f"  {QUEUED}", "bright_black"
    else:
        text, style = f"{turning(now, terminal)} {_DOING[row.stage]}", "cyan"
    return Text(f"{text:{_STATE_COLUMNS}}" if shape.columns >= FEWEST_COLUMNS else text, style)


def _detail(row: LiveRow, now: float, room: int, terminal: TerminalCapabilities) -> Text:
    if row.outcome:
        return Text(inline(row.reason))
    if row.trouble:
        told = cut_middle(inline(row.trouble), room - 2)  # which call is first, what came of it last
        return Text(f"{TROUBLE.shown(terminal)} {told}", TROUBLE.colour)
    if row.flow is not None:
        return _upload(row.flow, room, terminal)
    if row.stage == PlanStage.WAIT and row.training_from is not None:
        return _training(row, now - row.training_from, room, terminal)
    if row.began is not None:
        waits = "  waiting to send" if row.stage == PlanStage.UPLOAD else ""
        return Text(f"{clock(now - row.began)}{waits}", "bright_black")
    return Text("")


def _upload(flow: Flow, room: int, terminal: TerminalCapabilities) -> Text:
    """Return as much of an upload as there is room for: a bar, its share, its bytes, their speed, and what is left."""
    share = flow.sent / max(flow.total, 1)
    parts = {"share": f"{share:3.0%}", "bytes": size_of(flow.sent, flow.total), "speed": "", "left": ""}
    if flow.speed and flow.sent < flow.total:
        parts["speed"] = f"{size(flow.speed)}/s"
    if flow.left_s is not None and 0 < flow.left_s < _LONGEST_LEFT_S:
        parts["left"] = f"{clock(flow.left_s)} left"
    most = {"share": 4, "bytes": 2 * len(size(flow.total)) + 1, "speed": 10, "left": 10}
    for shortest, names in _UPLOADS:
        spare = room - sum(most[name] + len(_SPACE) for name in names)
        if spare >= shortest:
            shown = [bar(share, min(spare, _LONGEST_BAR), terminal)] if shortest else []
            return Text(_SPACE.join(part for part in (*shown, *(parts[name] for name in names)) if part))
    return Text(parts["share"])


def _training(row: LiveRow, elapsed: float, room: int, terminal: TerminalCapabilities) -> Text:
    if row.expected_s:
        share = elapsed / row.expected_s
        text = Text(_bar(share, room, terminal)).append(f"{clock(elapsed)} of about {clock(row.expected_s)}")
    else:
        text = Text(clock(elapsed))
    return text.append(
        f"  {inline(row.status)}" if row.status not in ("", _DOING[PlanStage.WAIT]) else "", "bright_black"
    )


def _bar(share: float, room: int, terminal: TerminalCapabilities) -> str:
    """Return a bar with a gap behind it, or nothing if it does not fit."""
    width = _LONGEST_BAR if room >= 70 else 10 if room >= 40 else 0
    return f"{bar(share, width, terminal)} " if width else ""


def _counts(board: LiveState, elapsed: float, shown: int, columns: int) -> list[Text]:
    """Return what is counted, the troubled first, in as many lines as it takes, and the stop of the run."""
    counts = board.counts()
    done = ", ".join(f"{counts[outcome]} {in_words(outcome)}" for outcome in BY_URGENCY if counts[outcome])
    doing = [*((counts[phase], word) for phase, word in _DOING.items()), (counts[QUEUED], QUEUED)]
    going = ", ".join(f"{count} {word}" for count, word in doing if count)
    hidden = f"({len(board.rows) - shown} not shown)" if len(board.rows) > shown else ""
    over = ", writing the report" if 0 < len(board.rows) == board.ended else ""
    head = board.starting or f"{board.ended} of {len(board.rows)} done{over}"
    lines = [f"{clock(elapsed)}  {head}"]
    for whole in (done, f"{going} {hidden}".strip()):
        if whole and len(lines[-1]) + len(_GAP) + len(whole) <= columns:
            lines[-1] += f"{_GAP}{whole}"
        else:
            lines += _wrapped(whole, columns)
    stop = [Text(board.stopping, TROUBLE.colour)] if board.stopping else []
    return [*(Text(line, "bold") for line in lines), *stop]


def _wrapped(counts: str, columns: int) -> list[str]:
    """Return counts in lines that break between two of them."""
    bound = counts.replace(" ", _BOUND).replace(f",{_BOUND}", ", ").replace(f"{_BOUND}(", " (")
    lines = wrap(bound, columns, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [line.replace(_BOUND, " ") for line in lines]


def clock(seconds: float) -> str:
    """Return seconds as a clock shows them: `0:07`, `12:05`, `1:02:03`."""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size_of(count: float, total: float) -> str:
    """Return a part and its whole; the unit appears once where both have the same: `1.2 of 3.4 MB`."""
    part, whole = size(count), size(total)
    same = part.split()[1] == whole.split()[1]
    return f"{part.split()[0] if same else part} of {whole}"


def size(count: float) -> str:
    """Return bytes as people read them, in powers of ten: `412 B`, `3.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.95:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


EVERY_S = 0.125  # 8 pictures a second
_LINE_UP = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
_REST = 20  # times as long as a picture took: ten thousand models must not take a core
_LAST_S = 2.0  # the last picture may take so long; a terminal that was stopped by Ctrl-S takes none


class SteadyConsole(RichConsole):
    """A console that touches nothing but its own lines."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 -- as inherited
        """Leave the cursor where it can be seen: a run that is killed could not bring it back."""
        return False

    def on_broken_pipe(self) -> NoReturn:
        """Report it to the caller; rich itself would take stdout away and end the thread."""
        raise OSError(errno.EPIPE, "the terminal has gone away")


class LiveTable:
    """Draws a board on stderr until it is closed. Any thread may tell it event."""

    def __init__(self, terminal: Callable[[], TerminalCapabilities], *, keep: bool) -> None:
        """Begin to draw.

        Args:
            terminal: what the terminal can show now; asked again for each picture, since windows change.
            keep: leave the last picture on the screen.
        """
        self._look = terminal
        self._board = LiveState()
        self._guard = threading.Lock()
        self._above: deque[str] = deque()
        self._ending = threading.Event()
        self._began = time.monotonic()
        self._drawn: tuple[int, list[int]] = (0, [])  # the last picture's terminal and lines, in columns
        self.broken = False
        console = SteadyConsole(
            file=sys.stderr, force_terminal=True, color_system="auto" if terminal().colour else None, highlight=False
        )
        self._console = console
        self._live = Live(
            console=console, auto_refresh=False, transient=not keep, redirect_stdout=False, redirect_stderr=False
        )
        self._thread = threading.Thread(target=self._run, name="live-table", daemon=True)
        self._thread.start()

    def tell(self, model: str | None, event: ProgressEvent) -> None:
        """Take in an event; it is seen in the next picture."""
        with self._guard:
            self._board.take(model, event, time.monotonic())

    def above(self, text: str) -> None:
        """Print a line above the table."""
        self._above.append(text)

    def close(self) -> list[str]:
        """Draw a last time and end; return the lines that could not be printed."""
        self._ending.set()
        self._thread.join(_LAST_S)
        return list(self._above)

    def _run(self) -> None:
        try:
            with self._live:
                pause = EVERY_S
                while not self._ending.wait(pause):
                    began = time.thread_time()
                    self._draw()
                    pause = max(EVERY_S, _REST * (time.thread_time() - began))
                self._draw()
        except Exception:  # noqa: BLE001 -- a display must never disturb the run
            self.broken = True

    def _draw(self) -> None:
        while self._above:
            self._console.print(Text(self._above[0]), soft_wrap=True)
            self._above.popleft()
        terminal = self._look()
        self._clear_reflowed(terminal.columns or 0)
        with self._guard:
            lines = draw(self._board, now=time.monotonic(), began=self._began, terminal=terminal)
        self._live.update(Group(*lines), refresh=True)
        self._drawn = (terminal.columns or 0, [cell_len(line.plain) for line in lines])

    def _clear_reflowed(self, columns: int) -> None:
        """Take away what the last picture takes beyond its own lines, now that its window is narrower.

        Nearly all terminals break lines again then. One that cuts them loses as many lines above the table.
        """
        before, widths = self._drawn
        if 0 < columns < before:
            more = sum((max(width, 1) - 1) // columns for width in widths)
            self._console.control(Control(*(_LINE_UP * more)))
