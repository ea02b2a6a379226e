"""The promises of reliability.md, section 1, as functions of the service's log and the journal; each yields violations.

The service's log is believed, the journal is what is judged.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from runner.errors import StateError
from runner.execute.evaluation import evaluate_file, file_sha256
from runner.journal.chain import Link
from runner.journal.events import (
    ApprovalRecorded,
    CandidateEvaluated,
    JobAbandoned,
    ResultDownloaded,
    RollbackDecided,
    SwitchIntended,
    SwitchRejected,
    SwitchSucceeded,
    TrainingFailed,
    TrainingFinished,
    UploadIntended,
    UploadRejected,
    UploadSucceeded,
)
from runner.journal.progress import Progress
from runner.manifest.model import Manifest, Policy, ThresholdPolicy
from runner.plan.approvals import candidate_digest, inputs_moved
from runner.policy.decide import inputs_from_json
from tests.fakes.world import REALM
from tests.stress.simulated_journal import Ledger
from tests.stress.simulated_service import FIRST_FOREIGN, Answered, Sent, SimulatedService
from tests.stress.simulated_time import Process

SECRETS = (b"signature=", b"CANARY", *(f"key-{name}".encode() for name in "abcdef"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A history to be judged. `forced` counts forced runs by model.

    `manifests` are those of the runs, by id, and `askers` their processes.

    `quarantine` is in seconds, and so is `apart`, by how much the clocks of two machines differ at most; `jumped` says
    that one of them was set.
    """

    ledger: Ledger
    service: SimulatedService
    forced: Mapping[str, int]
    attempts: Mapping[str, int]
    manifests: Mapping[str, Manifest]
    askers: Mapping[str, Process | None]
    quarantine: float
    apart: float
    jumped: bool

    def sent(self, call: str) -> list[Sent]:
        """Return the requests of one kind, in the order in which they left."""
        return [one for one in self.service.log if one.call == call]

    def links_of(self, kind: type) -> list[Link]:
        """Return the events of one kind."""
        return [link for link in self.ledger.links if isinstance(link.event.fact, kind)]


def violations(evidence: Evidence) -> Iterator[str]:
    """Yield every broken promise."""
    yield from journal_holds(evidence)
    yield from one_start_each(evidence)
    yield from trainings_allowed(evidence)
    yield from switches_decided(evidence)
    yield from nothing_replaced_by_accident(evidence)
    yield from records_true(evidence)
    yield from decisions_compute(evidence)


def journal_holds(evidence: Evidence) -> Iterator[str]:
    """I3, I5: the journal parses, its chain holds, it is what was made durable, and it carries no secret."""
    store = evidence.ledger.open()
    try:
        links = list(store.read())
        Progress(links)
    except StateError as error:
        yield f"I3: the journal does not verify: {error}"
        return
    finally:
        store.close()
    if [link.sha256 for link in links] != [link.sha256 for link in evidence.ledger.links]:
        yield "I3: the journal is not what was made durable"
    leaks = [link.event.seq for link in links if any(secret in link.body for secret in SECRETS)]
    if leaks:
        yield f"I5: a secret is in events {leaks}"


def one_start_each(evidence: Evidence) -> Iterator[str]:
    """I1, I3: each upload had a durable, guarded intent of its own, and no intent got two bodies accepted."""
    accepted: Counter[str] = Counter()
    for sent in evidence.sent("put"):
        intents = _before(evidence, sent, UploadIntended)
        if len(intents) != 1:
            yield f"I3: {sent.job} was sent at {sent.at:.1f} s with {len(intents)} durable intents before it"
            continue
        event = intents[0].event
        if event.guard is None or not isinstance(event.fact, UploadIntended):
            yield f"I1: the intent to send {sent.job} has no guard"
        elif sent.applied_at is not None:
            accepted[event.guard] += 1
    yield from (f"I1: {count} bodies were accepted for {guard}" for guard, count in accepted.items() if count > 1)


def _before(evidence: Evidence, sent: Sent, kind: type) -> list[Link]:
    """Return the job's events of a kind that were durable when the request left."""
    links = evidence.ledger.links[: sent.durable]
    return [link for link in links if isinstance(link.event.fact, kind) and _job(link) == sent.job]


def trainings_allowed(evidence: Evidence) -> Iterator[str]:
    """I1: a model's data is trained again only after a failure with attempts left, changed data, or by force.

    A forced run may leave a training behind whose end nobody looks at, so each one grants its attempts again.
    """
    starts: defaultdict[str, list[Sent]] = defaultdict(list)
    for sent in sorted(evidence.sent("put"), key=lambda one: one.applied_at or 0.0):
        if sent.applied_at is not None:
            starts[sent.key].append(sent)
    for key, trainings in starts.items():
        model, extra, failed = key.removeprefix("key-"), 0, 0
        for before, sent in pairwise(trainings):
            job = evidence.service.jobs[before.job]
            if before.digest != sent.digest:
                failed = 0
                continue
            ended = job.started_at is not None and job.started_at + job.training_s <= (sent.applied_at or 0.0)
            failed = failed + 1 if job.end != "finished" and ended else 0
            extra += not 0 < failed < evidence.attempts[model]
        if extra > evidence.forced[model] * evidence.attempts[model]:
            names = [training.job for training in trainings]
            yield f"I1: {model} was trained {extra} times more than allowed, by {names}"


def switches_decided(evidence: Evidence) -> Iterator[str]:
    """I2: each switch had a durable decision to switch behind it, made from inputs that still held; none had two."""
    applied: Counter[str] = Counter()
    for sent in evidence.sent("switch"):
        intents = _before(evidence, sent, SwitchIntended)
        if not intents:
            yield f"I2: the switch to {sent.job} at {sent.at:.1f} s had no durable intent"
            continue
        link = intents[-1]
        assert isinstance(link.event.fact, SwitchIntended), "chosen by kind"
        if link.event.guard is None:
            yield f"I2: the intent to switch to {sent.job} has no guard"
        applied[link.event.fact.decision_sha256] += sent.applied_at is not None
        yield from _decided(evidence, sent, link, link.event.fact.decision_sha256)
    yield from (
        f"I2: {count} switches were applied for the decision {sha256[:12]}"
        for sha256, count in applied.items()
        if count > 1
    )


def _decided(evidence: Evidence, sent: Sent, intent: Link, sha256: str) -> Iterator[str]:
    """Judge the decision a switch refers to as it stood when the intent was written."""
    links = evidence.ledger.links[: intent.event.seq - 1]
    decision = next((link.event.fact for link in links if link.sha256 == sha256), None)
    if isinstance(decision, RollbackDecided) and decision.retrain_job_id == sent.job:
        served = {link.event.fact.retrain_job_id for link in links if isinstance(link.event.fact, SwitchSucceeded)}
        if sent.job not in served:
            yield f"I2: a rollback led to {sent.job}, which had never served"
        return
    if not isinstance(decision, CandidateEvaluated) or decision.retrain_job_id != sent.job:
        yield f"I2: the switch to {sent.job} refers to no durable decision about it"
        return
    reviews = [link.event.fact for link in links if isinstance(link.event.fact, ApprovalRecorded)]
    words = [review.action for review in reviews if review.candidate_sha256 == decision.candidate_sha256]
    word = words[-1] if words else decision.evaluation.decision.action
    if word not in ("switch", "approve"):
        yield f"I2: {sent.job} was switched to although the last word on it was {word}"
    model, manifest = intent.event.model or "", evidence.manifests[intent.event.run_id]
    progress = Progress(links).model(REALM, model)
    moved = inputs_moved(manifest, manifest.models[model], progress, progress.jobs[sent.job])
    if moved:
        yield f"I2: {sent.job} was switched to by {intent.event.run_id} although {moved}"


def nothing_replaced_by_accident(evidence: Evidence) -> Iterator[str]:
    """I7, I8: no policy switches over a model that it has to compare with and knows nothing of, or that is not ours."""
    decisions = {one.sha256: one.event for one in evidence.links_of(CandidateEvaluated)}
    reviews = [one.event.fact for one in evidence.links_of(ApprovalRecorded)]
    approved = {
        review.candidate_sha256
        for review in reviews
        if isinstance(review, ApprovalRecorded) and review.action == "approve"
    }
    for event in decisions.values():
        assert isinstance(event.fact, CandidateEvaluated), "chosen by kind"
        yield from _baseline_served(evidence, event.fact, event.run_id, event.seq)
    for link in evidence.links_of(SwitchIntended):
        assert isinstance(link.event.fact, SwitchIntended), "chosen by kind"
        decision = decisions.get(link.event.fact.decision_sha256)
        if decision is None or not isinstance(decision.fact, CandidateEvaluated):
            continue  # a person's rollback
        fact = decision.fact
        if fact.candidate_sha256 in approved:
            continue
        inputs = inputs_from_json(dict(fact.inputs))
        if inputs.baseline is None and _must_compare(inputs.policy):
            yield f"I7: {fact.retrain_job_id} was switched to although nothing is known of what it replaces"
        if inputs.drift == "changed_outside":
            yield f"I8: {fact.retrain_job_id} was switched to although the model in service was changed outside"
        could_tell = evidence.service.traits.names_model and not evidence.jumped
        if inputs.baseline is not None and could_tell:
            yield from _hand_respected(evidence, link, inputs.baseline.retrain_job_id or "")


def _must_compare(policy: Policy) -> bool:
    """Return whether a rule that decides compares with the incumbent, and the policy does not let a first one pass."""
    if not isinstance(policy, ThresholdPolicy) or policy.first_run == "pass":
        return False
    return any(rule.against is not None and rule.level == "decide" for rule in policy.rules)


def _told(evidence: Evidence, run_id: str, seq: int) -> list[Answered]:
    """Return the lists that a run was told before an event: what others are told at that time is not known to it."""
    asker = evidence.askers[run_id]
    return [answer for answer in evidence.service.answers if answer.to is asker and answer.durable < seq]


def _hand_respected(evidence: Evidence, intent: Link, incumbent: str) -> Iterator[str]:
    """I8: the newest list before a switch does not show somebody's own model, long enough after our own switch."""
    key = evidence.service.jobs[_job(intent)].key
    before = _told(evidence, intent.event.run_id, intent.event.seq)
    switched = [call.applied_at or 0.0 for call in evidence.sent("switch") if call.job == incumbent]
    if not before:
        return
    old = before[-1].at - max(switched, default=0.0) > evidence.quarantine + evidence.apart
    if old and before[-1].models.get(key, 0) >= FIRST_FOREIGN:
        yield f"I8: {_job(intent)} was switched to over a model that somebody had published, and the list showed it"


def _baseline_served(evidence: Evidence, fact: CandidateEvaluated, run_id: str, seq: int) -> Iterator[str]:
    """I8: a decision that says its baseline is in service was told so by the service, and by its newest answer."""
    inputs = inputs_from_json(dict(fact.inputs))
    if inputs.drift != "in_sync" or inputs.baseline is None:
        return
    number = evidence.service.number_of(inputs.baseline.retrain_job_id or "")
    told = [one.models.values() for one in _told(evidence, run_id, seq)]
    if not any(number in models for models in told):
        yield f"I8: the baseline of {fact.retrain_job_id} is called in sync, and no answer of that run said so"


def records_true(evidence: Evidence) -> Iterator[str]:
    """I3: what the journal says of the service is what the service did; by the end of a history nothing is late."""
    started = {call.job for call in evidence.sent("put") if call.applied_at is not None}
    sent = {call.job for call in evidence.sent("put")}
    dropped = {call.job for call in evidence.sent("put") if call.dropped}
    served = {call.job for call in evidence.sent("switch") if call.applied_at is not None}
    ends = {name: job.end for name, job in evidence.service.jobs.items()}
    for link in evidence.ledger.links:
        fact = link.event.fact
        match fact:
            case UploadSucceeded(retrain_job_id=job, proof="store") if job in dropped:
                pass  # the store's word was all there was to know
            case UploadSucceeded(retrain_job_id=job) if job not in started:
                yield f"I3: event {link.event.seq} says that {job} started, and it did not"
            case JobAbandoned(retrain_job_id=job) | UploadRejected(retrain_job_id=job) if job in started:
                yield f"I1: event {link.event.seq} ({type(fact).__name__}) says that {job} never started, and it did"
            case UploadRejected(retrain_job_id=job, why="never_sent") if job in sent:
                yield f"I3: event {link.event.seq} says that nothing of {job} was sent, and something was"
            case SwitchSucceeded(retrain_job_id=job) if job not in served:
                yield f"I3: event {link.event.seq} says that {job} serves, and it does not"
            case TrainingFinished(retrain_job_id=job) if ends[job] != "finished":
                yield f"I3: event {link.event.seq} says that {job} finished, and it {ends[job]}"
            case TrainingFailed(retrain_job_id=job) if ends[job] == "finished":
                yield f"I3: event {link.event.seq} says that {job} failed, and it did not"
            case _:
                pass
    yield from _refused_switches(evidence)


def _refused_switches(evidence: Evidence) -> Iterator[str]:
    """I2: a switch that the journal calls refused was not applied, not even later."""
    for link in evidence.links_of(SwitchRejected):
        assert isinstance(link.event.fact, SwitchRejected), "chosen by kind"
        job, last = link.event.fact.retrain_job_id, link.event.seq
        intended = max(
            one.event.seq for one in evidence.links_of(SwitchIntended) if one.event.seq < last and _job(one) == job
        )
        for sent in evidence.sent("switch"):
            if sent.job == job and sent.applied_at is not None and intended <= sent.durable <= last:
                yield f"I2: event {last} says that the switch to {job} was refused, and it was applied"


def _job(link: Link) -> str:
    fact = link.event.fact
    return fact.retrain_job_id if isinstance(fact, UploadIntended | SwitchIntended) else ""


def decisions_compute(evidence: Evidence) -> Iterator[str]:
    """I3: every decision comes out the same from the stored result file and the recorded inputs."""
    stored: dict[str, ResultDownloaded] = {}
    for link in evidence.ledger.links:
        fact = link.event.fact
        if isinstance(fact, ResultDownloaded):
            stored[fact.retrain_job_id] = fact
        if isinstance(fact, CandidateEvaluated):
            result = stored.get(fact.retrain_job_id)
            if result is None or not _computes(evidence, fact, result):
                yield f"I3: the decision of event {link.event.seq} does not come out again"


def _computes(evidence: Evidence, fact: CandidateEvaluated, result: ResultDownloaded) -> bool:
    path = evidence.ledger.state.root / result.path
    again = evaluate_file(path, inputs_from_json(dict(fact.inputs)))
    return (
        file_sha256(path) == result.sha256 == fact.result_sha256
        and again == fact.evaluation
        and fact.candidate_sha256
        == candidate_digest(fact.retrain_job_id, result.sha256, fact.policy_sha256, fact.bound)
    )


def settled(progress: Progress, models: Sequence[str]) -> bool:
    """Return whether no model has anything in flight."""
    ends = [progress.model(REALM, name).last_outcome for name in models]
    return all(end is not None and end.outcome not in ("training", "unknown", "skipped") for end in ends)
