"""Which names have changed since the journal was written, and what models moved to another service. Pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from runner.errors import Kind, ModelError
from runner.http.addresses import is_loopback
from runner.journal.events import EMULATOR, NameMove
from runner.journal.model_progress import ModelProgress
from runner.journal.progress import Histories
from runner.manifest.model import Manifest
from runner.manifest.names import destinations
from runner.plan.model_plan import Action, ModelPlan

_SHOWN = 3  # names in one sentence
Known = Mapping[str, ModelProgress]  # the histories of one service, by name


class ServiceMove(Struct, frozen=True, kw_only=True):
    """A model's hosts before and now, and whether the manifest or the operator says that the change is meant."""

    before: str
    now: str
    allowed: bool


class DueMoves(Struct, frozen=True, kw_only=True):
    """The moves that are not recorded yet, as old names by new ones, and why a model cannot have a history.

    Both are by the model's name now.
    """

    old_names: Mapping[str, str]
    refused: Mapping[str, ModelError]

    @property
    def moves(self) -> tuple[NameMove, ...]:
        """Return what is to be recorded."""
        return tuple(NameMove(old=old, new=new) for new, old in self.old_names.items())


def due_moves(manifest: Manifest, known: Known) -> DueMoves:
    """Return what `moved` changes in the histories of a service.

    An entry whose old name has no history, or one that began beside the entry, or another one by now, changes nothing.
    """
    wanted, refused = _wanted(manifest, known)
    due = _without_blocked(wanted, known)
    for old, new in wanted.items() - due.items():
        if old not in manifest.models or old not in known[new].former_names:  # else another model has the old name now
            refused[new] = _both_known(old, new)
    return DueMoves(old_names={new: old for old, new in due.items()}, refused=refused)


def _wanted(manifest: Manifest, known: Known) -> tuple[dict[str, str], dict[str, ModelError]]:
    """Return where each history leads, over names that nothing is called any more, and names to which two lead."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    names = {change.old: change.new for change in manifest.moved}
    leads = _destinations(manifest)
    for old, new in leads.items():
        if not _has_history(known, old) or known[old].begun_beside == names[old]:
            continue
        if not (old in manifest.models and _has_arrived(old, leads, known)):
            found[new].append(old)
    wanted = {olds[0]: new for new, olds in found.items() if len(olds) == 1}
    return wanted, {new: _several(olds, new) for new, olds in found.items() if len(olds) > 1}


def _destinations(manifest: Manifest) -> dict[str, str]:
    return destinations({change.old: change.new for change in manifest.moved}, manifest.models)


def _without_blocked(wanted: Mapping[str, str], known: Known) -> dict[str, str]:
    """Leave out the moves to a name whose own history stays."""
    due = dict(wanted)
    while True:
        blocked = [old for old, new in due.items() if _has_history(known, new) and new not in due]
        if not blocked:
            return due
        for old in blocked:
            del due[old]


def _has_arrived(name: str, leads: Mapping[str, str], known: Known) -> bool:
    """Return whether the history of a name came to it by one of these very entries, as after a swap."""
    former = known[name].former_names
    return bool(former) and leads.get(former[-1]) == name


def _has_history(known: Known, name: str) -> bool:
    return name in known and known[name].has_history


def _several(olds: Collection[str], new: str) -> ModelError:
    return ModelError(
        Kind.CONFIG,
        f"`moved` leads from {' and '.join(sorted(olds))} to {new}, and this state has a history of each.",
        hint=f"Keep the entry of the one that {new} is.",
    )


def _both_known(old: str, new: str) -> ModelError:
    return ModelError(
        Kind.CONFIG,
        f"`moved` says that {new} was {old}, but this state has a history of both.",
        hint=f"Remove that entry if {new} is right as it is; to put the history of {old} in its place, add "
        f"`- {{from: {new}, to: {new}-before}}` beside it.",
    )


def services_before(manifest: Manifest, service: str, histories: Histories) -> dict[str, str]:
    """Return the services that models were trained on, by name, where nothing is known of them on this one.

    Rehearsals on this machine and on the emulator are the same service.
    """
    if _is_rehearsal(service):
        return {}
    found, names = dict[str, str](), _destinations(manifest)
    for (its_service, name), history in histories.items():
        if its_service != service and history.has_history and not _is_rehearsal(its_service):
            found[names.get(name, name)] = its_service
    return {name: before for name, before in found.items() if not _is_known(histories.get((service, name)))}


def _is_known(here: ModelProgress | None) -> bool:
    return here is not None and (here.has_history or here.from_service is not None)


def _is_rehearsal(service: str) -> bool:
    return service == EMULATOR or is_loopback(service)


def allows_service(manifest: Manifest, before: str, now: str) -> bool:
    """Return whether the entries of `moved` lead from one host to another."""
    reached = {before}
    for _ in manifest.moved_services:
        reached |= {change.new for change in manifest.moved_services if change.old in reached}
    return now in reached


def names_elsewhere(manifest: Manifest, known: Known) -> list[str]:
    """Return the names with a history that are not in the manifest."""
    return [name for name, model in known.items() if model.has_history and name not in manifest.models]


def with_question(plan: ModelPlan, gone: Sequence[str]) -> ModelPlan:
    """Return the plan of a model that nothing is known of, with what a run asks first.

    `gone` are names with a history that are not in the manifest.
    """
    if not gone or plan.action != Action.RETRAIN:
        return plan
    more = len(gone) - _SHOWN
    names = f"one of {', '.join(gone[:_SHOWN])}{f' and {more} more' if more > 0 else ''}" if len(gone) > 1 else gone[0]
    return replace(plan, reason=f"{plan.reason} A run first asks whether it is {names}, not in the manifest any more.")


def with_moves(plan: ModelPlan, due: DueMoves, service: ServiceMove | None) -> ModelPlan:
    """Return the plan of a model with what `moved` says of its name and its service."""
    if plan.model in due.refused:
        return _failed(plan.model, due.refused[plan.model])
    old = due.old_names.get(plan.model)
    named = plan if old is None else _with_new_name(plan, old)
    return named if service is None else _with_new_service(named, service)


def _with_new_name(plan: ModelPlan, old: str) -> ModelPlan:
    """Name the move; where nothing else is done, that is what is done."""
    action = Action.MOVE if plan.action == Action.NONE and plan.outcome != "failed" else plan.action
    return replace(plan, action=action, reason=f"It was called {old}, whose history moves here. {plan.reason}")


def _with_new_service(plan: ModelPlan, move: ServiceMove) -> ModelPlan:
    if not move.allowed:
        return _failed(plan.model, _other_service(plan.model, move))
    if plan.outcome == "failed":
        return plan
    why = f"It moves from {move.before} to {move.now}, where this project has no record of it."
    return replace(plan, action=Action.MOVE, reason=f"{why} {plan.reason}")


def _other_service(model: str, move: ServiceMove) -> ModelError:
    entry = f"- {{service: {{from: {move.before}, to: {move.now}}}}}"
    return ModelError(
        Kind.CONFIG,
        f"{model} was trained on {move.before}, and the manifest names {move.now}, where nothing is known of it.",
        hint=f"If that is meant, add `{entry}` under `moved:` in the manifest, or give --allow-service-change.",
    )


def _failed(model: str, error: ModelError) -> ModelPlan:
    return ModelPlan(model=model, action=Action.NONE, stages=(), reason=str(error), outcome="failed", error=error)
