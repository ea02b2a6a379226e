"""A sample of `suite_flips`, and the proof that it can fail."""

from collections.abc import Iterator

import pytest

from runner.app.audit import verify
from runner.app.state import loss
from tests.fakes.cut_journal import JOURNAL
from tests.stress.damaged_state import Damage, FinishedState, complaint
from tests.stress.suite_flips import flip, lose, two_runs

SAMPLE = 300


@pytest.fixture(scope="module")
def runs() -> Iterator[tuple[FinishedState, bytes]]:
    with two_runs() as made:
        yield made


@pytest.fixture
def state(runs: tuple[FinishedState, bytes]) -> FinishedState:
    return runs[0]


def test_no_flip_and_no_cut_of_state_reports_and_results_is_silent(state: FinishedState) -> None:
    figure = flip(state, SAMPLE)
    assert figure.violations == 0, figure.detail
    assert complaint(state.root) is None


def test_no_state_that_is_gone_foreign_older_or_added_to_is_silent(runs: tuple[FinishedState, bytes]) -> None:
    figure = lose(*runs)
    assert figure.violations == 0, figure.detail


def test_an_audit_that_does_not_look_at_files_is_seen_by_this_suite(
    state: FinishedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "other_content", lambda _evidence, _name, _sha256, _recorded: iter(()))
    monkeypatch.setattr(verify, "check_schemas", lambda _evidence, _links, _runs: iter(()))
    figure = flip(state, 60)
    assert figure.violations > 0
    assert "report" in figure.detail


def test_an_audit_that_does_not_look_for_unrecorded_files_is_seen_by_this_suite(
    runs: tuple[FinishedState, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "unrecorded_entries", lambda _folder, _progress: iter(()))
    monkeypatch.setattr(verify, "unrecorded_files", lambda _folder, _runs, _links: iter(()))
    assert "a run folder nobody recorded" in lose(*runs).detail


def test_damage_that_changes_a_row_is_never_counted_as_without_effect(
    state: FinishedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.stress.damaged_state.complaint", lambda _root: None)
    place = state.files[JOURNAL].find(b'"kind":"candidate_evaluated"')
    assert place > 0
    assert state.judge(Damage(file=JOURNAL, byte=place + 8, bit=0)) == "silent"


@pytest.mark.parametrize("old", [b"TABLE events", b"KEY (seq)"])
def test_a_schema_of_bytes_that_are_not_text_is_a_state_error(state: FinishedState, old: bytes) -> None:
    """SQLite then repeats the damaged bytes in a message of its own that Python cannot decode."""
    place = state.files[JOURNAL].find(old)
    assert place > 0
    for byte in range(place, place + 3):
        assert state.judge(Damage(file=JOURNAL, byte=byte, bit=7)) == "found"
