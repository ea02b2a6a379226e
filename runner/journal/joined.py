"""Several journals as one: what the partitions of a state show together, and runs that are reported as one. Pure."""

import hashlib
from collections.abc import Sequence

from msgspec.structs import replace

from runner.errors import PRECEDENCE
from runner.journal.events import RunFinished
from runner.journal.progress import Progress, RunRecord


def merged(parts: Sequence[Progress]) -> Progress:
    """Return what the journals of all partitions of a state show together; it is to be read only.

    A model is in one of them. Where a run under a name left something without a history in another, the history counts.
    """
    if len(parts) == 1:
        return parts[0]
    whole, runs = Progress(), dict[str, list[RunRecord]]()
    for part in parts:
        for key, model in part.models.items():
            if key not in whole.models or (model.has_history and not whole.models[key].has_history):
                whole.models[key] = model
        for run in part.runs.values():
            runs.setdefault(run.run_id, []).append(run)
        whole.results |= part.results
        whole.removed |= part.removed
        whole.decisions |= part.decisions
        whole.undone |= part.undone
        whole.begun |= part.begun
        whole.earlier_runs |= part.earlier_runs
        whole.loss, whole.moved_to = part.loss or whole.loss, part.moved_to or whole.moved_to
    whole.runs = {run_id: joined_run(run_id, runs[run_id]) for run_id in sorted(runs)}
    whole.earlier_runs -= whole.runs.keys()
    whole.last_at = max((part.last_at for part in parts if part.last_at is not None), default=None)
    whole.head = joined_end([part.head for part in parts])
    whole.lineage = joined_lineage([part.lineage for part in parts])
    return whole


def joined_lineage(lineages: Sequence[str | None]) -> str | None:
    """Return what tells these journals from others; None where none of them has an event."""
    told = "\n".join(lineage or "" for lineage in lineages)
    return hashlib.sha256(told.encode()).hexdigest() if any(lineages) else None


def joined_run(run_id: str, records: Sequence[RunRecord]) -> RunRecord:
    """Return the record of a run in several partitions, or of several runs, as one; it has no report of its own."""
    first, *others = records
    if not others and first.run_id == run_id:
        return first
    ends = [record.finished for record in records if record.finished is not None]
    over = len(ends) == len(records)
    models = dict[str, None]()
    for record in records:
        models |= record.models
    return replace(
        min(records, key=lambda record: record.started_at),
        run_id=run_id,
        finished=_worst(ends) if over else None,
        finished_at=max(filter(None, (record.finished_at for record in records)), default=None) if over else None,
        head=joined_end([record.head for record in records]) if over else None,
        report=None,
        models=models,
    )


def _worst(ends: Sequence[RunFinished]) -> RunFinished:
    """Return the end that counts for all: the worst exit code, and what stopped one of them."""
    worst = min(ends, key=lambda end: PRECEDENCE.index(end.exit_code) if end.exit_code in PRECEDENCE else -1)
    return replace(worst, stopped=next((end.stopped for end in ends if end.stopped is not None), None))


def joined_end(heads: Sequence[tuple[int, str] | None]) -> tuple[int, str] | None:
    """Return the number of events of several journals, and a digest over the digests of their last ones."""
    if not any(heads):
        return None
    told = "\n".join("" if head is None else f"{head[0]} {head[1]}" for head in heads)
    return sum(head[0] for head in heads if head is not None), hashlib.sha256(told.encode()).hexdigest()
