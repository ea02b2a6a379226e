"""The picture of a running run: what is in it, and that no line is too long."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console, Group

from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.cli.terminal.live_state import LiveState
from runner.cli.terminal.live_table import clock, draw, size, size_of
from runner.execute.progress_events import (
    InTraining,
    ModelEnded,
    Planned,
    ProgressEvent,
    Retried,
    StageStarted,
    Starting,
    StatusReceived,
    Stopping,
    UploadProgress,
    Warned,
)
from runner.plan.model_plan import PlanStage

EVIL = "[red]evil\x1b[2J\u202e[/red]"
NAMES = ("churn", "需要予測モデル" * 5, EVIL, "x" * 300)


def board(*told: tuple[str, float, ProgressEvent]) -> LiveState:
    found = LiveState()
    for model, at, news in told:
        found.take(model, news, at)
    return found


def lines(
    found: LiveState, *, now: float = 100.0, columns: int = 200, rows: int = 24, symbols: bool = True
) -> list[str]:
    """Return the picture as it would be printed, without the empty line at its end."""
    stream = io.StringIO()
    terminal = TerminalCapabilities(columns=columns, rows=rows, symbols=symbols, live=True)
    console = Console(file=stream, width=columns, color_system=None, highlight=False)
    console.print(Group(*draw(found, now=now, began=0.0, terminal=terminal)))
    *shown, last = stream.getvalue().splitlines()
    assert last == ""
    return shown


def fleet(count: int) -> LiveState:
    return board(*((f"model_{number:03}", 0.0, Planned(stages=(PlanStage.CHECK,))) for number in range(count)))


@pytest.mark.parametrize("stage", PlanStage)
def test_every_stage_has_a_name_for_people(stage: PlanStage) -> None:
    found = board(("churn", 90.0, StageStarted(stage=stage)))
    assert "churn" in lines(found)[0]


def test_an_upload_shows_its_share_its_bytes_its_speed_and_what_is_left() -> None:
    found = board(
        ("churn", 90.0, StageStarted(stage=PlanStage.UPLOAD)),
        ("churn", 95.0, UploadProgress(sent=50_000_000, total=200_000_000)),
        ("churn", 100.0, UploadProgress(sent=100_000_000, total=200_000_000)),
    )
    line = lines(found)[0]
    assert f"{'⣿' * 10}{'⣀' * 10}  50%  100.0 of 200.0 MB  10.0 MB/s  0:10 left" in line


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("churn", f"{'⣿' * 4}{'⣀' * 4}  100.0 of 200.0 MB  10.0 MB/s  0:10 left"),
        ("churn_of_households", f"{'⣿' * 3}{'⣀' * 3}  100.0 of 200.0 MB  10.0 MB/s"),
    ],
)
def test_an_upload_in_80_columns_leaves_out_what_does_not_fit_and_cuts_nothing(name: str, told: str) -> None:
    found = board(
        (name, 90.0, StageStarted(stage=PlanStage.UPLOAD)),
        (name, 95.0, UploadProgress(sent=50_000_000, total=200_000_000)),
        (name, 100.0, UploadProgress(sent=100_000_000, total=200_000_000)),
    )
    assert lines(found, columns=80)[0].partition("uploading")[2].strip() == told


def test_an_upload_that_has_no_slot_yet_says_so() -> None:
    assert "waiting to send" in lines(board(("m", 90.0, StageStarted(stage=PlanStage.UPLOAD))))[0]


def test_long_names_keep_their_ends_where_those_of_a_fleet_differ() -> None:
    found = board(*((f"elasticity_of_the_region_{number:03}", 0.0, Planned(stages=())) for number in range(3)))
    assert [line.split()[0] for line in lines(found, columns=80)[:3]] == [
        f"elasticit..gion_{number:03}" for number in range(3)
    ]


def test_the_run_itself_says_what_it_starts_and_that_it_stops() -> None:
    found = fleet(2)
    found.take(None, Starting(what="the emulator"), 0.0)
    assert lines(found)[-1] == "1:40  starting the emulator  |  2 queued"
    found.take("model_000", StageStarted(stage=PlanStage.CHECK), 0.0)
    assert "0 of 2 done" in lines(found)[-1]
    found.take(None, Stopping(signal="SIGINT", effects=1), 0.0)
    assert lines(found, columns=80)[-1] == "stopping (SIGINT): 1 request may finish; press Ctrl-C again to end at once"


def test_a_training_shows_how_long_it_takes_and_is_expected_to_take() -> None:
    found = board(
        ("churn", 10.0, StageStarted(stage=PlanStage.WAIT)),
        ("churn", 10.0, InTraining(retrain_job_id="j", elapsed_s=210.0, expected_s=600.0)),
        ("churn", 10.0, StatusReceived(retrain_job_id="j", status="running")),
        ("first", 10.0, StageStarted(stage=PlanStage.WAIT)),
        ("first", 10.0, InTraining(retrain_job_id="k", elapsed_s=0.0, expected_s=None)),
    )
    assert lines(found)[0].endswith(f"{'⣿' * 10}{'⣀' * 10} 5:00 of about 10:00  running")
    assert lines(found)[1].split()[-1] == "1:30"


@pytest.mark.parametrize("columns", [12, 40, 80, 200])
@pytest.mark.parametrize("symbols", [True, False])
def test_no_line_is_longer_than_the_terminal_and_no_name_steers_it(columns: int, symbols: bool) -> None:
    told: list[tuple[str, float, ProgressEvent]] = []
    for number, name in enumerate(NAMES):
        told += [(f"{name}{number}", 0.0, StageStarted(stage=PlanStage.UPLOAD))]
        told += [(f"{name}{number}", 1.0, UploadProgress(sent=5, total=9_000_000))]
        told += [
            (f"{name}trouble", 0.0, StageStarted(stage=PlanStage.WAIT)),
            (f"{name}trouble", 0.0, Warned(warning=EVIL * 20)),
        ]
        told += [(f"{name}end", 0.0, ModelEnded(outcome="failed", reason=f"{EVIL}需要 " * 30))]
    shown = lines(board(*told), columns=columns, symbols=symbols)
    assert max(map(cell_len, shown)) < columns
    assert not {"\x1b", "\u202e"} & set("".join(shown))
    assert symbols or not {"⣿", "⣀", "✗", "⠋"} & set("".join(shown))


def test_markup_in_a_name_is_text() -> None:
    assert lines(board((EVIL, 0.0, Planned(stages=()))))[0].startswith("[red]evil\\x1b[2J\\u202e[/red]")


def test_a_fleet_folds_into_counts_with_the_troubled_then_the_busiest_on_top() -> None:
    found = fleet(500)
    found.take("model_400", StageStarted(stage=PlanStage.UPLOAD), 1.0)
    found.take("model_400", UploadProgress(sent=1, total=2), 2.0)
    found.take("model_450", ModelEnded(outcome="failed", reason="no key"), 2.0)
    found.take("model_460", ModelEnded(outcome="switched", reason="good"), 2.0)
    found.take("model_499", StageStarted(stage=PlanStage.WAIT), 1.0)
    found.take("model_499", Retried(text="status, attempt 1"), 2.0)
    shown = lines(found, rows=12)
    assert len(shown) == 12 - 2
    assert [line.split()[0] for line in shown[:4]] == ["model_499", "model_450", "model_400", "model_460"]
    for number in range(100, 200):
        found.take(f"model_{number}", ModelEnded(outcome="failed", reason="no key"), 3.0)
        found.take(f"model_{number + 100}", StageStarted(stage=PlanStage.WAIT), 3.0)
    names = [line.split()[0] for line in lines(found, rows=12)[:9]]
    assert sum("model_1" in name for name in names) == 3, names
    assert {"model_400", "model_200", "model_201"} < set(names)
    assert "2 of 500 done  |  1 failed, 1 switched  |  1 uploading, 1 training, 496 queued (491 not shown)" in shown[-1]


def test_counts_that_are_too_long_for_one_line_take_two() -> None:
    found = fleet(300)
    for number, stage in enumerate([PlanStage.CHECK, PlanStage.UPLOAD, PlanStage.WAIT, PlanStage.EVALUATE]):
        found.take(f"model_{number:03}", StageStarted(stage=stage), 1.0)
    found.take("model_100", ModelEnded(outcome="awaiting_approval", reason=""), 1.0)
    shown = lines(found, columns=80)
    assert shown[-3].endswith("1 of 300 done  |  1 awaiting approval")
    assert shown[-2] == "      1 checking data, 1 uploading, 1 training, 1 judging, 295 queued"
    assert shown[-1] == f"      ({300 - len(shown) + 3} not shown)"


def test_few_models_stay_in_the_order_of_the_plan() -> None:
    found = fleet(3)
    found.take("model_002", ModelEnded(outcome="failed", reason="no key"), 2.0)
    assert [line.split()[0] for line in lines(found)[:3]] == ["model_000", "model_001", "model_002"]


def test_trouble_is_over_when_the_service_speaks_again() -> None:
    found = board(("m", 0.0, StageStarted(stage=PlanStage.WAIT)), ("m", 1.0, Retried(text="status, attempt 1")))
    assert "! status, attempt 1" in lines(found)[0]
    found.take("m", StatusReceived(retrain_job_id="j", status="running"), 2.0)
    assert "attempt" not in lines(found)[0]


@pytest.mark.parametrize(("seconds", "text"), [(7.9, "0:07"), (725, "12:05"), (3723, "1:02:03"), (-1, "0:00")])
def test_seconds_as_a_clock_shows_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (5e15, "5000.0 TB")]
)
def test_bytes_as_people_read_them(count: float, text: str) -> None:
    assert size(count) == text


def test_a_unit_stands_once_where_part_and_whole_share_it() -> None:
    assert (size_of(1.2e6, 3.4e6), size_of(1.2e3, 3.4e6)) == ("1.2 of 3.4 MB", "1.2 kB of 3.4 MB")


def test_the_reason_of_a_model_that_ended_has_a_short_id() -> None:
    job = "0123456789abcdef0123456789abcdef"
    found = board(
        ("churn", 1.0, InTraining(retrain_job_id=job, elapsed_s=0.0, expected_s=None)),
        ("churn", 2.0, ModelEnded(outcome="switched", reason=f"Job {job} serves now.")),
    )
    assert "Job 01234567 serves now." in lines(found)[0]
