"""What serves, by the service's list of classifiers: asked before a candidate is judged and before each switch."""

from runner.datasets.file_cache import FileCache, digest
from runner.datasets.resolve import resolve
from runner.errors import ModelError
from runner.execute.commands import Workflow, call, record, stage
from runner.execute.model_run import ModelOutcome, ModelRun, StageEnd
from runner.execute.retry import ATTEMPTS, get_key, read
from runner.journal.events import IncumbentAdopted
from runner.lib.secrets import Secret
from runner.manifest.model import Dataset, Place, Source
from runner.plan.incumbent import Moment, may_drift, observe, own_model, statement_sha256
from runner.plan.model_plan import Action
from runner.providers.base import Classifier, ServiceError

_ATTEMPTS = 3  # to read a list that is good to have
Listed = tuple[Classifier, ...] | None  # None: the list cannot be read


def list_classifiers(run: ModelRun, *, again: bool = False) -> Workflow[Listed]:
    """Return the service's list, or None if it cannot be read; the service is asked once a run, unless `again`."""
    if run.list_refused and not again:
        return None
    try:
        key = yield from _reading_key(run)
        attempts = ATTEMPTS if again else _ATTEMPTS
        return (yield from read(run, "classifiers", lambda: run.context.provider.classifiers(key), attempts=attempts))
    except (ServiceError, ModelError):
        run.list_refused = True
        return None


def observe_serving(run: ModelRun) -> Workflow[Listed]:
    """Learn whether the recorded model is in service, and record what is new; return the list, None without one."""
    listed = (yield from list_classifiers(run)) if may_drift(run.progress) else None
    yield from note_serving(run, listed)
    return listed


def note_serving(run: ModelRun, listed: Listed) -> Workflow[None]:
    """Record what the list says of the model in service, where it says something else than before."""
    moment = Moment(now=run.context.clock.now(), quarantine=run.quarantine)
    found, before = observe(run.model, run.progress, listed, moment), run.progress.observation
    if found == before.fact if before else found.drift == "cannot_be_told":
        return
    if found.drift == "changed_outside":
        run.warn(f"the model in service was changed outside this project: {found.reason}")
    yield from record(found)


def adopt(run: ModelRun) -> Workflow[StageEnd]:
    """Record what a person states of the model in service; where nothing else is planned, that is the end."""
    statement = run.plan.statement
    if statement is None:
        raise LookupError(f"{run.model.name}: the adopt stage was reached without a statement")
    measured_on, evaluation = statement.eval, statement.eval_sha256
    if measured_on is not None and evaluation is None:
        evaluation = yield from stage(lambda: source_sha256(run.model.name, measured_on, run.context.readings))
    listed = (yield from list_classifiers(run)) if run.model.classifier_id is not None else None
    adopted = IncumbentAdopted(
        metrics=statement.metrics,
        eval_sha256=evaluation,
        result_sha256=statement.result_sha256,
        source=statement.source,
        statement_sha256=statement_sha256(statement),
        by=statement.by,
        reason=statement.reason,
        model_id=own_model(run.model, listed),
    )
    if run.decision is None:
        yield from record(adopted)
    else:  # the one is not there without the other
        yield from record(run.decision, adopted, guard=run.decision.guard)
    if run.plan.action != Action.ADOPT:
        return None
    values = ", ".join(f"{name} {text}" for name, text in adopted.metrics.items()) or "no metrics"
    return ModelOutcome(
        outcome="unchanged", reason=f"The model in service is adopted as stated by {adopted.by}: {values}."
    )


def source_sha256(model: str, source: Source, readings: FileCache) -> str:
    """Return the digest of an evaluation file, read as a dataset's file is."""
    alone = Dataset(name=model, train=source, eval=None, train_sha256=None, eval_sha256=None, place=_NOWHERE)
    return digest(resolve(alone, readings.access), readings.metadata).train.sha256


_NOWHERE = Place(file="", line=1, column=1)


def _reading_key(run: ModelRun) -> Workflow[Secret]:
    """Return the account's secret key where the manifest has one: the list belongs to the account."""
    keys, model = run.context.keys, run.model
    account = (yield from call(lambda: keys.account_key(model))) if keys.asks_service(model) else None
    return account or (yield from get_key(run))
