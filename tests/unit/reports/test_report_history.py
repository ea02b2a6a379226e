"""The history as a fold over the journal: what each run did, nothing of what it did not."""

import csv
import io
import json
from collections.abc import Callable

from msgspec.structs import replace

from runner.journal.events import RollbackDecided, SwitchSucceeded
from runner.lib.timestamps import moment
from runner.reports.build import build_report
from runner.reports.decision import Confirmation, Explanation, explanation_text, explanations_json, read_trails
from runner.reports.history import UNDER_WAY, history_text, incumbents_at, incumbents_text, read_entries
from runner.reports.history_records import history_csv, history_json, incumbents_json
from tests.unit.reports.report_history import HOSTILE, Recording, finished, planned, record_hostile, record_switched

LATER = moment("2026-04-01T00:00:00Z")
LOST = "before this model's outcome was recorded"


def test_every_model_of_a_run_has_one_entry_with_its_outcome(everything: Recording) -> None:
    entries = {entry.model: entry for entry in read_entries(everything.links)}
    assert {name: entry.outcome for name, entry in entries.items()} == {
        "churn": "switched",
        "sales": "held",
        "daily": "awaiting_approval",
        "weekly": "held",
        "fraud": "failed",
        "stock": "unknown",
        "bad": "failed",
        "steady": "unchanged",
        "lost": "training",
    }
    assert LOST in entries["lost"].reason
    assert entries["weekly"].review is not None
    assert entries["fraud"].error is not None
    assert entries["steady"].decided is None


def test_outcomes_are_those_of_the_report(everything: Recording) -> None:
    told = {model.name: (model.outcome, model.reason) for model in build_report(everything.history()).models}
    assert {entry.model: (entry.outcome, entry.reason) for entry in read_entries(everything.links)} == told


def test_a_run_without_an_end_is_under_way(recording: Callable[[], Recording]) -> None:
    record = recording()
    record.start()
    record("churn", planned())
    [entry] = read_entries(record.links)
    assert (entry.outcome, entry.reason) == (None, UNDER_WAY)
    assert "under way" in history_text([entry], width=None)


def rolled_back(record: Recording) -> None:
    """Record a second run in which a person switches back to the first job."""
    record.start()
    record_switched(record)
    record.end(0)
    record.run_id = "20260302T040506Z-000002"
    record.start(actor="ann@desk", command="rollback")
    record(
        "churn",
        RollbackDecided(
            retrain_job_id="job-churn", from_job_id="job-bad", by="ann@desk", reason="=1+1", unverified=("x",)
        ),
        SwitchSucceeded(retrain_job_id="job-churn", proof="answer"),
        finished("switched", "back", "job-churn"),
    )
    record.end(0)


def test_a_rollback_is_told_as_a_persons_decision(recording: Callable[[], Recording]) -> None:
    record = recording()
    rolled_back(record)
    first, second = read_entries(record.links)
    assert (first.rollback, second.decided) == (None, None)
    assert second.rollback is not None
    assert "ann@desk" in history_text([second], width=None)
    [_, line] = csv.reader(io.StringIO(history_csv([second])))
    assert "'=1+1" in line
    [trail] = read_trails(record.links, {"churn"})[1]
    told = explanation_text(Explanation(trail=trail, confirmation=Confirmation(state="same", why="")))
    assert "rolled back to  from job-bad by ann@desk" in told
    assert len(trail.switched_at) == 2


def test_the_incumbent_is_that_of_the_last_switch_before_the_moment(recording: Callable[[], Recording]) -> None:
    record = recording()
    rolled_back(record)
    first, second = (moment(link.event.at) for link in record.links if isinstance(link.event.fact, SwitchSucceeded))
    assert incumbents_at(record.links, first)[1] == []
    [before] = incumbents_at(record.links, second)[1]
    [after] = incumbents_at(record.links, LATER)[1]
    assert (before.job.rollback, before.job.switched_at) == (None, first)
    assert (after.run.run_id, after.job.switched_at) == ("20260302T040506Z-000002", second)
    assert "rollback from job-bad" in incumbents_text([after], width=None)
    assert json.loads(incumbents_json([after], LATER))["incumbents"][0]["rollback"]["by"] == "ann@desk"


def test_job_ids_are_short_unless_the_table_is_to_be_wide(everything: Recording) -> None:
    job = "90ef35c86db490d5d9e2c6503e951fb0"
    entries = [
        replace(entry, retrain_job_id=job, reason=f"job {job} serves") for entry in read_entries(everything.links)
    ]
    for width in (None, 120, 200):
        assert job not in history_text(entries, width=width)
        assert f"job {job[:8]} serves" in history_text(entries, width=width)
    assert f"job {job} serves" in history_text(entries, width=200, wide=True)


def test_text_from_outside_is_harmless_in_every_form(recording: Callable[[], Recording]) -> None:
    record = recording()
    record.start(actor=HOSTILE)
    record_hostile(record)
    record_switched(record)
    record.end(1)
    entries = list(read_entries(record.links))
    trails = read_trails(record.links, {"churn"})[1]
    explained = [
        Explanation(trail=trail, confirmation=Confirmation(state="different", why=HOSTILE)) for trail in trails
    ]
    texts = [
        *(history_text(entries, width=width) for width in (None, 80)),
        *(history_csv(entries), history_json(entries), explanations_json(explained)),
        *(explanation_text(one) for one in explained),
    ]
    for text in texts:
        assert not {"\x1b", "\u202e", "\x00"} & set(text)
