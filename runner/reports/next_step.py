"""What an operator does next about a model: one table over outcome and cause; and job ids in short.

Every place that says it reads `ModelReport.next`, which is made here: terminal, report.json, Markdown, page, site and
notifications. A command in it runs as printed, once the dots of its reason are replaced.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from runner.errors import Kind
from runner.journal.events import RunStarted
from runner.journal.forms import DEFAULT
from runner.journal.outcomes import Outcome, urgency
from runner.plan.model_plan import (
    inspect_command,
    person_command,
    resolve_commands,
    review_commands,
    run_command,
    state_option,
    with_whole_commands,
)
from runner.reports.model import ModelReport, NextCause, NextStep, RuleReport
from runner.reports.text import inline

_FEWEST = 8
_SPARED = 4  # an id is not cut to spare fewer characters
_COMMAND = re.compile(r"`retrain ([a-z]+) [^`]+`")
_QUOTED = re.compile(r"`(retrain run|retrain [a-z]+ [^`]+)`")  # without arguments most are only named


class CommandContext(Struct, frozen=True, kw_only=True):
    """What the commands about a run's models need: the run's own command, and the option that names the state."""

    run: str = "retrain run"
    state: str = ""

    @classmethod
    def of_run(cls, started: RunStarted, state: str | None = None) -> "CommandContext":
        """Return the context of a recorded run: its manifest and service, and its state or the one that is given."""
        place = state or started.options.state
        state = state_option(place) if place else ""
        return cls(run=run_command(started.paths, emulator=started.is_emulator, state=state), state=state)

    def whole(self, text: str, model: str) -> str:
        """Return a sentence about a model whose commands have the run's manifest and state."""
        return with_whole_commands(text, run=self.run, state=self.state, model=model)

    def verify(self, *arguments: str) -> str:
        """Return the command that checks a run of this state, or all of it."""
        return f"{shlex.join(['retrain', 'verify', *arguments])}{self.state}"


def audit_commands(started: RunStarted, run_id: str) -> tuple[str, str]:
    """Return the commands that check a run, and the state against the run's report."""
    context, state = CommandContext.of_run(started), started.options.state or DEFAULT
    journal = started.options.partition or state  # each partition has a head of its own
    beside = CommandContext.of_run(started, journal) if journal != state else context
    return context.verify(run_id), beside.verify("--head", f"{journal}/runs/{run_id}/report.json")


class _Advice(NamedTuple):
    """A row: what to do, the commands to choose from, and those that show more. Both name entries of `_commands`."""

    text: str
    commands: tuple[str, ...] = ()
    look: tuple[str, ...] = ()


_MEND = _Advice("{hint}", ("doctor", "run"))
TABLE: Mapping[tuple[Outcome, NextCause], _Advice] = MappingProxyType(
    {
        ("unknown", "switch"): _Advice(
            "Look in the product which model is published, and record it with {done} or {undone}.", ("done", "undone")
        ),
        ("unknown", "upload"): _Advice(
            "Run {run} again: it asks the service, and sends nothing before it knows. If it never learns, look in the"
            " product whether the job was trained, and record it with {done} or {undone}.",
            ("run", "done", "undone"),
        ),
        ("unknown", "cut_upload"): _Advice(
            "Run {run} again: it asks the service, and sends nothing before it knows. If the job was trained, nobody"
            " knows on what: remove its model in the product, then record it with {undone}.",
            ("run", "undone"),
        ),
        ("unknown", "interrupted"): _Advice(
            "Run {run} again: it asks the service. If that cannot tell, look in the product and record what you see"
            " with {done} or {undone}.",
            ("run", "done", "undone"),
        ),
        ("failed", "credentials"): _MEND,
        ("failed", "data"): _MEND,
        ("failed", "config"): _MEND,
        ("failed", "network"): _MEND,
        ("failed", "service"): _MEND,
        ("failed", "training"): _Advice("{hint}", ("run",)),
        ("failed", "result"): _Advice("{hint}", ("run",), ("inspect",)),
        ("failed", "interrupted"): _Advice("Run {run} again.", ("run",)),
        ("held", "unreadable"): _Advice(
            "{inspect} prints the lines that say under `metrics:` in the manifest where the metrics are; the next run"
            " judges the stored result. If it prints none, look at the result yourself and decide with {approve} or"
            " {reject}.",
            ("inspect", "approve", "reject"),
            ("history",),
        ),
        ("held", "changed_outside"): _Advice(
            "Accept what serves with {adopt}; {history} shows what this project switched to before.",
            ("adopt",),
            ("history",),
        ),
        ("held", "incumbent_not_known"): _Advice(
            "State what serves (`retrain adopt --help`), and the candidate is judged again without a training; or look"
            " at its metrics and decide with {approve} or {reject}.",
            ("approve", "reject"),
            ("history",),
        ),
        ("held", "other_evaluation"): _Advice(
            "The two models were scored on different evaluation data. Let the rule say `any_eval: true`, and the"
            " candidate is judged again without a training; or decide with {approve} or {reject}.",
            ("approve", "reject"),
            ("history",),
        ),
        ("held", "rules"): _Advice(
            "Improve the data to get a new candidate, or change the limit to have this one judged again. {history}"
            " shows the numbers. {approve} switches to it anyway; {reject} rejects it.",
            ("reject", "approve"),
            ("history",),
        ),
        ("held", "blocked"): _Advice(
            "New data brings a new candidate; {force_approve} switches to this one anyway.",
            ("force_approve",),
            ("history",),
        ),
        ("held", "expired"): _Advice(
            "New data or {train} brings a new candidate.",
            ("train",),
            ("history",),
        ),
        ("awaiting_approval", "unreadable"): _Advice(
            "Decide with {approve} or {reject}. {inspect} shows what its result holds.",
            ("approve", "reject"),
            ("inspect",),
        ),
        ("awaiting_approval", "review"): _Advice("Decide with {approve} or {reject}.", ("approve", "reject")),
        ("training", "unfinished"): _Advice("Run {run} again: it continues with this job.", ("run",)),
    }
)


def next_step(
    model: ModelReport, context: CommandContext, *, stopped: bool = False, blocked: bool = False
) -> NextStep | None:
    """Return what to do about a model of a report; None where nothing is to be done.

    `stopped` says that the run ended before its time; `blocked` that only a forced approval lets its candidate serve.
    """
    cause = _cause(model, stopped=stopped, blocked=blocked)
    if cause is None:
        return None
    advice, commands = TABLE[model.outcome, cause], _commands(model, context)
    quoted = {name: f"`{command}`" for name, command in commands.items()}
    hint = model.error.hint if model.error else ""
    named = [context.whole(f"`{command}`", model.name).strip("`") for command in _QUOTED.findall(hint)]
    hint = context.whole(hint, model.name)
    chosen = [*named, *(commands[name] for name in advice.commands)]
    return NextStep(
        cause=cause,
        text=advice.text.format_map({**quoted, "hint": hint}),
        commands=tuple(dict.fromkeys(chosen)),
        look=tuple(commands[name] for name in advice.look if cause != "result" or model.result),
    )


def _commands(model: ModelReport, context: CommandContext) -> Mapping[str, str]:
    """Return the commands that the table names."""
    name, state = model.name, context.state
    approve, reject = review_commands(name, state=state)
    # A job that is decided about was uploaded: what is not known is its switch.
    done, undone = resolve_commands(name, "switch" if model.decision else "upload", state=state)
    of_job = ["--job", model.retrain_job_id] if model.retrain_job_id else []
    select = f" --select {shlex.quote(name)}"
    return {
        "run": context.run,
        "train": f"{context.run} --force{select}",
        "doctor": f"retrain doctor{context.run.removeprefix('retrain run')}{select}",
        "approve": approve,
        "reject": reject,
        "force_approve": person_command("approve", name, *of_job, "--force", state=state),
        "adopt": person_command("adopt", name, state=state),
        "done": done,
        "undone": undone,
        "inspect": inspect_command(name, state=state),
        "history": f"{shlex.join(['retrain', 'history', name, *of_job])}{state}",
    }


def _cause(model: ModelReport, *, stopped: bool, blocked: bool) -> NextCause | None:
    cause: NextCause | None = None
    match model.outcome:
        case "unknown" if model.retrain_job_id is not None and model.dataset is None:
            cause = "cut_upload"
        case "unknown" if stopped:
            cause = "interrupted"
        case "unknown":
            cause = "switch" if model.decision else "upload"
        case "failed":
            cause = _OF_KIND[Kind(model.error.kind)] if model.error else "interrupted"
        case "held":
            cause = "blocked" if blocked else _cause_of_hold(model)
        case "awaiting_approval":
            cause = "unreadable" if _needs_look(model) else "review"
        case "training":
            cause = "unfinished"
    return cause


_OF_KIND: Mapping[Kind, NextCause] = {
    Kind.CREDENTIALS: "credentials",
    Kind.DATA: "data",
    Kind.SERVICE: "service",
    Kind.TRAINING: "training",
    Kind.RESULT: "result",
    Kind.NETWORK: "network",
    Kind.CONFIG: "config",
}


def _cause_of_hold(model: ModelReport) -> NextCause:
    deciding = _undecided(model)
    causes = {rule.cause for rule in deciding}
    if _needs_look(model):
        return "unreadable"
    if model.decision and model.decision.drift == "changed_outside":
        return "changed_outside"
    if model.decision and model.decision.action == "await_approval":
        return "expired"
    if causes and causes <= {"first_run", "no_baseline"}:
        return "incumbent_not_known"
    return "other_evaluation" if causes == {"other_evaluation"} else "rules"


def _needs_look(model: ModelReport) -> bool:
    """Return whether a rule, or all of them, could not be judged by what was read of the result."""
    return bool(model.unread) or any(rule.cause in ("unusable", "unread") for rule in _undecided(model))


def _undecided(model: ModelReport) -> list[RuleReport]:
    return [rule for rule in model.rules if rule.level == "decide" and rule.verdict != "passed"]


def why(model: ModelReport) -> str:
    """Return why a model ended so, without the sentences on what to do: `next` says that, with whole commands."""
    if model.error is not None:
        return model.error.message
    if model.next is None:
        return model.reason
    sentences = model.reason.removesuffix(model.next.text).rstrip().split(". ")
    kept = [sentence.removesuffix(".") for sentence in sentences if "`retrain " not in sentence]
    return f"{'. '.join(kept)}." if any(kept) else named_only(model.reason)


def named_only(text: str) -> str:
    """Return a text in which the commands are only named, for where they are printed whole below it."""
    return _COMMAND.sub(r"`\1`", text)


def in_brief(step: NextStep | None) -> str:
    """Return what to do in a few words, to begin a line with that is cut at its end: `approve or reject: `."""
    verbs = dict.fromkeys(command.split()[1] for command in step.commands) if step else {}
    return f"{' or '.join(verbs)}: " if verbs else ""


def next_lines(commands: Iterable[str], lead: str = "next") -> Iterator[str]:
    """Yield the commands that a person may choose from, a line each."""
    yield from (f"{'  or' if place else lead}: {inline(command)}" for place, command in enumerate(commands))


def by_urgency(models: Sequence[ModelReport]) -> list[ModelReport]:
    """Return the models of a report, those that need a person first, else in the report's order."""
    return sorted(models, key=lambda model: urgency(model.outcome))


def short_ids(ids: Iterable[str], *, fewest: int = _FEWEST) -> Mapping[str, str]:
    """Return each id with its first characters: eight, or as many as tell it from the others."""
    known = sorted(set(ids))
    shortest = dict.fromkeys(known, fewest)
    for one, other in pairwise(known):  # in order, those most alike are neighbours
        least = _alike(one, other) + 1
        shortest[one], shortest[other] = max(shortest[one], least), max(shortest[other], least)
    return {name: name[:size] if len(name) - size >= _SPARED else name for name, size in shortest.items()}


def short_id(name: str) -> str:
    """Return an id with its first characters, where no other one is near."""
    return short_ids([name])[name]


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
