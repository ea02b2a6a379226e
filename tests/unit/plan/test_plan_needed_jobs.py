"""What a checkpoint keeps of a model: attempts and intents exactly, and few jobs."""

from msgspec.structs import replace

from runner.journal.events import (
    DataChecked,
    Fact,
    JobCreated,
    ModelFinished,
    TrainingFailed,
    UploadIntended,
    UploadSucceeded,
)
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.plan.eligibility import MOST_CANDIDATES, cut
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.charts.trend import chart
from tests.unit.journal.journal_facts import AT, chained, draft, example, run_started

SAME, OTHER = "a" * 64, "b" * 64


def failed(number: int, dataset_sha256: str) -> list[Fact]:
    """Return the facts of a training that fails."""
    job, checked = f"job-{number}", example("data_checked")
    assert isinstance(checked, DataChecked)
    return [
        replace(checked, dataset_sha256=dataset_sha256),
        JobCreated(retrain_job_id=job, url_expires_at=AT, status_before_upload=None),
        UploadIntended(retrain_job_id=job, dataset_sha256=dataset_sha256, attempt=1),
        UploadSucceeded(retrain_job_id=job, proof="store"),
        TrainingFailed(retrain_job_id=job, status="failed", message="bad"),
    ]


def kept(contents: list[str]) -> ModelProgress:
    """Return what is kept of a model whose trainings on these contents all failed."""
    return kept_after([fact for number, content in enumerate(contents) for fact in failed(number, content)])


def kept_after(facts: list[Fact]) -> ModelProgress:
    """Return what is kept of a model after these facts."""
    progress = Progress(chained([draft(run_started(), model=None), *map(draft, facts)]))
    limits = PolicyLimits()
    return cut(progress, lambda model, job: chart(model, job, limits)).model("emulator", "churn")


def test_attempts_in_a_row_are_counted_to_their_end() -> None:
    model = kept([OTHER, SAME, OTHER, *[SAME] * 7])
    assert (model.attempts(SAME), model.attempts(OTHER)) == (7, 0)


def test_every_intent_counts_for_its_content() -> None:
    model = kept([OTHER, *[SAME, OTHER] * 20])
    assert (model.intents.count(SAME), model.intents.count(OTHER), model.intents.count("c" * 64)) == (20, 21, 0)
    model.intents.add(SAME)
    assert model.intents.count(SAME) == 21


def test_few_jobs_and_the_newest_candidates_are_kept() -> None:
    model = kept([OTHER, SAME] * 40)
    assert list(model.jobs) == ["job-77", "job-78", "job-79"]
    assert len(list(model.sent())) == MOST_CANDIDATES
    assert model.older_candidates == 80 - MOST_CANDIDATES


def test_the_job_of_the_last_outcome_is_kept() -> None:
    facts = [fact for number in range(9) for fact in failed(number, f"{number}" * 64)]
    end = example("model_finished")
    assert isinstance(end, ModelFinished)
    assert "job-0" not in kept_after(facts).jobs
    assert "job-0" in kept_after([*facts, replace(end, retrain_job_id="job-0")]).jobs


def test_a_job_that_may_still_be_training_is_kept_however_old_it_is() -> None:
    first, *later = [failed(number, f"{number}" * 64) for number in range(9)]
    model = kept_after([*first[:-1], *(fact for facts in later for fact in facts)])
    assert next(iter(model.jobs)) == "job-0"
    assert "job-0" not in model.settled


def test_older_jobs_are_packed_and_the_same_when_asked_for() -> None:
    model = kept([OTHER, SAME] * 5)
    packed = model.packed()
    assert list(packed.recent) == ["job-9"]
    assert (packed.jobs, packed.job_ids) == (model.jobs, tuple(model.jobs))
    assert list(packed.newest_jobs) == list(model.jobs.values())[::-1]
