"""The live table and the lines of a log: neither disturbs the run, whatever goes wrong with the display."""

import io
import json
import re
import threading
import time
from collections.abc import Callable

import pytest

from runner.cli.console import Console
from runner.cli.terminal import live_table as live
from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.cli.terminal.live_table import LiveTable
from runner.cli.terminal.log_lines import ThrottledLog, event_line, text_line
from runner.execute.progress_events import (
    Message,
    ModelEnded,
    ProgressEvent,
    ProgressMeter,
    Recorded,
    RequestStarted,
    StageStarted,
    Starting,
    UploadProgress,
    redacted,
)
from runner.plan.model_plan import PlanStage
from tests.fakes.terminal import Screen

LOOK = TerminalCapabilities(columns=80, rows=24, live=True)


class Broken(io.StringIO):
    """A terminal that has gone away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def write(self, text: str) -> int:
        self.asked += 1
        raise BrokenPipeError(text)


class Stalled(io.StringIO):
    """A terminal that was stopped: writing waits until the test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, text: str) -> int:
        self.let_go.wait(20)
        return len(text)


def test_a_terminal_that_breaks_ends_the_table_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Broken())
    table = LiveTable(lambda: LOOK, keep=False)
    table.above("kept")
    end = time.monotonic() + 10
    while not table.broken and time.monotonic() < end:
        table.tell("churn", StageStarted(stage=PlanStage.CHECK))
        time.sleep(0.01)
    assert table.broken
    assert table.close() == ["kept"]


def test_a_terminal_that_is_stopped_holds_up_neither_news_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Stalled()
    monkeypatch.setattr("sys.stderr", stalled)
    monkeypatch.setattr(live, "_LAST_S", 0.2)
    table = LiveTable(lambda: LOOK, keep=False)
    time.sleep(2 * live.EVERY_S)
    began = time.monotonic()
    for number in range(1000):
        table.tell(f"model_{number}", Message(text="x"))
    table.close()
    assert time.monotonic() - began < 15
    stalled.let_go.set()


def test_lines_printed_meanwhile_stand_above_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    table = LiveTable(lambda: LOOK, keep=True)
    table.tell("churn", StageStarted(stage=PlanStage.CHECK))
    table.above("[red]warning[/red]: \x1b[31mred\x1b[0m")
    assert table.close() == []
    written = stream.getvalue()
    assert "[red]warning[/red]: red" in written.replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert written.index("warning") < written.rindex("churn")


def test_a_window_that_becomes_narrower_keeps_nothing_of_the_last_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen breaks the lines of the old picture again, as terminals do; the new one must cover all of them."""
    stream, narrow, marks = io.StringIO(), threading.Event(), list[int]()
    monkeypatch.setattr("sys.stderr", stream)

    def terminal() -> TerminalCapabilities:
        if narrow.is_set():
            marks.append(stream.tell())
        return TerminalCapabilities(columns=40 if narrow.is_set() else 120, rows=24, live=True)

    table = LiveTable(terminal, keep=True)
    for number in range(3):
        table.tell(f"model_{number}", ModelEnded(outcome="failed", reason="why " * 30))
    wait_for(lambda: "3 of 3 done" in stream.getvalue())
    narrow.set()
    wait_for(lambda: len(marks) > 1)
    table.close()
    before, after = (
        text.replace("\n", "\r\n") for text in (stream.getvalue()[: marks[0]], stream.getvalue()[marks[0] :])
    )
    wide, screen = Screen(columns=120), Screen(columns=40)
    wide.feed(f"$ retrain run\r\n{before}")
    screen.feed("\r\n".join(wide.shown()) + after)
    shown = [line for line in screen.shown() if line]
    assert [line.split()[0] for line in shown[:4]] == ["$", "model_0", "model_1", "model_2"]
    assert ["3 of 3 done" in line for line in shown[4:]] == [True, False]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_listener_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    monkeypatch.setattr("sys.stderr", broken)
    with Console().watching() as listener:
        listener("churn", Message(text="hello"))
        listener("churn", Message(text=None))  # type: ignore[arg-type] # what a bug of ours could make of it
    assert broken.asked > 0


def told(verbosity: int, *news: ProgressEvent, events: bool = False, every: float = 30.0) -> list[str]:
    kept: list[str] = []
    log = ThrottledLog(tell=lambda _model, one: kept.append(one.text), verbosity=verbosity, every=every, events=events)
    for one in news:
        log("m", one)
    return kept


def test_a_log_is_told_more_with_each_v() -> None:
    news: list[ProgressEvent] = [
        Message(text="said"),
        RequestStarted(call="status", attempt=2),
        Recorded(fact="candidate_evaluated"),
    ]
    assert [told(verbosity, *news) for verbosity in (-1, 0, 1, 2)] == [
        [],
        ["said"],
        ["said", "call: status, number 2"],
        ["said", "call: status, number 2", "recorded: candidate_evaluated"],
    ]


def test_a_long_upload_gets_a_line_now_and_then() -> None:
    sent = [UploadProgress(sent=number, total=100) for number in range(100)]
    assert told(0, *sent) == []
    assert told(0, *sent, every=0.0)[-1] == "sent 99 of 100 bytes"


def test_programs_are_told_of_stages() -> None:
    assert told(0, StageStarted(stage=PlanStage.CHECK)) == []
    assert told(0, StageStarted(stage=PlanStage.CHECK), events=True) == ["stage: check"]


def test_a_line_for_programs_has_the_values_and_no_character_that_steers() -> None:
    line = event_line("m\u202e\x1b", ModelEnded(outcome="failed", reason="why\u2028"))
    assert not {"\u202e", "\x1b", "\u2028"} & set(line)
    found = json.loads(line)
    assert (found["model"], found["event"], found["outcome"], found["reason"]) == (
        "m\u202e\x1b",
        "model_ended",
        "failed",
        "why\u2028",
    )


def test_a_line_for_people_shows_control_characters_as_escapes() -> None:
    line = text_line("m\x1b", Message(text="a\nb\x07"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ m\\x1b: a b\\x07", line)
    assert text_line(None, Starting(what="the emulator")).endswith("Z starting the emulator")


class SteppingClock:
    """Each look at it is a hundredth of a second later."""

    seconds = 100.0

    def monotonic(self) -> float:
        self.seconds += 0.01
        return self.seconds


def test_an_upload_tells_of_its_bytes_ten_times_a_second_at_most_and_at_its_end() -> None:
    news: list[ProgressEvent] = []
    meter = ProgressMeter(tell=news.append, clock=SteppingClock(), total=1000)  # type: ignore[arg-type] # only this is asked
    for sent in range(1, 1001):
        meter(sent)
    assert len(news) == pytest.approx(100, abs=10)
    assert news[-1] == UploadProgress(sent=1000, total=1000)


def test_every_text_in_news_is_redacted_and_words_of_our_own_stay() -> None:
    assert redacted(ModelEnded(outcome="failed", reason="KEY"), str.lower) == ModelEnded(outcome="failed", reason="key")
    assert redacted(StageStarted(stage=PlanStage.CHECK), str.upper) == StageStarted(stage=PlanStage.CHECK)
