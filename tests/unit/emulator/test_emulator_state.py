"""The emulator's memory, without a server around it."""

import time
from pathlib import Path

import pytest

from emulator.hosting import HostedModel
from emulator.job import Phase
from emulator.state import State, UsedUploadError


def hosted(name: str, declared_id: int | None = None) -> HostedModel:
    return HostedModel(name=name, task="regression", target="y", key_digest=name, key_label="", declared_id=declared_id)


def ids(file: Path, *models: HostedModel) -> dict[str, int]:
    state = State(file)
    state.register(models)
    found = {model.name: state.account(model.name).model_id for model in models}
    state.close()
    return found


def test_model_ids_are_small_stable_and_as_the_manifest_declares_them(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite3"
    assert ids(file, hosted("a"), hosted("b")) == {"a": 1, "b": 2}
    assert ids(file, hosted("c"), hosted("b"), hosted("a")) == {"c": 3, "b": 2, "a": 1}
    assert ids(file, hosted("d", 1), hosted("b")) == {"d": 1, "b": 2}
    assert ids(file, hosted("a"), hosted("d", 1)) == {"a": 4, "d": 1}


def test_an_upload_counts_once(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite3")
    job = state.issue_job("a", "a.csv")
    state.start_training(job, held_back=0)
    with pytest.raises(UsedUploadError):
        state.start_training(job, held_back=0)
    assert [one.retrain_job_id for one in state.in_training()] == [job]
    state.close()


def test_the_end_of_a_training_that_is_held_back_shows_later(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite3")
    job = state.issue_job("a", "a.csv")
    state.start_training(job, held_back=0.2)
    state.finish(job, {"AUC": 0.5})
    found = state.job(job)
    assert found is not None
    assert found.shown_phase() is Phase.TRAINING
    time.sleep(0.25)
    assert found.shown_phase() is Phase.FINISHED
    assert found.metrics == {"AUC": 0.5}
    state.close()


def test_a_change_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite3")
    with pytest.raises(AttributeError):
        state.register([hosted("a"), None])  # type: ignore[list-item] # the fault that is planted
    with pytest.raises(LookupError):
        state.account("a")
    state.register([hosted("b")])
    assert state.account("b").model_id == 1
    state.close()
