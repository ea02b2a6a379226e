"""The fold: what each fact changes, and nothing else."""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest

from runner.errors import StateError
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    DataChecked,
    Draft,
    Fact,
    FileRecord,
    JobAbandoned,
    JobCreated,
    ModelFinished,
    ReportWritten,
    ResultDownloaded,
    RunFinished,
    StatusChanged,
    SwitchIntended,
    SwitchRejected,
    SwitchSucceeded,
    SwitchUnknown,
    TrainingFailed,
    TrainingFinished,
    UploadIntended,
    UploadRejected,
    UploadSucceeded,
    UploadUnknown,
)
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.journal.retrain_job import JobStage, RetrainJob
from runner.lib.timestamps import moment, stamp
from runner.policy.evaluation import Action, Decision
from tests.unit.journal.journal_facts import FACTS, RUN, chained, draft, example, run_started

S = "a" * 64
EXPIRES = "2026-03-01T05:00:00.000000Z"


def taken(job: str = "j1", word: str | None = "not_found") -> JobCreated:
    return JobCreated(retrain_job_id=job, url_expires_at=EXPIRES, status_before_upload=word)


def intended(job: str = "j1", data: str = S, attempt: int = 1) -> UploadIntended:
    return UploadIntended(retrain_job_id=job, dataset_sha256=data, attempt=attempt)


def checked(data: str = S, *, with_eval: bool = True) -> DataChecked:
    base = example("data_checked")
    assert isinstance(base, DataChecked)
    file = FileRecord(source="eval.csv", sha256="e" * 64, bytes=1, rows=1) if with_eval else None
    return msgspec.structs.replace(base, dataset_sha256=data, eval=file)


def judged(action: Action = "switch", job: str = "j1") -> CandidateEvaluated:
    base = example("candidate_evaluated")
    assert isinstance(base, CandidateEvaluated)
    decision = Decision(action=action, reason="Because.")
    evaluation = msgspec.structs.replace(base.evaluation, decision=decision)
    return msgspec.structs.replace(base, retrain_job_id=job, evaluation=evaluation)


def done(job: str = "j1") -> UploadSucceeded:
    return UploadSucceeded(retrain_job_id=job, proof="store")


def trained(job: str = "j1") -> TrainingFinished:
    return TrainingFinished(retrain_job_id=job, model_id=7)


def failed(job: str = "j1") -> TrainingFailed:
    return TrainingFailed(retrain_job_id=job, status="failed", message="too few rows")


def switch(job: str = "j1", attempt: int = 1) -> SwitchIntended:
    return SwitchIntended(retrain_job_id=job, decision_sha256=S, attempt=attempt)


def switched(job: str = "j1") -> SwitchSucceeded:
    return SwitchSucceeded(retrain_job_id=job, proof="answer")


def fold(*facts: Fact) -> Progress:
    """Return the progress of one run with these facts about the model churn, one second apart."""
    drafts = [draft(run_started(), model=None, at="2026-03-01T04:00:00.000000Z")]
    for second, fact in enumerate(facts, start=1):
        at = f"2026-03-01T04:{second // 60:02}:{second % 60:02}.000000Z"
        drafts.append(draft(fact, at=at))
    return Progress(chained(drafts))


def churn(*facts: Fact) -> ModelProgress:
    return fold(*facts).model("emulator", "churn")


def at(second: int) -> datetime:
    return datetime(2026, 3, 1, 4, 0, second, tzinfo=UTC)


def fields(job: RetrainJob) -> dict[str, Any]:
    return {name: getattr(job, name) for name in job.__struct_fields__}


STARTED = (checked(), taken(), intended(), done())
RESULT = f"runs/{RUN}/results/churn/result.csv"
JUDGED = (
    *STARTED,
    trained(),
    ResultDownloaded(retrain_job_id="j1", path=RESULT, sha256=S, bytes=1),
    judged(),
)


@pytest.mark.parametrize(
    ("before", "fact", "changes"),
    [
        (
            (checked(), taken()),
            intended(),
            {"stage": "sending", "attempt": 1, "intended_at": at(3), "run_started_at": at(0)},
        ),
        ((taken(), intended()), done(), {"stage": "started", "started_at": at(3), "upload_proof": "store"}),
        (
            (taken(), intended()),
            UploadRejected(retrain_job_id="j1", why="refused", message="no"),
            {"stage": "never_started"},
        ),
        ((taken(), intended()), UploadUnknown(retrain_job_id="j1", message="cut"), {}),
        ((taken(), intended()), JobAbandoned(retrain_job_id="j1", by="quarantine"), {"stage": "never_started"}),
        (STARTED, StatusChanged(retrain_job_id="j1", status="running"), {"status": "running", "status_since": at(5)}),
        (STARTED, trained(), {"stage": "finished", "finished_at": at(5), "model_id": 7}),
        (STARTED, failed(), {"stage": "failed", "finished_at": at(5), "failure": "too few rows"}),
        (JUDGED, switch(), {"stage": "switching", "switches": 1}),
        ((*JUDGED, switch()), SwitchUnknown(retrain_job_id="j1", message="cut"), {}),
        ((*JUDGED, switch()), SwitchRejected(retrain_job_id="j1", message="no"), {"stage": "judged"}),
        ((*JUDGED, switch()), switched(), {"stage": "switched", "switched_at": at(9)}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else "",
)
def test_each_fact_changes_its_own_fields_of_its_job_alone(
    before: tuple[Fact, ...], fact: Fact, changes: dict[str, object]
) -> None:
    other = (taken("other"), intended("other"))
    old, new = churn(*before), churn(*before, fact)
    assert fields(new.jobs["j1"]) == {**fields(old.jobs["j1"]), **changes}
    assert churn(*before, *other, fact).jobs["other"] == churn(*before, *other).jobs["other"]


def test_a_stored_result_and_a_decision_are_kept_with_their_place() -> None:
    links = chained([draft(run_started(), model=None), *(draft(fact) for fact in JUDGED)])
    job = Progress(links).model("emulator", "churn").jobs["j1"]
    assert job.stage == JobStage.JUDGED
    assert job.result == JUDGED[-2]
    assert job.decided is not None
    assert (job.decided.event_sha256, job.decided.run_id) == (links[-1].sha256, RUN)
    assert job.decided.action == "switch"


def test_a_new_decision_takes_back_the_review_of_the_one_before() -> None:
    review = ApprovalRecorded(retrain_job_id="j1", candidate_sha256=S, action="approve", by="ann", reason="")
    assert churn(*JUDGED, review).jobs["j1"].review is not None
    assert churn(*JUDGED, review, judged()).jobs["j1"].review is None


@pytest.mark.parametrize("action", ["switch", "hold", "await_approval"])
def test_a_candidate_rests_with_the_last_word_on_it_and_only_while_it_is_judged(action: Action) -> None:
    def rests(*facts: Fact) -> str | None:
        return churn(*JUDGED[:-1], *facts).jobs["j1"].rests_with

    approved = ApprovalRecorded(retrain_job_id="j1", candidate_sha256=S, action="approve", by="ann", reason="")
    rejected = msgspec.structs.replace(approved, action="reject")
    assert rests() is None
    assert rests(judged(action)) == action
    assert rests(judged(action), approved) == "switch"
    assert rests(judged(action), approved, rejected) is None
    assert rests(judged(action), approved, switch(), switched()) is None


def test_the_check_of_the_data_belongs_to_the_jobs_taken_after_it() -> None:
    progress = churn(checked(), taken("j1"), checked("b" * 64, with_eval=False), taken("j2"))
    assert [job.dataset_sha256 for job in progress.jobs.values()] == [S, "b" * 64]
    assert [job.eval_sha256 for job in progress.jobs.values()] == ["e" * 64, None]


def test_every_kind_of_fact_can_be_folded() -> None:
    about_runs = {"run_started", "run_finished", "report_written"}
    base = (checked(), taken("7f3a9c"), intended("7f3a9c"))
    for kind, fact_type in FACTS.items():
        fact = example(kind)
        assert isinstance(fact, fact_type)
        if kind not in about_runs:
            assert fold(*base, fact).runs[RUN].models == {"churn": None}, kind


def test_the_incumbent_is_the_last_job_that_was_switched_to() -> None:
    second = (taken("j2"), intended("j2", attempt=2), done("j2"), trained("j2"), judged(job="j2"))
    assert churn(*JUDGED).incumbent is None
    incumbent = churn(*JUDGED, switch(), switched(), *second, switch("j2")).incumbent
    assert incumbent is not None
    assert incumbent.retrain_job_id == "j1"
    after = churn(*JUDGED, switch(), switched(), *second, switch("j2"), switched("j2")).incumbent
    assert after is not None
    assert after.retrain_job_id == "j2"


def test_a_switch_back_makes_the_earlier_job_the_incumbent_again() -> None:
    second = (taken("j2"), intended("j2", attempt=2), done("j2"), trained("j2"), judged(job="j2"))
    progress = churn(*JUDGED, switch(), switched(), *second, switch("j2"), switched("j2"), switch("j1", 2), switched())
    assert progress.incumbent is not None
    assert progress.incumbent.retrain_job_id == "j1"
    assert progress.last is not None
    assert progress.last.retrain_job_id == "j2"


def test_a_job_id_issued_twice_stands_where_it_was_issued_last() -> None:
    progress = churn(taken("j1"), intended("j1"), taken("j2"), taken("j1", word="running"))
    assert list(progress.jobs) == ["j2", "j1"]
    assert (progress.jobs["j1"].stage, progress.jobs["j1"].status_before_upload) == (JobStage.TAKEN, "running")


def test_the_incumbent_stays_what_it_was_when_its_id_is_issued_again() -> None:
    before = churn(*JUDGED, switch(), switched()).incumbent
    progress = churn(*JUDGED, switch(), switched(), taken("j1"), intended("j1", attempt=2), taken("j1"))
    assert before is not None
    assert progress.incumbent == before
    again = (done(), trained(), judged(), switch(), switched())
    renewed = churn(*JUDGED, switch(), switched(), taken("j1"), intended("j1", attempt=2), *again).incumbent
    assert renewed is not None
    assert renewed.switched_at != before.switched_at


def test_jobs_for_which_nothing_was_sent_do_not_count_as_the_last() -> None:
    void = (taken("j2"), taken("j3"), intended("j3", attempt=2), JobAbandoned(retrain_job_id="j3", by="quarantine"))
    last = churn(*STARTED, *void).last
    assert last is not None
    assert last.retrain_job_id == "j1"
    assert churn(taken()).last is None


def failures(count: int, data: str = S) -> list[Fact]:
    facts: list[Fact] = [checked(data)]
    for number in range(1, count + 1):
        name = f"{data[0]}{number}"
        facts += [taken(name), intended(name, data, number), done(name), failed(name)]
    return facts


def test_attempts_count_the_failures_in_a_row_on_one_content() -> None:
    assert churn(*failures(2)).attempts(S) == 2
    assert churn(*failures(2)).attempts("b" * 64) == 0
    assert churn(*failures(2), *failures(1, "b" * 64)).attempts(S) == 0
    assert churn(*failures(2), taken("void")).attempts(S) == 2
    assert churn(*failures(2), taken("ok"), intended("ok", attempt=3), done("ok"), trained("ok")).attempts(S) == 0


def test_every_intent_is_counted_even_when_its_job_never_started() -> None:
    dead = JobAbandoned(retrain_job_id="j1", by="quarantine")
    progress = churn(checked(), taken("j1"), intended("j1"), dead, taken("j2"), intended("j2", attempt=2))
    assert progress.intents.count(S) == 2


def test_the_duration_of_the_last_training_that_finished_is_known() -> None:
    assert churn(*STARTED).last_training_seconds() is None
    assert churn(*STARTED, trained()).last_training_seconds() == 1.0
    later = (taken("j2"), intended("j2", attempt=2), done("j2"), failed("j2"))
    assert churn(*STARTED, trained(), *later).last_training_seconds() == 1.0


def test_the_last_outcome_is_kept_with_its_time() -> None:
    finished = example("model_finished")
    progress = churn(*STARTED, finished)
    assert isinstance(finished, ModelFinished)
    assert (progress.last_outcome, progress.last_outcome_at) == (finished, at(5))


def test_a_word_that_is_written_twice_in_a_row_lingered() -> None:
    words = [StatusChanged(retrain_job_id="j1", status=word) for word in ("waiting", "running", "waiting")]
    assert churn(*STARTED, *words).jobs["j1"].lingered == ()
    assert churn(*STARTED, *words, words[-1]).jobs["j1"].lingered == ("waiting",)


LINGERING = (StatusChanged(retrain_job_id="j1", status="waiting"),) * 2


@pytest.mark.parametrize(
    ("facts", "in_doubt"),
    [
        ((), False),
        ((taken(), intended()), True),
        (STARTED, False),
        ((*STARTED, LINGERING[0]), False),
        ((*STARTED, *LINGERING), True),
        ((*STARTED, *LINGERING, StatusChanged(retrain_job_id="j1", status="running")), False),
        ((*STARTED, *LINGERING, trained()), False),
        ((taken(), intended(), UploadSucceeded(retrain_job_id="j1", proof="status"), *LINGERING), False),
        ((taken(), intended(), UploadSucceeded(retrain_job_id="j1", proof="operator"), *LINGERING), False),
    ],
)
def test_a_person_may_tell_only_of_uploads_without_an_answer_and_of_contradicted_ones(
    facts: tuple[Fact, ...], in_doubt: bool
) -> None:
    assert (churn(*facts).upload_unknown is not None) == in_doubt


def test_the_emulators_history_is_not_the_services() -> None:
    progress = fold(*STARTED)
    assert progress.model("emulator", "churn").jobs
    assert not progress.model("developer-api.predictionone.sony.biz", "churn").jobs


def test_a_run_knows_its_models_its_end_and_its_files() -> None:
    drafts = [draft(run_started(), model=None), draft(taken(), model="b"), draft(taken(), model="a")]
    end, files = RunFinished(exit_code=4), ReportWritten(files={"report.json": S})
    links = chained([*drafts, draft(end, model=None), draft(files, model=None)])
    run = Progress(links).runs[RUN]
    assert list(run.models) == ["b", "a"]
    assert (run.finished, run.report) == (end, files)
    assert run.head == (4, links[3].sha256)
    assert run.finished_at == moment(links[3].event.at)


@pytest.mark.parametrize("kind", ["status_changed", "candidate_evaluated", "switch_succeeded", "upload_intended"])
def test_a_fact_about_a_job_nobody_took_is_damage_and_names_its_event(kind: str) -> None:
    with pytest.raises(StateError, match="at event 2: it does not fit"):
        fold(example(kind))


def test_a_fact_of_a_run_nobody_began_is_damage() -> None:
    for fact, model in ((taken(), "churn"), (RunFinished(exit_code=0), None)):
        with pytest.raises(StateError, match="at event 1: it does not fit"):
            Progress(chained([draft(fact, model=model)]))


def test_a_time_that_is_none_is_damage() -> None:
    with pytest.raises(StateError, match="is not a time"):
        Progress(chained([draft(run_started(), model=None, at="2026-02-30T04:05:06.000007Z")]))


def test_the_fold_is_the_same_event_by_event_and_in_one_go() -> None:
    links = chained([draft(run_started(), model=None), *(draft(fact) for fact in (*JUDGED, switch(), switched()))])
    step_by_step = Progress()
    for one in links:
        step_by_step.add(one)
    assert step_by_step.models == Progress(links).models
    assert step_by_step.runs == Progress(links).runs


def test_a_long_history_of_one_model_folds_to_its_last_job() -> None:
    facts: list[Fact] = [checked()]
    for number in range(5_000):
        name = f"j{number}"
        facts += [taken(name), intended(name, attempt=number + 1), done(name), failed(name)]
    drafts = [draft(run_started(), model=None), *(Draft(at=EXPIRES, run_id=RUN, model="churn", fact=f) for f in facts)]
    progress = Progress(chained(drafts)).model("emulator", "churn")
    assert progress.attempts(S) == 5_000
    assert progress.last is not None
    assert progress.last.retrain_job_id == "j4999"


def test_a_stamp_is_utc_with_microseconds_and_reads_back() -> None:
    text = "2026-03-01T04:05:06.000007Z"
    assert stamp(moment(text)) == text
    assert moment("2026-03-01T06:05:06.000007+02:00") == moment(text)
    assert stamp(moment("2026-03-01T06:05:06+02:00")) == "2026-03-01T04:05:06.000000Z"


def test_all_facts_are_known_here() -> None:
    assert len(FACTS) == len(get_args(Fact)) >= 23
