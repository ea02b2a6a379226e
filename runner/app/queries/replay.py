"""`retrain replay`: all recorded results, judged by the policies as they are in the manifest now."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.audit.foreign_files import gone
from runner.app.service import service_of
from runner.app.state.read_state import each_reading
from runner.errors import ModelError, StateError, UsageError
from runner.execute.evaluation import evaluate_stored
from runner.journal.events import ResultDownloaded
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress, merged
from runner.journal.retrain_job import Decided, RetrainJob
from runner.journal.state_store import Blobs
from runner.lib.text import did_you_mean, shown
from runner.manifest.load import load
from runner.manifest.model import Manifest, Model, Policy
from runner.manifest.service import select
from runner.policy.decide import Inputs, inputs_from_json, inputs_to_json, policy_digest
from runner.reports.replay import Judgeable, LeftOut, NotJudgeable, Replay, Standard, Subject, sides


class ReplayRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain replay`; `since` is inclusive, `until` exclusive, both of the decision."""

    paths: Sequence[Path]
    state: str
    policy: str | None = None
    select: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    emulator: bool = False


def replay(request: ReplayRequest) -> Replay:
    """Judge the last decision about every job again, each with the incumbent's values as they were recorded then.

    Raises:
        ManifestError: the manifest is invalid.
        UsageError: there is no journal, or a selector or the policy names nothing.
        StateError: the journal is missing, foreign or damaged.
    """
    manifest = load(request.paths)
    models = select(manifest, request.select)
    if request.policy is not None:
        _require_policy(manifest, request.policy)
    service = service_of(manifest, emulator=request.emulator).name
    found, progresses = dict[str, list[Judgeable | NotJudgeable]](), list[Progress]()
    for state, links in each_reading(request.state):
        part = Progress(links)
        bench = _Bench(blobs=state.blobs, progress=part, manifest=manifest, request=request)
        for model in models:
            found.setdefault(model.name, []).extend(bench.judge_all(model, part.model(service, model.name)))
        progresses.append(part)
    progress, decisions = merged(progresses), list(chain.from_iterable(found.values()))
    replayed = {decision.subject.model for decision in decisions}
    left_out = [_without(model, progress, service, request) for model in models if model.name not in replayed]
    return Replay(
        service=service,
        policy=request.policy,
        decisions=tuple(decisions),
        left_out=(*left_out, *(_gone(progress, service, manifest) if not request.select else ())),
    )


def _require_policy(manifest: Manifest, name: str) -> None:
    if name not in manifest.policies:
        known = list(manifest.policies)
        hint = did_you_mean(name, known, otherwise=f"Policies are {', '.join(known[:5])}.")
        raise UsageError(f"The manifest has no policy {shown(name)}.", hint=hint)


def _without(model: Model, progress: Progress, service: str, request: ReplayRequest) -> LeftOut:
    if any(job.decided for job in progress.model(service, model.name).jobs.values()):
        return LeftOut(model=model.name, why="no decision about it was made in that time")
    others = [name for name, other in progress.models if other == model.name and name != service]
    if others and not request.emulator:
        why = f"no decision is recorded with {service}; its history is with {', '.join(others)} (see --emulator)"
        return LeftOut(model=model.name, why=why)
    return LeftOut(model=model.name, why=f"no decision is recorded with {service}")


def _gone(progress: Progress, service: str, manifest: Manifest) -> Iterator[LeftOut]:
    """Yield the models that have decisions but stand no more in the manifest, so that no policy is known for them."""
    for (its_service, name), model in progress.models.items():
        decided = any(job.decided for job in model.jobs.values())
        if its_service == service and name not in manifest.models and decided:
            yield LeftOut(model=name, why="it is no longer in the manifest, so it has no policy now")


class _Bench(Struct, frozen=True, kw_only=True):
    """What all decisions of one replay are judged with."""

    blobs: Blobs
    progress: Progress
    manifest: Manifest
    request: ReplayRequest

    def judge_all(self, model: Model, progress: ModelProgress) -> Iterator[Judgeable | NotJudgeable]:
        """Yield the model's jobs that were decided about, oldest decision first."""
        policy = self.manifest.policies[self.request.policy or model.policy]
        standard = _standard(policy, self.manifest)
        decided = [(job.decided, job) for job in progress.jobs.values() if job.decided is not None]
        for decision, job in sorted(decided, key=lambda pair: pair[0].at):
            if self._wanted(decision.at):
                yield self._judge(_subject(model, job, decision), job.result, policy, standard)

    def _wanted(self, at: datetime) -> bool:
        since, until = self.request.since, self.request.until
        return (since is None or at >= since) and (until is None or at < until)

    def _judge(
        self, subject: Subject, result: ResultDownloaded | None, policy: Policy, standard: Standard
    ) -> Judgeable | NotJudgeable:
        fact = subject.decided.fact
        if result is None or result.sha256 != fact.result_sha256:
            return NotJudgeable(subject=subject, why="The journal has no result file for it.")
        removal = gone(self.blobs, self.progress, result)
        if removal is not None:
            return NotJudgeable(subject=subject, why=f"Its result file {removal.told}.")
        try:
            recorded = inputs_from_json(dict(fact.inputs))
            inputs = replace(recorded, policy=policy, definitions=self.manifest.metrics)
            evaluation = evaluate_stored(self.blobs, result.path, result.sha256, inputs)
        except (OSError, ModelError, StateError) as error:
            return NotJudgeable(subject=subject, why=getattr(error, "message", str(error)))
        then, now = sides(subject, standard, evaluation)
        return Judgeable(subject=subject, then=then, now=now)


def _standard(policy: Policy, manifest: Manifest) -> Standard:
    inputs = Inputs(policy=policy, definitions=manifest.metrics, baseline=None, eval_sha256=None)
    return Standard(policy=inputs_to_json(inputs)["policy"], policy_sha256=policy_digest(policy, manifest.metrics))


def _subject(model: Model, job: RetrainJob, decided: Decided) -> Subject:
    return Subject(model=model.name, retrain_job_id=job.retrain_job_id, decided=decided, review=job.review)
