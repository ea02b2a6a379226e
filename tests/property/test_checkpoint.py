"""The checkpoint and the later events give the plans and statuses that the whole journal gives, wherever it was cut."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from runner.app.queries.status import model_status
from runner.datasets.metadata import DatasetDigest, FileMetadata
from runner.errors import StateError
from runner.execute.model_identity import newest_jobs, vanished_jobs
from runner.journal.checkpoint import keep_checkpoint, stored_progress
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.manifest.load import load
from runner.manifest.model import Manifest
from runner.plan.approvals import place_before
from runner.plan.eligibility import MOST_CANDIDATES, blocked, blocked_data, cut
from runner.plan.incumbent import reference
from runner.plan.model_plan import Choice, PlanInputs
from runner.plan.planner import plan_model
from runner.plan.renames import due_moves, services_before
from runner.reports.charts.rule_chart import PolicyLimits
from runner.reports.charts.trend import Bounds, chart, newest_candidates
from runner.reports.next_step import CommandContext
from tests.fakes.memory_state import MemoryBlobs
from tests.fakes.random_history import BEGIN, CONTENTS, SERVICES, WORDS, RandomHistory

LIMITS = PolicyLimits()
LATER = BEGIN + timedelta(days=400)
SHOWN = Bounds(metrics=4, samples=MOST_CANDIDATES)
MANIFEST = """
version: 1
service: {url: "https://service.test"}
datasets: {d: {train: d.csv}}
policies:
  p: {type: threshold, rules: [{metric: auc, min: 0.9}]}
defaults: {dataset: d, policy: p}
models:
  a: {api_key: {env: A}}
  b: {api_key: {env: B}, retrain: {attempts: 3}}
  d: {api_key: {env: D}, retrain: {max_age: 30d}}
moved: [{from: c, to: d}]
"""


@pytest.fixture(name="manifest", scope="module")
def read_manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("checkpoint")
    (folder / "models.yaml").write_text(MANIFEST)
    (folder / "d.csv").write_text("id,label\n1,a\n2,b\n")
    return load([folder / "models.yaml"])


def kept(progress: Progress) -> Progress:
    """Return the progress as it comes back from its file."""
    return stored(progress)[1]


def stored(progress: Progress) -> tuple[bytes, Progress]:
    """Return the file's bytes and what comes back from it."""
    blobs = MemoryBlobs()
    mark = keep_checkpoint(blobs, cut(progress, lambda model, job: chart(model, job, LIMITS)))
    assert mark is not None
    found = stored_progress(blobs, mark)
    assert found is not None
    return blobs.files[mark.file], found


def answers(progress: Progress, manifest: Manifest) -> dict[str, object]:
    """Return all that a plan, a status, a run and its report ask the progress."""
    found: dict[str, object] = {
        "head": (progress.head, progress.lineage, progress.last_at, progress.run_ids),
        "unreported": [run.run_id for run in progress.runs.values() if run.report is None],
        "vanished": [(name, job.retrain_job_id) for name, job in vanished_jobs(manifest, progress.known(SERVICES[0]))],
        "words": [(word, _speaks_against(progress, word)) for word in WORDS],
        "before": services_before(manifest, SERVICES[0], progress.models),
        "order": [*progress.models],
    }
    for (service, name), model in progress.models.items():
        found |= {f"{what} of {name} on {service}": answer for what, answer in _about(model).items()}
        found[f"status of {name} on {service}"] = model_status(service, name, model, CommandContext())
        runs = [run.run_id for run in progress.runs.values() if run.started.service == service and name in run.models]
        found[f"last run with {name} on {service}"] = runs[-1:]
    due = due_moves(manifest, progress.known(SERVICES[0]))
    moved = progress.with_moves(SERVICES[0], due.moves)
    for planned in manifest.models.values():
        for sha256 in CONTENTS:
            data = FileMetadata(source="d.csv", sha256=sha256, bytes=9)
            facts = PlanInputs(now=LATER, dataset=DatasetDigest(train=data, eval=None, sha256=sha256))
            known = moved.model(SERVICES[0], planned.name)
            plan = plan_model(manifest, planned, known, facts, Choice())
            told = (plan.error.message, plan.error.hint) if plan.error else None
            found[f"plan {planned.name} {sha256}"] = (replace(plan, error=None), told)
    return found


def _about(model: ModelProgress) -> dict[str, object]:
    shown = [job for job in (model.last, model.current, model.incumbent, model.upload_unknown) if job is not None]
    end = model.jobs.get(model.last_outcome.retrain_job_id or "") if model.last_outcome else None
    return {
        "history": (model.identity, model.has_history, model.former_names, model.begun_beside, model.from_service),
        "intents": [model.intents.count(sha256) for sha256 in CONTENTS],
        "attempts": [model.attempts(sha256) for sha256 in CONTENTS],
        "turns": [blocked_data(model, sha256) for sha256 in CONTENTS],
        "jobs": [(job, blocked(model, job), place_before(model, job)) for job in shown],
        "newest": newest_jobs(model),
        "decided": next((job.decided for job in reversed(model.jobs.values()) if job.decided), None),
        "stored": next((job for job in reversed(model.jobs.values()) if job.result), None),
        "seconds": model.last_training_seconds(),
        "reference": reference(model),
        "ended": end,
        "statements": sorted(model.statements),
        "before": (bool(model.serving.ids), len(model.serving.ids) == 1, model.serving.left, model.serving.wanted),
        "charts": newest_candidates(model, LIMITS, SHOWN),
        "loss": model.loss,
    }


def _speaks_against(progress: Progress, word: str) -> object:
    """Return the first job of each service that said the word long after its upload, as `upload_evidence` looks."""
    return [
        next(
            (
                (name, job.retrain_job_id)
                for (its_service, name), model in progress.models.items()
                for job in model.jobs.values()
                if its_service == service and word in job.lingered and job.stage != "never_started"
            ),
            None,
        )
        for service in SERVICES
    ]


def continued(history: RandomHistory, start: Progress, at: int) -> Progress | None:
    """Return the progress at the end; None where an event is about a job that a person named and that is left out."""
    for place, link in enumerate(history.links[at:], start=at):
        try:
            start.add(link)
        except StateError:
            assert place in history.named_old, (link.event.seq, link.event.fact)
            return None
    return start


def differences(found: dict[str, object], wanted: dict[str, object]) -> Iterator[str]:
    """Yield what is asked and the two answers, where they differ."""
    for name in {**wanted, **found}:
        if found.get(name) != wanted.get(name):
            yield f"{name}: {found.get(name)} instead of {wanted.get(name)}"


@given(seed=st.integers(0, 10**6))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_plans_and_statuses_are_the_same_at_every_cut(manifest: Manifest, seed: int) -> None:
    history = RandomHistory(seed).play(15)
    assert differences_after(history, manifest, range(1, len(history.links) + 1)) == []


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_plans_and_statuses_are_the_same_after_many_nights(manifest: Manifest, seed: int) -> None:
    history = RandomHistory(seed).play(70)
    cuts = sorted(history.rng.sample(range(1, len(history.links) + 1), 8))
    assert differences_after(history, manifest, cuts) == []


@pytest.mark.parametrize("seed", [0, 1])
def test_plans_and_statuses_are_the_same_in_known_histories(manifest: Manifest, seed: int) -> None:
    history = RandomHistory(seed).play(60)
    assert differences_after(history, manifest, range(20, len(history.links) + 1, 9)) == []


def test_what_is_kept_for_a_turn_back_does_not_depend_on_the_cut(manifest: Manifest) -> None:
    history = RandomHistory(423).play(70)
    assert differences_after(history, manifest, (619, 620)) == []


def differences_after(history: RandomHistory, manifest: Manifest, cuts: Iterable[int]) -> list[str]:
    """Cut the history after so many events each time; return what a checkpoint answers wrongly then, and at its end."""
    return [f"cut after {at} events: {text}" for at, text in _after_cuts(history, manifest, cuts)]


def _after_cuts(history: RandomHistory, manifest: Manifest, cuts: Iterable[int]) -> Iterator[tuple[int, str]]:
    at_end = answers(history.progress, manifest)
    whole, links = Progress(), iter(history.links)
    for at in cuts:
        while whole.head is None or whole.head[0] < at:
            whole.add(next(links))
        content, checkpoint = stored(whole)
        for text in differences(answers(checkpoint, manifest), answers(whole, manifest)):
            yield at, text
        if stored(checkpoint)[0] != content:
            yield at, "the checkpoint that was read is stored with other bytes"
        last = continued(history, checkpoint, at)
        if last is not None:
            for text in differences(answers(last, manifest), at_end):
                yield at, f"at the end, {text}"
            if stored(last)[0] != stored(history.progress)[0]:
                yield at, "at the end, the checkpoint is stored with other bytes"


def test_most_nights_need_no_event_before_the_cut() -> None:
    ends = 0
    for seed in range(20):
        history = RandomHistory(seed).play(30)
        middle = len(history.links) // 2
        ends += continued(history, kept(Progress(history.links[:middle])), middle) is not None
    assert ends > 5
