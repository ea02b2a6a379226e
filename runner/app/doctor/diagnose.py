"""`retrain doctor`: everything that a run needs, looked at before it, without any effect."""

from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import nlargest

from msgspec import Struct

from emulator.extra import require_extra
from runner.app.doctor.key_questions import KeyAnswer, KeyQuestions, own_entry, task_of
from runner.app.doctor.service_checks import key_checks, service_checks, switch_check, untrusted_check
from runner.app.doctor.state_check import state_checks
from runner.app.planning.plan import plan_models
from runner.app.planning.plan_document import Planned
from runner.app.planning.scope import Scope, read_scope
from runner.app.planning.service_access import ManifestKeys
from runner.app.service import connected
from runner.app.state.read_state import knows_approved, read_progress
from runner.app.validate import validate
from runner.credentials import SourceError
from runner.datasets.check import read_header
from runner.datasets.file_cache import FileCache
from runner.datasets.metadata import DatasetDigest
from runner.datasets.resolve import resolve
from runner.datasets.source import DataAccess
from runner.errors import Kind, ModelError, RetrainError, StateError, UsageError
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Progress
from runner.lib.secrets import Redactor
from runner.lib.text import choice, shown
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.document import ManifestError
from runner.manifest.model import Dataset, Model, Notification, Ping, Policy, Task
from runner.notify import UndeliveredError, require_address, require_url
from runner.plan.model_plan import Choice, ModelPlan, PlanStage, inspect_command, state_option
from runner.providers.kept_answers import AnswerKeeper
from runner.reports.diagnosis import Check, Diagnosis, diagnosis
from runner.reports.text import counted


def notify_checks(scope: Scope) -> Iterator[Check]:
    """Yield what is found of each entry of `notify`; a rehearsal is told to nobody."""
    if scope.choice.emulator and not scope.manifest.service.emulator:
        return
    for entry in scope.manifest.notify:
        where = f"{entry.place.file}:{entry.place.line}"
        trouble = _trouble(entry)
        if trouble is None:
            yield Check(name="notify", verdict="ok", seen=f"{where}: the address can be used; nothing was sent to it.")
        else:
            yield Check(name="notify", verdict="problem", seen=f"{where}: {trouble[0]}.", next=trouble[1])


def _trouble(entry: Notification | Ping) -> tuple[str, str] | None:
    """Return why nobody would be told, as the end of a sentence, and what to do."""
    try:
        if isinstance(entry, Notification):
            require_address(entry.to)
        else:
            require_url(entry.url)
    except (SourceError, UndeliveredError) as error:
        return error.reason, error.hint
    return None


def rule_checks(
    model: Model, policy: Policy, progress: ModelProgress, *, task: Task | None, state: str
) -> Iterator[Check]:
    """Yield what is found of the policy's rules; `task` is what the service or the manifest says, if either does.

    `state` is the option that names the state in a command.
    """
    metrics = list(dict.fromkeys(rule.metric for rule in policy.rules))
    if not metrics:
        return
    absent = [name for name in metrics if task is not None and not _has(task, name)]
    if absent and task is not None:
        fitting = [metric.name for metric in BUILT_IN_METRICS.values() if task in metric.tasks]
        yield Check(
            name="rules",
            verdict="problem",
            model=model.name,
            seen=f"The model is a {task}, which has no {choice(absent)}; the policy {policy.name} has a rule on it.",
            next=f"Use {choice(fitting)} in the policy {policy.name}, or give the model another policy.",
        )
        return
    unseen = _unseen(metrics, progress)
    if unseen is not None:
        job, names = unseen
        yield Check(
            name="rules",
            verdict="warning",
            model=model.name,
            seen=f"The result of job {job} had no {choice(names)}, which the policy {policy.name} has a rule on.",
            next=f"`{inspect_command(model.name, state=state)}` shows what it has, and the `metrics:` lines for it.",
        )
        return
    fits = f"fit {task}" if task is not None else "cannot be compared with its task, which is not known here"
    yield Check(name="rules", verdict="ok", model=model.name, seen=f"Its rules {fits}.")


def _has(task: Task, metric: str) -> bool:
    """Return whether a model of the task has the metric; those that the manifest defines are not known."""
    return metric not in BUILT_IN_METRICS or task in BUILT_IN_METRICS[metric].tasks


def _unseen(metrics: list[str], progress: ModelProgress) -> tuple[str, list[str]] | None:
    """Return the newest judged job, and the metrics that its result did not have, or None if it had all."""
    judged = next((job for job in progress.newest_jobs if job.decided is not None), None)
    if judged is None or judged.decided is None:
        return None
    had = judged.decided.fact.evaluation.metrics
    names = [name for name in metrics if had.get(name) is None]
    return (judged.retrain_job_id, names) if names else None


_SEEN_BY_PLANNING = frozenset({"data-file"})  # problems of a manifest that the check of the data tells in full


class DoctorRequest(Struct, frozen=True, kw_only=True):
    """The arguments of `retrain doctor`; `trust_state` accepts a state that somebody else may have written.

    `keeper` is told of every answer of the service.
    """

    choice: Choice
    trust_state: bool = False
    keeper: AnswerKeeper | None = None


def diagnose(request: DoctorRequest) -> Diagnosis:
    """Return what was found. No job is taken, nothing is uploaded, switched, recorded or sent to people.

    Raises:
        UsageError: no manifest is named, or nothing is selected.
    """
    choice = request.choice
    manifest = list(_manifest_checks(choice))
    try:
        scope = read_scope(choice)
    except ManifestError:
        return diagnosis(None, (), [*manifest, *_state_checks(request, 0)])
    progress, damage = _progress(scope)
    access = DataAccess(trusted_hosts=choice.trusted_hosts, starts_commands=True)
    planned = plan_models(scope, progress, FileCache(access))
    service, answers = _service(scope, planned.progress, request.keeper)
    checks = [
        *manifest,
        *service,
        *(damage or _state_checks(request, _packed(scope, planned))),
        *notify_checks(scope),
        *_model_checks(scope, planned, answers, access),
    ]
    return diagnosis(scope.service.name, [model.name for model in scope.models], checks)


def _manifest_checks(choice: Choice) -> Iterator[Check]:
    found = validate(choice.paths)
    if found.valid:
        seen = f"{counted(found.models, 'model')} in {counted(found.files, 'file')}."
        yield Check(name="manifest", verdict="ok", seen=seen)
    for problem in found.problems:
        if problem.code not in _SEEN_BY_PLANNING:
            yield Check(
                name="manifest",
                verdict="problem" if problem.severity == "error" else "warning",
                seen=f"{problem.file}:{problem.line}:{problem.column}: {problem.message}",
                next=problem.hint,
            )


def _state_checks(request: DoctorRequest, uploads: int) -> Iterator[Check]:
    return state_checks(request.choice.state, trusted=request.trust_state, uploads=uploads)


def _progress(scope: Scope) -> tuple[Progress, list[Check]]:
    """Return what the journal shows; nothing, and why, where it cannot be read."""
    try:
        return read_progress(scope.choice.state, knows_approved(scope.service.name, scope.manifest)), []
    except StateError as error:
        return Progress(), [Check(name="state", verdict="problem", seen=error.message, next=error.hint)]


def _packed(scope: Scope, planned: Planned) -> int:
    """Return the size in bytes of the datasets that a run packs at the same time, at most."""
    sizes = [
        found.train.bytes + found.eval.bytes
        for found in planned.data.values()
        if isinstance(found, DatasetDigest) and found.eval is not None
    ]
    return sum(nlargest(scope.manifest.limits.uploads, sizes))


def _service(scope: Scope, progress: Progress, keeper: AnswerKeeper | None) -> tuple[list[Check], dict[str, KeyAnswer]]:
    """Return what is found of the service, and what it says to each model's key, by the model's name."""
    if scope.service.emulator:
        return [_emulator_check()], {}
    if not scope.service.trusted:
        return [untrusted_check(scope.service)], {}
    try:
        answers = _asked(scope, progress, keeper)
        found = list(service_checks(scope.manifest, scope.service, answers))
    except UsageError as error:  # of the proxy, or of the certificates
        return [Check(name="service", verdict="problem", seen=error.message, next=error.hint)], {}
    return found, {answer.model.name: answer for answer in answers}


def _asked(scope: Scope, progress: Progress, keeper: AnswerKeeper | None) -> list[KeyAnswer]:
    manifest, redactor = scope.manifest, Redactor()
    client = connected(manifest.service, manifest.service.url or "", scope.service, redactor, keeper)
    keys = ManifestKeys(client, redactor, host=scope.service.name)
    keys.learn_all(manifest.models.values())
    questions = KeyQuestions(client=client, keys=keys, manifest=manifest, known=progress.known(scope.service.name))
    try:
        return questions.ask_all(scope.models)
    finally:
        client.close()


def _emulator_check() -> Check:
    try:
        require_extra()
    except RetrainError as error:
        return Check(name="service", verdict="problem", seen=error.message, next=error.hint)
    return Check(name="service", verdict="ok", seen="The emulator is started for each run; it needs no key.")


def _model_checks(scope: Scope, planned: Planned, answers: dict[str, KeyAnswer], access: DataAccess) -> Iterator[Check]:
    now, state = datetime.now(UTC), state_option(scope.choice.state)
    for model, plan in zip(scope.models, planned.plans, strict=True):
        progress = planned.progress.model(scope.service.name, model.name)
        answer = answers.get(model.name) or KeyAnswer(model=model)
        if answer.model.name in answers:
            yield from key_checks(answer, scope.service, now)
        yield from _data_checks(model, plan, planned)
        yield from _unnamed_data(model, scope.manifest.datasets[model.dataset], planned)
        yield from _target_checks(scope, answer, access)
        policy = scope.manifest.policies[model.policy]
        yield from rule_checks(model, policy, progress, task=task_of(answer), state=state)
        if not progress.serving.ids and not scope.service.emulator:
            yield switch_check(model, policy, progress)


def _target_checks(scope: Scope, answer: KeyAnswer, access: DataAccess) -> Iterator[Check]:
    """Yield that the data has no column that the service says the key's model predicts: the key may be another's."""
    entry = own_entry(answer)
    if entry is None or entry.target is None:
        return
    try:
        train = resolve(scope.manifest.datasets[answer.model.dataset], access).train
        columns = read_header(train)
    except ModelError:
        return  # the check of the data says it
    if columns and entry.target not in columns:
        yield Check(
            name="data",
            verdict="problem",
            model=answer.model.name,
            seen=f"The model of its key predicts {shown(entry.target)}, and {train.source} has no such column.",
            next=f"Give {answer.model.name} its own key, or the data that its model was trained with.",
        )


def _unnamed_data(model: Model, dataset: Dataset, planned: Planned) -> Iterator[Check]:
    """Yield what of a model's data has to be read in each run, as nothing names its content."""
    data = planned.data[model.dataset]
    if not isinstance(data, DatasetDigest):
        return
    for source, file in ((dataset.train, data.train), (dataset.eval, data.eval)):
        if source is not None and file is not None and source.scheme and file.content_id is None:
            wanted = "a `version` command" if source.command is not None else "a strong ETag and a Content-Length"
            yield Check(
                name="data",
                verdict="warning",
                model=model.name,
                seen=f"{file.source} is read in each run: only its bytes show whether it changed.",
                next=f"Let it have {wanted}, or leave it.",
            )


def _data_checks(model: Model, plan: ModelPlan, planned: Planned) -> Iterator[Check]:
    """Yield what planning found of the model's data, by the checks of a run; and what else stops the model."""
    data = planned.data[model.dataset]
    if plan.outcome == "failed" and plan.error is not None:
        yield Check(
            name="data" if plan.error.kind == Kind.DATA else "plan",
            verdict="problem",
            model=model.name,
            seen=plan.error.message,
            next=plan.error.hint,
        )
    elif isinstance(data, DatasetDigest):
        files = " and ".join(file.source for file in (data.train, data.eval) if file is not None)
        is_sent = PlanStage.CHECK in plan.stages
        them = "it" if data.eval is None else "them"
        seen = f"{files} can be {'sent' if is_sent else f'read; a run would not send {them} again'}."
        yield Check(name="data", verdict="ok", model=model.name, seen=seen)
    for warning in plan.warnings:
        yield Check(
            name="data",
            verdict="warning",
            model=model.name,
            seen=f"{warning}.",
            next="Correct the data, or leave it: a run warns of it and continues.",
        )
