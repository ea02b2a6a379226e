"""`retrain run --plan`: exactly what the plan says, or nothing."""

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from runner.app.planning.plan import plan_models
from runner.app.planning.plan_document import Planned, describe
from runner.app.planning.scope import Scope, read_scope
from runner.app.planning.shards import Shard
from runner.app.state.session import Session
from runner.datasets.file_cache import FileCache
from runner.errors import UsageError
from runner.journal.chain import START
from runner.journal.events import RunStarted
from runner.journal.partitions import part_name
from runner.journal.progress import Progress
from runner.manifest.document import ManifestError
from runner.plan.document import PlanDocument, StalePlanError, StateMark, differences
from runner.plan.model_plan import Choice
from runner.reports.text import counted

_NAMED = 5  # runs named in one line


def planned_scope(document: PlanDocument, given: Choice, name: str) -> Scope:
    """Return the scope a plan was made for; `given` are the arguments beside `--plan`.

    Raises:
        UsageError: the arguments do not go with a plan.
        StalePlanError: the plan's manifest is gone or invalid now, or no longer has what the plan selects.
    """
    _refuse_flags(given)
    paths = [Path(path) for path in document.manifest.paths]
    if given.paths and list(map(os.path.realpath, given.paths)) != list(map(os.path.realpath, paths)):
        made = " ".join(document.manifest.paths)
        raise UsageError(
            f"The plan {name} was made for {made}, seen from the folder it was made in.",
            hint="Leave the paths out; a plan is run from the same folder of a checkout it was made in.",
        )
    options = document.options
    choice = Choice(
        paths=paths,
        select=options.select,
        force=options.force,
        no_switch=options.no_switch,
        emulator=options.emulator,
        allow_service_change=options.allow_service_change,
        rehash=given.rehash,
        trusted_hosts=given.trusted_hosts,
        state=given.state,
    )
    try:
        return read_scope(choice)
    except (ManifestError, UsageError) as error:
        raise StalePlanError(name, _manifest_trouble(error, paths)) from error


def _refuse_flags(given: Choice) -> None:
    flags = {
        "--select": bool(given.select),
        "--force": given.force,
        "--no-switch": given.no_switch,
        "--emulator": given.emulator,
        "--allow-service-change": given.allow_service_change,
    }
    used = [flag for flag, is_given in flags.items() if is_given]
    if used:
        raise UsageError(
            f"{' and '.join(used)} cannot be given together with --plan.",
            hint="A plan holds the flags it was made with; make another plan, or run without --plan.",
        )


def _manifest_trouble(error: ManifestError | UsageError, paths: Sequence[Path]) -> list[str]:
    missing = [f"the manifest {path} is not found from this folder" for path in paths if not os.path.exists(path)]  # noqa: PTH110 -- a plan's path can be too long for Path.exists
    problems = error.problems if isinstance(error, ManifestError) else ()
    errors = [problem.line_text() for problem in problems if problem.severity == "error"]
    return missing or [f"the manifest can no longer be used: {problem}" for problem in errors] or [error.message]


class Found(Struct, frozen=True, kw_only=True):
    """The state as a run found it.

    `held` has the open partitions by number, `marks` where all of them were before this run, `share` what those of this
    machine's share show, and `fleet` what all do.
    """

    held: Mapping[int, Session]
    marks: Sequence[StateMark]
    shard: Shard
    share: Progress
    fleet: Progress


def agreed_plan(state: Found, scope: Scope, document: PlanDocument, name: str, readings: FileCache) -> Planned:
    """Plan the models of the scope again under the lock, and return that plan when it is the one in the document.

    Of a plan of all partitions a shard compares and carries out its share.

    Raises:
        StalePlanError: anything moved; it names everything that did.
    """
    planned = plan_models(scope, state.share, readings, fleet=state.fleet)
    now = describe(scope, planned, state.marks, state.shard)
    is_whole = document.options.shard is None and state.shard.of > 1
    found = differences(_share(document, now, scope, state) if is_whole else document, now, _moves(state, document))
    if found:
        raise StalePlanError(name, found)
    return planned


def _share(document: PlanDocument, now: PlanDocument, scope: Scope, state: Found) -> PlanDocument:
    """Return what a plan of all partitions says of the share of this machine."""
    others = scope.manifest.models.keys() - {model.name for model in scope.models}
    known = state.share.known(scope.service.name)
    return replace(
        document,
        models=tuple(model for model in document.models if model.name not in others),
        moves=tuple(move for move in document.moves if move.old in known),
        services_before=tuple(host for host in document.services_before if host in now.services_before),
    )


def _moves(state: Found, document: PlanDocument) -> list[str]:
    """Say how the journals of this machine's share differ from those the plan was made on."""
    before = document.partitions or (document.state,)
    if len(before) != len(state.marks):
        return [f"the state is one with {counted(len(state.marks), 'partition')}; is --state the one of the plan?"]
    return [
        f"partition {part_name(number)}: {told}" if len(before) > 1 else told
        for number, (was, found) in enumerate(zip(before, state.marks, strict=True))
        if state.shard.takes(number)
        for told in _state_moves(state.held.get(number), found, was)
    ]


def _state_moves(opened: Session | None, found: StateMark, before: StateMark) -> list[str]:
    """Say how a journal differs from the one the plan was made on."""
    if found == before:
        return []
    if before.lineage not in (None, found.lineage):
        what = "is another one, with another journal" if found.lineage else "has no run yet"
        return [f"the state {what}; is --state the one the plan was made with?"]
    if found.serial < before.serial:
        return [f"the state is older: it has {found.serial} events, and had {before.serial} when the plan was made"]
    if opened is None:
        return [f"the state moved on by {found.serial - before.serial} events"]
    if before.head_sha256 is not None and opened.store.digest(before.serial) != before.head_sha256:
        return [f"the state's history up to event {before.serial} differs"]
    after = START if before.head_sha256 is None else (before.serial, before.head_sha256)
    runs = dict[str, str]()
    for link in opened.store.read(after):
        if link.event.seq > found.serial:
            break
        fact, known = link.event.fact, opened.progress.runs.get(link.event.run_id)
        if isinstance(fact, RunStarted):
            runs[link.event.run_id] = f" (retrain {fact.command})"
        else:
            runs.setdefault(link.event.run_id, f" (retrain {known.started.command})" if known else "")
    return [f"the state changed by {found.serial - before.serial} events: {_named(runs)}"]


def _named(runs: Mapping[str, str]) -> str:
    arguments = [f"run {run_id}{command}" for run_id, command in islice(runs.items(), _NAMED)]
    more = len(runs) - _NAMED
    return ", ".join(arguments) + (f" and {more} more" if more > 0 else "")
