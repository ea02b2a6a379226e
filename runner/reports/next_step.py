"""What an operator does next about a model, in one sentence; and job ids in short."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from runner.journal.outcomes import urgency
from runner.plan.model_plan import inspect_command, person_command, resolve_commands, review_commands
from runner.reports.model import ModelReport, RuleReport

_FEWEST = 8
_SPARED = 4  # an id is not cut to spare fewer characters


def short_ids(ids: Iterable[str]) -> Mapping[str, str]:
    """Return each id with its first characters: eight, or as many as tell it from the others."""
    known = sorted(set(ids))
    shortest = dict.fromkeys(known, _FEWEST)
    for one, other in pairwise(known):  # in order, those most alike are neighbours
        least = _alike(one, other) + 1
        shortest[one], shortest[other] = max(shortest[one], least), max(shortest[other], least)
    return {name: name[:size] if len(name) - size >= _SPARED else name for name, size in shortest.items()}


def with_short_ids(sentence: str, short: Mapping[str, str]) -> str:
    """Return a sentence with these ids cut; the commands that it quotes in backticks keep theirs whole."""
    parts = sentence.split("`")
    for name, shown in short.items():
        parts[::2] = [part.replace(name, shown) for part in parts[::2]]
    return "`".join(parts)


def _alike(one: str, other: str) -> int:
    """Return how many first characters two texts have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def next_step(model: ModelReport) -> str | None:
    """Return what to do about a model of a report; None where nothing is to be done."""
    if model.error is not None:
        return model.error.hint
    commands = " or ".join(f"`{command}`" for command in next_commands(model))
    match model.outcome:
        case "awaiting_approval":
            look = f" `{inspect_command(model.name)}` shows what its result holds." if needs_look(model) else ""
            return f"Decide with {commands}.{look}"
        case "held":
            return _after_hold(model)
        case "unknown":
            return f"Run again; if it stays unknown, look in the product and tell: {commands}."
        case "training":
            return "The next `retrain run` goes on with this job."
    return None


def next_commands(model: ModelReport, *, state: str = "") -> tuple[str, ...]:
    """Return the commands a person chooses from about a model of a report; each runs as printed.

    `state` is the option that names the state, where it is not the default one.
    """
    match model.outcome:
        case "awaiting_approval":
            return review_commands(model.name, state=state)
        case "unknown":  # a job that is decided about was uploaded: what is not known is its switch
            return resolve_commands(model.name, "switch" if model.decision else "upload", state=state)
    return ()


def needs_look(model: ModelReport) -> bool:
    """Return whether a rule, or all of them, could not be judged by what was read of the result."""
    return bool(model.unread) or any(rule.cause == "unusable" for rule in _undecided(model))


def _undecided(model: ModelReport) -> list[RuleReport]:
    return [rule for rule in model.rules if rule.level == "decide" and rule.verdict != "passed"]


def _after_hold(model: ModelReport) -> str:
    deciding = _undecided(model)
    if needs_look(model):
        approve, reject = review_commands(model.name)
        return (
            f"`{inspect_command(model.name)}` prints the lines that say under `metrics:` in the manifest where the"
            " metrics are; the next run judges the stored result. If it prints none, look at the result yourself and"
            f" decide with `{approve}` or `{reject}`."
        )
    history = f"`retrain history {shlex.quote(model.name)}`"
    if model.decision and model.decision.drift == "changed_outside":
        accept = person_command("adopt", model.name)
        return f"Accept what serves with `{accept}`; {history} shows what this project switched to before."
    if deciding and all(rule.cause in ("first_run", "no_baseline") for rule in deciding):
        return "State what serves (`retrain adopt --help`); the candidate is then judged again without a training."
    return f"Better data brings a new candidate; {history} shows the earlier ones."


def by_urgency(models: Sequence[ModelReport]) -> list[ModelReport]:
    """Return the models of a report, those that need a person first, else in the report's order."""
    return sorted(models, key=lambda model: urgency(model.outcome))
