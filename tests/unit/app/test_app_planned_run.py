"""When `run --plan` refuses, it says what moved; nothing was asked, sent or recorded."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from runner import __version__
from runner.app.planning.plan import PlanRequest, plan
from runner.app.planning.plan_document import MOST_BYTES, read_plan
from runner.app.run.run import RunRequest, run
from runner.app.service import service_of
from runner.app.state.read_state import read_progress
from runner.app.state.session import Session, session
from runner.errors import ExitCode, RetrainError, StateError, UsageError
from runner.journal.events import RunOptions
from runner.lib.canonical_json import digest
from runner.manifest.load import load
from runner.plan.document import PlanDocument, StalePlanError
from runner.plan.model_plan import Choice, ModelPlan
from runner.plan.planner import plan_model

NOW = timedelta(0)
KEPT = Path("plan.json")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a manifest of two models, of which no key can be had: nothing could be sent anyway."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for name in ("churn", "wine"):
        Path(f"data/{name}.csv").write_text("a,b\n" + f"{name},1\n" * 200)
    save(manifest())
    return tmp_path


def manifest() -> dict[str, Any]:
    """Return the manifest before a test changes it."""
    names = ("churn", "wine")
    return {
        "version": 1,
        "service": {"url": "http://127.0.0.1:9"},
        "datasets": {name: {"train": f"data/{name}.csv"} for name in names},
        "policies": {"always": {"type": "auto"}},
        "models": {
            name: {"api_key": {"env": f"ABSENT_{name.upper()}"}, "dataset": name, "policy": "always"} for name in names
        },
    }


def save(value: dict[str, Any]) -> None:
    Path("models.yaml").write_text(yaml.safe_dump(value))


def keep(**choice: Any) -> PlanDocument:
    """Write plan.json."""
    return plan(PlanRequest(choice=Choice(paths=[Path("models.yaml")], **choice), state="state", out=KEPT)).document


def run_kept(*, state: str = "state", kept: Path = KEPT, **choice: Any) -> ExitCode:
    request = RunRequest(
        choice=Choice(**choice), state=state, listener=lambda _model, _text: None, warn=lambda _text: None, plan=kept
    )
    return run(request).exit_code


def moved(**arguments: Any) -> tuple[str, ...]:
    """Return what a refused run says moved, after making sure that nothing was recorded."""
    before = read_progress("state").head
    with pytest.raises(StalePlanError) as caught:
        run_kept(**arguments)
    assert caught.value.exit_code == ExitCode.STATE
    assert read_progress("state").head == before
    return caught.value.differences


def refused(**arguments: Any) -> RetrainError:
    with pytest.raises(RetrainError) as caught:
        run_kept(**arguments)
    assert read_progress("state").head is None
    return caught.value


def record_a_run(command: str = "run", state: str = "state") -> str:
    """Let another command move the state, and return its run's id."""
    with session(state, lock_timeout=NOW) as opened:
        start(opened, command)
        opened.finish(ExitCode.OK, None)
        return opened.run_id


def start(opened: Session, command: str) -> None:
    value = load([Path("models.yaml")])
    opened.start(value, service_of(value, emulator=False), ("models.yaml",), RunOptions(command=command))


def test_a_plan_that_still_fits_is_run_and_recorded() -> None:
    document = keep(select=["wine"])
    assert run_kept() == ExitCode.FAILED  # no key: the model fails, the plan was right
    [record] = read_progress("state").runs.values()
    assert record.started.options.plan_sha256 == document.sha256
    assert record.started.options.select == ("wine",)
    assert list(record.models) == ["wine"]


@pytest.mark.parametrize("command", ["run", "approve", "resolve"])
def test_whatever_moved_the_state_is_named(command: str) -> None:
    keep()
    run_id = record_a_run(command)
    assert moved() == (f"the state changed by 3 events: run {run_id} (retrain {command})",)


def test_many_runs_in_between_are_counted() -> None:
    keep()
    for _ in range(6):
        record_a_run("reject")
    [said] = moved()
    assert said.count("(retrain reject)") == 5
    assert said.endswith("and 1 more")


def test_another_an_older_and_a_fresh_state_are_told_apart() -> None:
    record_a_run()
    shutil.copytree("state", "older", symlinks=True)
    record_a_run()
    keep()
    record_a_run(state="other")
    assert "is older: it has 3 events, and had 6 when" in moved(state="older")[0]
    assert "another one, with another journal" in moved(state="other")[0]
    assert "the state has no run yet" in moved(state="fresh")[0]


def test_a_state_that_took_another_way_since_an_older_copy_is_refused() -> None:
    record_a_run()
    shutil.copytree("state", "fork", symlinks=True)
    record_a_run()
    keep()
    for _ in range(2):
        record_a_run(state="fork")
    [said] = moved(state="fork")
    assert "history up to event 6 differs" in said


def test_a_run_without_an_end_before_the_plan_moves_nothing() -> None:
    with session("state", lock_timeout=NOW) as opened:
        start(opened, "run")
    keep(select=["wine"])
    assert run_kept() == ExitCode.FAILED
    assert [one.finished is not None for one in read_progress("state").runs.values()] == [True, True]


def _gone() -> None:
    Path("models.yaml").unlink()


def _invalid() -> None:
    save({**manifest(), "models": {"churn": {"policy": "chrun"}}})


def _model_gone() -> None:
    save({**manifest(), "models": {"wine": manifest()["models"]["wine"]}})


@pytest.mark.parametrize(
    ("change", "said"),
    [(_gone, "is not found from this folder"), (_invalid, "chrun"), (_model_gone, "No model matches `churn`")],
)
def test_a_manifest_that_can_no_longer_be_used_is_named(change: Callable[[], None], said: str) -> None:
    keep(select=["churn"])
    change()
    assert any(said in one for one in moved())


def test_a_new_file_in_a_planned_folder_is_named() -> None:
    Path("all").mkdir()
    shutil.move("models.yaml", "all")
    shutil.move("data", "all")
    plan(PlanRequest(choice=Choice(paths=[Path("all")]), state="state", out=KEPT))
    Path("all/more.yaml").write_text("policies: {lax: {type: auto}}\n")
    assert moved() == ("the manifest file all/more.yaml is new",)


def test_data_that_vanished_or_came_is_named() -> None:
    keep()
    Path("data/wine.csv").rename("data/away.csv")
    assert moved() == ("the data of wine is no longer available: data/wine.csv does not exist.",)
    keep()
    Path("data/away.csv").rename("data/wine.csv")
    [said] = moved()
    assert said.startswith("the data of wine is available now")


def test_a_policy_that_only_got_another_spelling_is_a_changed_file_and_no_changed_policy() -> None:
    keep()
    save({**manifest(), "policies": {"always": {"type": "auto"}}, "limits": {"parallel": 2}})
    assert moved() == ("the manifest file models.yaml changed",)


def test_time_alone_can_outrun_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    keep()

    def later(*arguments: Any) -> ModelPlan:
        made = plan_model(*arguments)
        return replace(made, outcome="skipped", stages=()) if made.model == "wine" else made

    monkeypatch.setattr("runner.app.planning.plan.plan_model", later)
    [said] = moved()
    assert said.startswith("wine: the plan says retrain, now a run would do nothing (skipped)")


def test_a_plan_of_another_version_of_the_tool_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    keep()
    monkeypatch.setattr("runner.app.provenance.__version__", "99.0")
    assert moved() == (f"the plan was made by retrain-runner {__version__}, this is retrain-runner 99.0",)


@pytest.mark.parametrize(
    ("flag", "given"),
    [
        ("--select", {"select": ["churn"]}),
        ("--force", {"force": True}),
        ("--no-switch", {"no_switch": True}),
        ("--emulator", {"emulator": True}),
    ],
)
def test_flags_that_a_plan_holds_cannot_be_given_beside_it(flag: str, given: dict[str, Any]) -> None:
    keep()
    error = refused(**given)
    assert isinstance(error, UsageError)
    assert f"{flag} cannot be given together with --plan" in error.message


def test_paths_beside_a_plan_must_be_its_own(project: Path) -> None:
    keep()
    shutil.copy("models.yaml", "other.yaml")
    error = refused(paths=[Path("other.yaml")])
    assert isinstance(error, UsageError)
    assert "was made for models.yaml" in error.message
    assert run_kept(paths=[project / "models.yaml"]) == ExitCode.FAILED


def test_absolute_paths_below_the_working_folder_are_kept_relative(project: Path) -> None:
    document = plan(
        PlanRequest(choice=Choice(paths=[project / "x" / ".." / "models.yaml"]), state="state", out=KEPT)
    ).document
    assert document.manifest.paths == ("models.yaml",)
    assert document.manifest.files[0].path == "models.yaml"
    assert str(project) not in KEPT.read_text()


def _cut(content: bytes) -> bytes:
    return content[:-100]


def _edited(content: bytes) -> bytes:
    return content.replace(b'"force": false', b'"force": true')


def _other(_content: bytes) -> bytes:
    return Path("models.yaml").read_bytes()


def _empty(_content: bytes) -> bytes:
    return b""


def _huge(content: bytes) -> bytes:
    return content + b" " * MOST_BYTES


@pytest.mark.parametrize("damage", [_cut, _edited, _other, _empty, _huge])
def test_a_damaged_plan_is_a_state_conflict(damage: Callable[[bytes], bytes]) -> None:
    keep()
    KEPT.write_bytes(damage(KEPT.read_bytes()))
    error = refused()
    assert isinstance(error, StateError)
    assert "plan.json" in error.message


@pytest.mark.parametrize("name", ["absent.json", "data", "/dev/zero", "a\0b"])
def test_a_plan_that_is_not_a_file_is_wrong_usage(name: str) -> None:
    assert isinstance(refused(kept=Path(name)), UsageError)


def test_a_plan_written_over_a_plan_replaces_it_whole() -> None:
    first = keep()
    Path("link.json").symlink_to(KEPT)
    request = PlanRequest(choice=Choice(paths=[Path("models.yaml")], force=True), state="state", out=Path("link.json"))
    second = plan(request).document
    assert first.sha256 != second.sha256
    assert Path("link.json").is_symlink()
    assert read_plan(KEPT) == second
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("target", ["models.yaml", "data/churn.csv", "data", "pipe", "missing/plan.json"])
def test_a_plan_is_written_over_nothing_but_a_plan(target: str) -> None:
    os.mkfifo("pipe")  # stands for every device; a real one would be lost if this test ever failed
    before = {path: path.read_bytes() for path in (Path("models.yaml"), Path("data/churn.csv"))}
    with pytest.raises(UsageError, match=r"is not a plan|no folder"):
        plan(PlanRequest(choice=Choice(paths=[Path("models.yaml")]), state="state", out=Path(target)))
    assert before == {path: path.read_bytes() for path in before}


def test_an_empty_file_that_was_reserved_is_taken() -> None:
    Path("reserved").touch()
    plan(PlanRequest(choice=Choice(paths=[Path("models.yaml")]), state="state", out=Path("reserved")))
    assert json.loads(Path("reserved").read_bytes())["plan_version"] == 1


def test_a_plan_tells_when_it_was_made_and_where_the_state_stood() -> None:
    document = keep()
    assert (document.state.lineage, document.state.serial, document.state.head_sha256) == (None, 0, None)
    assert datetime.now(UTC) - datetime.fromisoformat(document.created_at) < timedelta(minutes=1)
    record_a_run()
    head = read_progress("state").head
    state = keep().state
    assert (state.serial, state.head_sha256) == head
    assert state.lineage not in (None, state.head_sha256)


def forged(change: Callable[[dict[str, Any]], object]) -> None:
    """Change the plan and its digest, as anybody can."""
    value = json.loads(KEPT.read_bytes())
    change(value)
    del value["sha256"]
    KEPT.write_text(json.dumps({**value, "sha256": digest(value)}))


@pytest.mark.parametrize("path", ["\0", "models.yaml\0", "", "x" * 5000])
def test_a_plan_whose_paths_are_impossible_is_refused(path: str) -> None:
    keep()
    forged(lambda plan: plan["manifest"].update(paths=[path]))
    assert isinstance(refused(paths=[Path("models.yaml")]), StateError)


@pytest.mark.parametrize("path", ["x" * 4000, "loop"])
def test_a_plan_whose_paths_lead_nowhere_is_out_of_date(path: str) -> None:
    Path("loop").symlink_to("loop")
    keep()
    forged(lambda plan: plan["manifest"].update(paths=[path]))
    assert moved() == (f"the manifest {path} is not found from this folder",)
    assert isinstance(refused(paths=[Path("loop/x")]), UsageError)


def test_a_plan_about_another_service_is_refused() -> None:
    keep()
    forged(lambda plan: plan.update(service="service.test"))
    assert moved() == ("the plan is about service.test and moves that are not those of the manifest on 127.0.0.1",)
