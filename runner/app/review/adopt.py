"""`retrain adopt`: a person states what is in service, so that candidates are compared with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from runner.app.planning.scope import Scope, model_scope
from runner.app.review.candidates import DecisionRequest, Ruling, basis, refuse_changed
from runner.app.review.following import deciding, follow
from runner.app.run.run_end import RunResult
from runner.app.state.loss import refuse_noted_loss
from runner.app.state.read_state import read_progress
from runner.app.state.session import Session
from runner.errors import ModelError, UsageError
from runner.execute.evaluation import file_sha256
from runner.journal.events import RunOptions
from runner.lib.atomic_files import open_file
from runner.lib.text import did_you_mean, shown
from runner.manifest.model import MetricDefinition, Place, Source
from runner.plan.evidence import MetricEvidence, metrics_against
from runner.plan.incumbent import IncumbentDeclaration
from runner.plan.model_plan import STAGES, Action, ModelPlan, inspect_command
from runner.results.metrics import BUILT_IN_NAMES, range_problem
from runner.results.number import NotANumber, number_from_text, number_text
from runner.results.result_file import read_result


class AdoptRequest(DecisionRequest, frozen=True, kw_only=True):
    """The arguments of `retrain adopt`.

    `metrics` are texts by name; `result` is a result file to read metrics from, and `eval` the file they were measured
    on.
    """

    metrics: Mapping[str, str]
    result: Path | None
    eval: Path | None


class Proposed(Struct, frozen=True, kw_only=True):
    """What would be recorded: `statement` of the model in `scope`; `replaces` says what the journal knows until now.

    `candidate` is the job that waits or is held, and `metrics` are its metrics beside the stated ones.
    """

    scope: Scope
    statement: IncumbentDeclaration
    replaces: str
    candidate: str | None
    metrics: tuple[MetricEvidence, ...]
    basis: str


def propose_adoption(request: AdoptRequest) -> Proposed:
    """Return what a person is asked. The journal is read only, and no lock is needed.

    Raises:
        UsageError: the reason is empty, the model or metric is unknown, or a file cannot be read.
    """
    if not request.reason.strip():
        raise UsageError("An adoption needs a reason.", hint='Say why: --reason "taken over from the old scripts".')
    refuse_noted_loss(request.state)
    progress = read_progress(request.state)
    scope = model_scope(
        progress, request.model, request.manifest, state=request.state, trusted_hosts=request.trusted_hosts
    )
    scope.service.require_trusted()
    known = progress.model(scope.service.name, request.model)
    replaces = "nothing is recorded of it"
    if known.incumbent is not None:
        replaces = f"job {known.incumbent.retrain_job_id} is recorded as in service"
    elif known.adoption is not None:
        replaces = f"another statement of {known.adoption.fact.by} is recorded"
    statement, job = _statement(request, scope), known.current
    judged = job is not None and job.rests_with in ("await_approval", "hold")
    return Proposed(
        scope=scope,
        statement=statement,
        replaces=replaces,
        candidate=job.retrain_job_id if job and judged else None,
        metrics=metrics_against(job, statement.metrics) if job and judged else (),
        basis=basis(known, None),
    )


def adopt(request: AdoptRequest, proposed: Proposed) -> RunResult:
    """Record what is in service; it counts until a job of this project serves."""
    scope = proposed.scope
    with deciding(request, scope.service.name) as opened:
        return follow(opened, scope, request, rule_on_adoption(opened, scope, request, proposed.statement))


def rule_on_adoption(
    opened: Session, scope: Scope, request: DecisionRequest, statement: IncumbentDeclaration
) -> Ruling:
    """Return the effects of the statement on the journal as it is now.

    Raises:
        StateError: what is recorded as in service is something else than the person was shown.
    """
    refuse_changed(request, basis(opened.progress.model(scope.service.name, request.model), None))
    options = RunOptions(command="adopt", emulator=scope.service.emulator)
    return Ruling(options=options, plan=_plan(request.model, statement))


class Stated(Protocol):
    """What a person stated, as it was left in the inbox; its files were read where that was."""

    @property
    def metrics(self) -> Mapping[str, str]:
        """Return texts by name."""

    @property
    def eval(self) -> str | None:
        """Return the path of the file they were measured on."""

    @property
    def eval_sha256(self) -> str | None:
        """Return its digest."""

    @property
    def result_sha256(self) -> str | None:
        """Return the digest of the file they were read from."""


def stated(request: DecisionRequest, left: Stated, definitions: Mapping[str, MetricDefinition]) -> IncumbentDeclaration:
    """Return the statement that was left in the inbox, after the same checks as a statement that is given now.

    Raises:
        UsageError: a metric is unknown, or its value is not valid.
    """
    return IncumbentDeclaration(
        metrics={name: _value(name, text, definitions) for name, text in left.metrics.items()},
        eval=None if left.eval is None else _named(left.eval),
        source="command",
        by=request.by,
        reason=request.reason,
        result_sha256=left.result_sha256,
        eval_sha256=left.eval_sha256,
    )


def _statement(request: AdoptRequest, scope: Scope) -> IncumbentDeclaration:
    definitions = scope.manifest.metrics
    read = _from_result(request.result, definitions) if request.result else {}
    return IncumbentDeclaration(
        metrics={**read, **{name: _value(name, text, definitions) for name, text in request.metrics.items()}},
        eval=_source(request.eval) if request.eval else None,
        source="command",
        by=request.by,
        reason=request.reason,
        result_sha256=file_sha256(request.result) if request.result else None,
    )


_COMMAND_LINE = Place(file="the command line", line=1, column=1)


def _source(path: Path) -> Source:
    if not path.is_file():
        raise UsageError(f"The evaluation file {path} does not exist.", hint="Check the path after --eval.")
    return _named(str(path))


def _named(pattern: str) -> Source:
    return Source(pattern=pattern, folder=Path.cwd(), pick=None, place=_COMMAND_LINE)


def _value(name: str, text: str, definitions: Mapping[str, MetricDefinition]) -> str:
    known = (*BUILT_IN_NAMES, *definitions)
    if name not in known:
        hint = did_you_mean(name, known, otherwise=f"Use one of {', '.join(known)}.")
        raise UsageError(f"There is no metric {shown(name)}.", hint=hint)
    value = number_from_text(text)
    why = value.why if isinstance(value, NotANumber) else range_problem(name, value)
    if isinstance(value, NotANumber) or why is not None:
        raise UsageError(f"The value of {name} {why}.", hint="Write it as in --metric auc=0.91.")
    return number_text(value)


def _from_result(path: Path, definitions: Mapping[str, MetricDefinition]) -> dict[str, str]:
    try:
        with open_file(path) as stream:
            found = read_result(stream, definitions)
    except ModelError as error:
        hint = f"Look with `{inspect_command(str(path))}`, or state the metrics with --metric."
        raise UsageError(f"{path}: {error.message}", hint=hint) from error
    except OSError as error:
        raise UsageError(
            f"The result file {path} cannot be read: {error.strerror}.", hint="Check the path after --result."
        ) from error
    return {name: number_text(metric.value) for name, metric in found.metrics.items() if metric.value is not None}


def _plan(model: str, statement: IncumbentDeclaration) -> ModelPlan:
    return ModelPlan(
        model=model,
        action=Action.ADOPT,
        stages=STAGES[Action.ADOPT],
        reason=f"{statement.by} states what is in service",
        statement=statement,
    )
