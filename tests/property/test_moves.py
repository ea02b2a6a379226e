"""Whatever a valid `moved` says: no history is lost or told of two names, and what was recorded is not done again."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.journal.events import JobCreated
from runner.journal.progress import Progress, moved
from runner.manifest.load import read
from runner.manifest.model import Manifest
from runner.plan.renames import due_moves
from tests.unit.journal.journal_facts import AT, chained, draft, run_started

NAMES = ["a", "b", "c", "d", "e"]
HOST = "service.test"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("moves") / "models.yaml"


def manifest(file: Path, models: list[str], moves: list[tuple[str, str]]) -> Manifest | None:
    """Return a manifest with these models and entries; None where `validate` refuses it."""
    value = {
        "version": 1,
        "datasets": {"d": {"train": "d.csv"}},
        "policies": {"p": {"type": "auto"}},
        "models": {name: {"api_key": {"env": name}, "dataset": "d", "policy": "p"} for name in models},
        "moved": [{"from": old, "to": new} for old, new in moves],
    }
    file.write_text(json.dumps(value))
    return read([file]).manifest


def progress_of(known: list[str]) -> Progress:
    """Return a progress in which each of these names has one job, called by it."""
    facts = [JobCreated(retrain_job_id=f"job-{name}", url_expires_at=AT, status_before_upload=None) for name in known]
    drafts = [draft(fact, model=name) for fact, name in zip(facts, known, strict=True)]
    return Progress(chained([draft(run_started(HOST), model=None), *drafts]))


ENTRIES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=5)
SUBSETS = st.lists(st.sampled_from(NAMES), unique=True)


@given(known=SUBSETS, models=SUBSETS.filter(bool), steps=st.lists(ENTRIES, min_size=1, max_size=3))
@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_histories_are_kept_and_moves_are_done_once(
    file: Path, known: list[str], models: list[str], steps: list[list[tuple[str, str]]]
) -> None:
    histories = progress_of(known).models
    for entries in steps:
        made = manifest(file, models, entries)
        if made is None:
            continue
        due = due_moves(made, {name: history for (_, name), history in histories.items()})
        after = moved(histories, HOST, due.moves)
        jobs = sorted(job for one in after.values() for job in one.jobs)
        assert jobs == sorted(f"job-{name}" for name in known)
        assert sorted(one.identity for one in after.values()) == sorted(known)
        again = due_moves(made, {name: one for (_, name), one in after.items()})
        assert again.moves == ()
        assert again.refused.keys() <= due.refused.keys()
        histories = after


def test_the_entries_tried_are_often_valid(file: Path) -> None:
    assert manifest(file, ["b"], [("a", "b")]) is not None
    assert manifest(file, ["a", "b"], [("a", "b"), ("b", "a")]) is not None
