"""One picture of a running run: a line a model, and a line that counts. Names and messages are text, never markup."""

from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from runner.cli.look import Look
from runner.cli.screen.board import QUEUED, Board, Row
from runner.cli.screen.signs import OUTCOMES, TROUBLE, bar, turning
from runner.plan.model import Stage
from runner.report.next_step import ORDER
from runner.report.table import FEWEST_COLUMNS
from runner.report.text import inline, words

_OTHER_LINES = 6  # of the screen that are not for models: counts, the prompt, what stood there before
_FEWEST_LINES = 3
_GAP = "  |  "
_STATE_COLUMNS = 19  # the longest outcome with its sign
_DOING = {
    Stage.SETTLE_UPLOAD: "asking for upload",
    Stage.CHECK: "checking data",
    Stage.UPLOAD: "uploading",
    Stage.WAIT: "training",
    Stage.EVALUATE: "judging",
    Stage.DECIDE: "judging again",
    Stage.SETTLE_SWITCH: "asking for switch",
    Stage.REVIEW: "reviewing",
    Stage.SWITCH: "switching",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What all lines of a picture share; columns are those of the terminal, and of the names."""

    look: Look
    columns: int
    name_columns: int


def draw(board: Board, *, now: float, began: float, look: Look) -> Group:
    """Return the picture at `now` of a run that began at `began`, both in the clock's seconds.

    No line is longer than the terminal is wide. The last one is empty: there a shell goes on when the run is killed.
    """
    columns = max((look.columns or 80) - 1, 10)  # a full line would make some terminals add an empty one
    rows = board.picked(max(look.rows - _OTHER_LINES, _FEWEST_LINES))
    longest = max((cell_len(inline(row.name)) for row in rows), default=0)
    name_columns = min(longest, max(columns // 3, 8))
    shape = Shape(look=look, columns=columns, name_columns=name_columns)
    lines = [_line(row, now, shape) for row in rows]
    lines += _counts(board, now - began, len(rows), columns)
    for line in lines:
        cut(line, columns)
    return Group(*lines, Text(""))


def cut(line: Text, columns: int) -> None:
    """Cut a line that is too long and show it, in ASCII since the common sign for it is wide in some fonts."""
    if cell_len(line.plain) > columns:
        line.truncate(max(columns - 2, 1), overflow="crop")
        line.append("..")


def _line(row: Row, now: float, shape: Shape) -> Text:
    name = Text(inline(row.name))
    cut(name, shape.name_columns)
    name.append(" " * (shape.name_columns - cell_len(name.plain)))
    line = name.append("  ").append(_state(row, now, shape)).append("  ")
    return line.append(_detail(row, now, shape.columns - cell_len(line.plain), shape.look))


def _state(row: Row, now: float, shape: Shape) -> Text:
    look = shape.look
    if row.outcome:
        sign = OUTCOMES[row.outcome]
        text, style = f"{sign.shown(look)} {words(row.outcome)}", sign.colour
    elif row.stage is None:
        text, style = f"  {QUEUED}", "bright_black"
    else:
        text, style = f"{turning(now, look)} {_DOING[row.stage]}", "cyan"
    return Text(f"{text:{_STATE_COLUMNS}}" if shape.columns >= FEWEST_COLUMNS else text, style)


def _detail(row: Row, now: float, room: int, look: Look) -> Text:
    if row.outcome:
        return Text(inline(row.reason))
    if row.trouble:
        return Text(f"{TROUBLE.shown(look)} {inline(row.trouble)}", TROUBLE.colour)
    if row.flow is not None:
        return _upload(row, room, look)
    if row.stage == Stage.WAIT and row.training_from is not None:
        return _training(row, now - row.training_from, room, look)
    if row.began is not None:
        return Text(clock(now - row.began), "bright_black")
    return Text("")


def _upload(row: Row, room: int, look: Look) -> Text:
    if row.flow is None:
        return Text("")
    share = row.flow.sent / max(row.flow.total, 1)
    text = Text(_bar(share, room, look)).append(f"{share:4.0%}  {size_of(row.flow.sent, row.flow.total)}")
    if row.flow.speed and row.flow.sent < row.flow.total:
        text.append(f"  {size(row.flow.speed)}/s")
    if row.flow.left_s is not None and 0 < row.flow.left_s < 1e6:
        text.append(f"  {clock(row.flow.left_s)} left", "bright_black")
    return text


def _training(row: Row, elapsed: float, room: int, look: Look) -> Text:
    if row.expected_s:
        share = elapsed / row.expected_s
        text = Text(_bar(share, room, look)).append(f"{clock(elapsed)} of about {clock(row.expected_s)}")
    else:
        text = Text(clock(elapsed))
    return text.append(f"  {inline(row.word)}" if row.word else "", "bright_black")


def _bar(share: float, room: int, look: Look) -> str:
    """Return a bar with a gap behind it, nothing where there is no room."""
    width = 20 if room >= 70 else 10 if room >= 40 else 0
    return f"{bar(share, width, look)} " if width else ""


def _counts(board: Board, elapsed: float, shown: int, columns: int) -> list[Text]:
    """Return what is counted, the troubled first, in one line or two."""
    counts = board.counts()
    done = ", ".join(f"{counts[one]} {words(one)}" for one in ORDER if counts[one])
    doing = [*((counts[one], word) for one, word in _DOING.items()), (counts[QUEUED], QUEUED)]
    going = ", ".join(f"{count} {word}" for count, word in doing if count)
    hidden = f"({len(board.rows) - shown} not shown)" if len(board.rows) > shown else ""
    head = _GAP.join(part for part in (f"{clock(elapsed)}  {board.ended} of {len(board.rows)} done", done) if part)
    rest = " ".join(part for part in (going, hidden) if part)
    one = _GAP.join(part for part in (head, rest) if part)
    return [Text(line, "bold") for line in ([one] if len(one) <= columns else [head, f"      {rest}"])]


def clock(seconds: float) -> str:
    """Return seconds as a clock shows them: `0:07`, `12:05`, `1:02:03`."""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size_of(count: float, total: float) -> str:
    """Return a part and its whole; the unit stands once where both have the same: `1.2 of 3.4 MB`."""
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
