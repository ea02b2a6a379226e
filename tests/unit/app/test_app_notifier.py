"""When the dead-man switches are told, and of which code; errors pass through as they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.app.planning.scope import read_scope
from runner.app.run import notifier as telling
from runner.app.run.notifier import Notifier
from runner.app.state.read_state import Warn
from runner.errors import LockedError, StateError
from runner.notify import Trouble
from runner.plan.model_plan import Choice
from tests.fakes.receiver import Receiver
from tests.fakes.reports import report_of

REPORT = report_of()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    receiver = Receiver()
    monkeypatch.setenv("PING", f"{receiver.url}/ping")
    yield receiver
    receiver.stop()


def no_warning(text: str) -> None:
    raise AssertionError(text)


def notifier(folder: Path, warn: Warn = no_warning, *, service: Any = None, emulator: bool = False) -> Notifier:
    path = folder / "models.yaml"
    model = {
        "api_key": {"env": "KEY"},
        "dataset": "churn",
        "policy": "always",
        "emulator": {"task": "regression", "target": "y"},
    }
    manifest = {
        "version": 1,
        "service": service or {"url": "http://127.0.0.1:9"},
        "datasets": {"churn": {"train": "churn.csv"}},
        "policies": {"always": {"type": "auto"}},
        "models": {"churn": model},
        "notify": [{"ping": {"env": "PING"}}],
    }
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return Notifier(read_scope(Choice(paths=[path], emulator=emulator)), warn)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StateError("The journal is damaged.", hint="Restore it."), 7),
        (KeyboardInterrupt(), 130),
        (OSError("disk"), 1),
        (ValueError("a bug"), 70),
    ],
)
def test_an_error_that_ends_a_run_is_told_with_the_code_the_process_ends_with(
    tmp_path: Path, receiver: Receiver, error: BaseException, code: int
) -> None:
    with pytest.raises(type(error)) as caught, notifier(tmp_path).failing():
        raise error
    assert caught.value is error
    assert receiver.pings() == [f"/ping/{code}"]


def test_a_run_that_finds_another_at_work_leaves_the_switch_to_that_one(tmp_path: Path, receiver: Receiver) -> None:
    with pytest.raises(LockedError), notifier(tmp_path).failing():
        raise LockedError("Another run holds the state.", hint="Wait.")
    assert receiver.got == []


def test_a_rehearsal_of_a_real_manifest_is_told_to_nobody(tmp_path: Path, receiver: Receiver) -> None:
    rehearsal = notifier(tmp_path, emulator=True)
    rehearsal.began()
    rehearsal.ended(REPORT)
    assert receiver.got == []


def test_a_manifest_that_is_made_for_the_emulator_is_told_like_any(tmp_path: Path, receiver: Receiver) -> None:
    made_for_it = notifier(tmp_path, service={"emulator": True}, emulator=True)
    made_for_it.began()
    made_for_it.ended(REPORT)
    assert receiver.pings() == ["/ping/start", "/ping/0"]


def test_an_interruption_while_telling_does_not_take_the_runs_result_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: Any, **_settings: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(telling, "deliver", interrupted)
    warnings: list[str] = []
    notifier(tmp_path, warnings.append).ended(REPORT)
    assert "complete and recorded" in warnings[0]


@pytest.mark.parametrize(("stopped", "within"), [(None, telling.END_SECONDS), ("SIGTERM", telling.STOPPED_SECONDS)])
def test_who_stopped_a_run_waits_less_for_what_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: str | None, within: float
) -> None:
    given: list[float] = []

    def deliver(_deliveries: Any, *, seconds: float) -> list[Trouble]:
        given.append(seconds)
        return []

    monkeypatch.setattr(telling, "deliver", deliver)
    notifier(tmp_path).ended(report_of(stopped=stopped))
    assert given == [within]
