"""A fleet of 48 models in a real terminal and in a pipe: each model has a line, and what wants a person comes first."""

from pathlib import Path
from shlex import quote

import pytest
from rich.cells import cell_len

from runner.cli.main import main
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.plan.model_plan import Action, Choice
from runner.reports.diagnosis import Check, diagnosis, diagnosis_text
from runner.reports.plan_text import render_plan_text
from runner.reports.table import cut_middle
from tests.fakes.terminal import in_terminal
from tests.unit.plan.plan_documents import document, model
from tests.unit.reports.report_history import ASK, Recording
from tests.unit.site.fleet_history import FleetRecording

NAMES = [f"{stem}-apac-southeast-online-{number:02}" for number in range(12) for stem in ("churn", "需要予測", "ltv")]
FAILED, WAITING, HELD, CALM = NAMES[:3], NAMES[3:8], NAMES[8:12], [*NAMES[12:], *(f"calm-{n:02}" for n in range(12))]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = StateFolder(tmp_path_factory.mktemp("fleet") / ".retrain")
    store = open_store(folder)
    fleet = FleetRecording(record=Recording(store=store, folder=folder))
    fleet.begin()
    for name in CALM:
        fleet.train(name, "0.9")
    for name in HELD:
        fleet.train(name, "0.5")
    for name in WAITING:
        fleet.train(name, "0.92", ASK)
    for name in FAILED:
        fleet.fail(name)
    fleet.end(1, page=b"")
    store.close()
    return folder.root.parent


def on_terminal(state: Path, columns: int, *words: str) -> list[str]:
    terminal = in_terminal(words, columns=columns, cwd=state, environment={})
    assert terminal.finish() == 0
    return terminal.screen.shown()


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_status_has_a_line_for_each_model_those_that_need_a_person_first(state: Path, columns: int) -> None:
    shown = on_terminal(state, columns, "status")
    table = shown[1 : shown.index("")]
    assert len(table) == 48
    assert all(cell_len(line) <= columns for line in table)
    names = [line.split()[0] for line in table]
    wanting = [cut_middle(name, 24 * columns // 80) for name in (*FAILED, *HELD, *WAITING)]
    assert sorted(names[:12]) == sorted(wanting)
    assert [line.split()[1] for line in table[:12]] == ["failed"] * 3 + ["held"] * 4 + ["awaiting"] * 5
    assert all("auc" in line for line in table[3:12]), "what a person decides by is in the line"
    todo = [" run: ", " reject or approve: ", " approve or reject: "]
    assert all(any(what in line for what in todo) for line in table[:12]), "what to do is never cut"
    rest = shown[shown.index("") + 1 :]
    assert rest[0] == "48 models: 3 failed, 4 held, 5 awaiting approval, 36 switched"
    assert rest[1].startswith("next: retrain run ")
    assert "9 more: retrain status --wide" in rest


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_history_of_a_fleet_is_one_table(state: Path, columns: int) -> None:
    shown = on_terminal(state, columns, "history")
    table = shown[: shown.index("")]
    assert len(table) == 49
    assert all(cell_len(line) <= columns for line in table)
    assert table[0].split()[:3] == ["run", "model", "outcome"]
    assert "auc 0.9" in table[1]


def test_a_pipe_has_the_fleet_under_its_outcomes(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(state)
    with pytest.raises(SystemExit, match="0"):
        main(["status"])
    shown = capsys.readouterr().out.splitlines()
    heads = [line for line in shown[: shown.index("")] if not line.startswith("  ")]
    assert heads == ["3 failed", "4 held", "5 awaiting approval", "36 switched"]
    assert sum(line.startswith("  calm-") for line in shown) == 12, "one line each"
    assert "`retrain approve " not in "".join(shown[: shown.index("")]), "commands are printed below, once"


REASON = 'Candidate 1 waits for `retrain approve a --reason "..."` or `retrain reject a --reason "..."`.'


@pytest.mark.parametrize("columns", [None, 80, 120, 200])
def test_a_plan_of_a_fleet_leads_with_what_it_does_and_only_names_what_rests(columns: int | None) -> None:
    calm = [model(name, Action.NONE, reason="The data is the same as for job 1.") for name in CALM]
    waiting = [model(name, Action.NONE, outcome="awaiting_approval", reason=REASON) for name in WAITING]
    broken = [model(name, Action.NONE, outcome="failed", reason="No file.") for name in FAILED]
    busy = [model(name, reason="The data changed. " * 20) for name in HELD]
    held = [model("kept-a", Action.NONE, outcome="held", reason="Candidate 2 is held: auc is 0.7.")]
    choice = Choice(paths=(Path("models.yaml"),), state="there")
    shown = render_plan_text(
        document(models=(*calm, *waiting, *busy, *held, *broken)), choice, width=columns
    ).splitlines()
    places = [next(place for place, line in enumerate(shown) if word in line) for word in _leading(columns)]
    assert places == sorted(places)
    doctor = [f"next: retrain doctor models.yaml --state there --select {quote(name)}" for name in FAILED]
    assert [line for line in shown if line.startswith("next: ")][:3] == doctor
    if columns is None:
        assert 'next: retrain reject kept-a --reason "..." --state there' in shown
        assert shown.count('next: retrain approve a --reason "..."') == len(WAITING)
    else:
        assert shown[-1] == f"{len(WAITING) + 1} more: retrain plan models.yaml --state there --wide"
    if columns:
        assert max(cell_len(line) for line in shown if not line.startswith(("next: ", "  or: "))) <= columns
        assert len(shown) < 40
    whole = render_plan_text(document(models=(*calm, *waiting)), choice, width=columns, wide=True)
    assert whole.count("The data is the same as for job 1.") == len(calm) or columns == 80


def _leading(columns: int | None) -> list[str]:
    """Return the words in the order in which their lines come."""
    return [
        "would fail",
        "retrain",
        "awaiting approval" if columns else "nothing (awaiting approval)",
        "36 unchanged: ",
    ]


def test_a_held_candidate_has_its_next_command_after_a_run_that_skipped_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = StateFolder(tmp_path / ".retrain")
    store = open_store(folder)
    fleet = FleetRecording(record=Recording(store=store, folder=folder))
    fleet.begin()
    fleet.train("churn", "0.5")
    fleet.end(4, page=b"")
    fleet.begin()
    fleet.leave("churn")
    fleet.end(0, page=b"")
    store.close()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main(["status"])
    shown = capsys.readouterr().out
    assert "last: unchanged" in shown
    assert 'next: retrain reject churn --reason "..."\n  or: retrain approve churn --reason "..."\n' in shown


def test_a_diagnosis_of_a_fleet_counts_the_models_without_a_finding() -> None:
    checks = [Check(name="data", verdict="ok", model=name, seen="It can be sent.") for name in NAMES]
    checks.append(Check(name="rules", verdict="problem", model=NAMES[4], seen="It has no auc.", next="Use r2."))
    shown = diagnosis_text(diagnosis("emulator", NAMES, checks)).splitlines()
    assert [line.split("  ")[0] for line in shown[:3]] == ["35 models", NAMES[4], NAMES[4]]
    assert "and 30 more; `--select MODEL` shows" in shown[0]
    few = diagnosis_text(diagnosis("emulator", NAMES[:3], checks[:3])).splitlines()
    assert [line.split("  ")[0] for line in few[:3]] == NAMES[:3]
