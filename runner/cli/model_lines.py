"""What is with a model, as phrases for `status` and `show`."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from runner.app.queries.status import ModelStatus
from runner.reports.next_step import short_ids
from runner.reports.next_step import with_short_ids as in_sentence
from runner.reports.text import in_words

_IDS = ("incumbent", "rolled_back_from", "rollback_due", "in_flight", "waiting", "switch_due", "held")


def with_short_ids(models: Sequence[ModelStatus]) -> tuple[ModelStatus, ...]:
    """Return the same with job ids as short as they tell the jobs apart."""
    ids = (getattr(model, key) for model in models for key in _IDS)
    short = short_ids(job_id for job_id in ids if job_id is not None)
    return tuple(_shortened(model, short) for model in models)


def _shortened(model: ModelStatus, short: Mapping[str, str]) -> ModelStatus:
    values = {key: getattr(model, key) for key in _IDS}
    cut = {key: short[value] for key, value in values.items() if value is not None}
    own = {value: short[value] for value in values.values() if value is not None}
    found = model.evidence
    return replace(
        model,
        **cut,
        last_reason=model.last_reason and in_sentence(model.last_reason, own),
        evidence=found and replace(found, retrain_job_id=own.get(found.retrain_job_id, found.retrain_job_id)),
    )


def incumbent_text(model: ModelStatus) -> str:
    """Return what is known of the model in service: a job, what was stated, or that nothing is recorded."""
    if model.incumbent_known == "stated":
        values = ", ".join(f"{name} {text}" for name, text in model.incumbent_metrics.items())
        return f"stated ({values or 'no metrics'})"
    return model.incumbent or "not recorded"


def standing(model: ModelStatus, *, brief: bool = False) -> list[str]:
    """Return what is under way or waits, one phrase each; `brief` ones for the cell of a table."""
    parts = under_way(model, brief=brief)
    if model.waiting:
        parts.append(f"candidate {model.waiting} waits{'' if brief else ' for approval'}")
    if model.held:
        parts.append(f"candidate {model.held} is held")
    return parts


def under_way(model: ModelStatus, *, brief: bool = True) -> list[str]:
    """Return the same without a candidate that rests with a person."""
    parts = []
    if model.drift == "changed_outside":
        parts.append(f"changed outside: {(model.drift_reason or '').removesuffix('.')}")
    elif model.drift_at is not None:
        parts.append(in_words(model.drift))
    if model.rolled_back_from:
        parts.append(f"rolled back from job {model.rolled_back_from} by {model.rolled_back_by}")
    if model.rollback_due:
        parts.append(f"the rollback to job {model.rollback_due} is decided and not done")
    if model.in_flight:
        parts.append(f"job {model.in_flight} in flight ({model.stage})")
    if model.switch_due:
        parts.append(f"the switch to {model.switch_due} is due{'' if brief else ' at the next run'}")
    if model.history_lost:
        parts.append(f"waits for a person before it is trained or switched: {model.history_lost}")
    return parts
