"""The end of a run on a terminal: it fits the screen, and what needs a person comes first."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from runner.app.run.run_end import RunResult
from runner.cli.console import Console
from runner.cli.run_result import report_lines, show_result
from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.cli.terminal.summary import render_summary
from runner.errors import ExitCode
from runner.journal.outcomes import NEEDS_PERSON, Outcome
from runner.plan.evidence import Evidence, MetricEvidence
from runner.reports.model import ModelReport, Report
from tests.fakes.reports import report_of

WHY = "auc 0.9 >= 0.95 failed by 0.05; the current model is kept. Improve the data or change the limit. " * 2


def report(*outcomes: Outcome) -> Report:
    names = (f"需要予測_{number:03}" if number % 2 else f"churn_{number:03}" for number in range(len(outcomes)))
    return report_of([ModelReport(name=one, outcome=end, reason=WHY) for one, end in zip(names, outcomes, strict=True)])


def lines(found: Report, *, columns: int = 80, room: int = 15) -> list[str]:
    return render_summary(
        found, TerminalCapabilities(columns=columns, rows=24), room=room, option=" --state s"
    ).splitlines()


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("room", [5, 15, 40])
def test_a_fleet_of_which_half_is_in_trouble_fits_the_screen(room: int, columns: int) -> None:
    outcomes: tuple[Outcome, ...] = ("switched", *NEEDS_PERSON, "switched", "unchanged", "training")
    shown = lines(report(*(outcomes * 63)), room=room, columns=columns)
    assert len(shown) == room
    assert max(map(cell_len, shown)) <= columns
    heads = [line for line in shown if not line.startswith("  ")]
    assert [line.partition("63 ")[2].partition("  ")[0] for line in heads[:-1]] == [
        "unknown",
        "failed",
        "held",
        "awaiting approval",
    ]
    assert ("all: retrain status --outcome failed --state s" in heads[1]) is (columns > 40)
    assert shown[-1].startswith("~ 63 training   + 126 swi")


def _show(found: Report) -> None:
    result = RunResult(report=found, folder=Path("runs"), where="runs", exit_code=ExitCode.OK, internal_errors=())
    show_result(Console(), result, "text", "s")


def test_each_outcome_that_wants_a_person_shows_models_with_their_names_and_reasons() -> None:
    failed: list[Outcome] = ["failed"] * 100
    switched: list[Outcome] = ["switched"] * 100
    waiting: list[Outcome] = ["held", "awaiting_approval"]
    shown = lines(report(*failed, *waiting, *switched))
    assert shown[0] == "x 100 failed  all: retrain status --outcome failed --state s"
    assert shown[1].startswith("  churn_000     run: auc 0.9 >= 0.95 failed by 0.05; the")
    assert shown[2].startswith("  需要予測_001  run: auc 0.9")
    assert [line for line in shown if not line.startswith("  ")][1:] == [
        "# 1 held",
        "? 1 awaiting approval",
        "+ 100 switched",
    ]


def test_before_models_are_left_out_reasons_are_cut_and_first_those_that_want_nobody() -> None:
    few = lines(report("switched", "failed", "switched"), room=8)
    assert [line.split()[0] for line in few if not line.startswith(" ")] == ["需要予測_001", "churn_000", "churn_002"]
    assert WHY.strip() in " ".join(" ".join(few).replace(" x failed ", " ").split())
    assert [line[-2:] for line in few if "switched" in line] == ["..", ".."]
    assert all("failed" in line and line.endswith("..") for line in lines(report(*(("failed",) * 8)), room=8))


def test_few_models_are_told_whole_in_the_order_of_the_plan() -> None:
    shown = lines(report("switched", "failed"))
    assert [line.split()[0] for line in shown if not line.startswith(" ")] == ["churn_000", "需要予測_001"]
    assert ".." not in "".join(shown)


def undecided_report(outcome: Outcome, count: int = 1) -> Report:
    """Return a report of models that are worse than the job that serves."""
    auc = MetricEvidence(
        name="auc",
        candidate=Decimal("0.939"),
        incumbent=Decimal("0.954"),
        difference=Decimal("-0.015"),
        change="worse",
        unit="",
        problem=None,
    )
    job = "1a2b3c4d-0000-4000-8000-000000000000"
    found = Evidence(retrain_job_id=job, incumbent_job_id="old", source="measured", note=None, metrics=(auc, auc))
    reason = f"Job {job} is {outcome}. `retrain x --job {job}`"
    made = report(*[outcome] * count)
    return replace(
        made, models=[replace(one, reason=reason, retrain_job_id=job, evidence=found) for one in made.models]
    )


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("outcome", ["held", "awaiting_approval"])
def test_what_waits_or_is_held_shows_its_metrics_and_short_ids_and_no_command(outcome: Outcome, columns: int) -> None:
    shown = " ".join(" ".join(lines(undecided_report(outcome), columns=columns)).split())
    assert "metrics: auc 0.939 against 0.954 (-0.015, worse)" in shown
    assert "Job 1a2b3c4d is" in shown
    assert "`retrain" not in shown, "its commands are lines of their own"


@pytest.mark.parametrize("count", [12, 100])
def test_where_a_model_has_one_line_its_first_metric_comes_before_the_reason(count: int) -> None:
    shown = [line for line in lines(undecided_report("held", count)) if "churn_" in line]
    assert all("reject or approve: auc 0.939 against 0.954" in line and line.endswith("..") for line in shown)
    assert len(shown) > 5


def test_a_report_that_is_in_a_store_is_named_by_the_command_that_opens_it() -> None:
    found, terminal = report("switched"), Console().terminal
    kept = [
        *report_lines(terminal, found, "state/runs/1", ""),
        *report_lines(terminal, found, "s3://b/p/runs/1", " --state x"),
    ]
    assert [line for line in kept if line.startswith("report: ")] == [
        "report: state/runs/1/report.html",
        f"report: retrain report {found.run_id} --open --state x",
    ]


def test_in_a_file_a_line_ends_with_the_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    found = undecided_report("awaiting_approval")
    show_result(
        Console(),
        RunResult(report=found, folder=Path("runs"), where="runs", exit_code=ExitCode.OK, internal_errors=()),
        "text",
        "s",
    )
    shown = capsys.readouterr().out
    assert "Metrics: auc 0.939 against 0.954 (-0.015, worse), auc " in shown.splitlines()[0]
    assert 'next: retrain approve churn_000 --reason "..." --state s\n  or: retrain reject churn_000' in shown


@pytest.mark.parametrize("outcome", ["held", "awaiting_approval"])
def test_a_result_that_could_not_be_read_comes_with_the_command_that_looks_into_it(
    capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    [model] = undecided_report(outcome).models
    found = report_of([replace(model, unread="The result is empty.")])
    show_result(
        Console(),
        RunResult(report=found, folder=Path("runs"), where="runs", exit_code=ExitCode.OK, internal_errors=()),
        "text",
        "s",
    )
    word = "next" if outcome == "held" else "look"
    assert f"\n{word}: retrain inspect churn_000 --state s\n" in capsys.readouterr().out


def test_in_a_file_outcomes_stand_under_each_other_behind_japanese_names(capsys: pytest.CaptureFixture[str]) -> None:
    found = report("switched", "switched")
    show_result(
        Console(),
        RunResult(report=found, folder=Path("runs"), where="runs", exit_code=ExitCode.OK, internal_errors=()),
        "text",
        "s",
    )
    shown = capsys.readouterr().out.splitlines()[:2]
    assert [cell_len(line.partition("switched")[0]) for line in shown] == [14, 14]
