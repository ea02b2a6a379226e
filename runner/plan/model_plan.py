"""What a run will do to one model: action, stages, reason, and the commands with which an operator decides."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from msgspec import Struct

from runner.datasets.metadata import DatasetDigest, UnreadDataset
from runner.errors import ModelError
from runner.journal.forms import DEFAULT
from runner.journal.outcomes import Outcome
from runner.manifest.model import Approval
from runner.plan.evidence import Evidence
from runner.plan.incumbent import IncumbentDeclaration

Verb = Literal["adopt", "approve", "reject", "resolve", "rollback"]
Doubt = Literal["upload", "switch"]
_REASON = '--reason "..."'  # to be written by the person: as it is, the command ends before it does anything
_ANSWERS = {"upload": ("started", "not-started"), "switch": ("switched", "not-switched")}


def state_option(state: str) -> str:
    """Return what a printed command needs to find the state: nothing for the default one."""
    return "" if state == DEFAULT else f" --state {shlex.quote(state)}"


_OF_A_MANIFEST = frozenset({"doctor", "plan", "run", "validate"})
_OF_NO_STATE = frozenset({"emulator", "help", "init", "schema"})
_NAMING_STATES = ("state init ", "state migrate ", "state pull ", "state push ")
_COMMAND = re.compile(r"`retrain ([a-z]+)(?![^`]* --(?:help|state)\b)([^`]*)`")


def with_whole_commands(text: str, *, run: str | None, state: str, model: str | None = None) -> str:
    """Return a sentence whose commands run as printed: with the manifest that `run` has, and the option `state`.

    Where no manifest is known, a command that needs one becomes that of its help. One that trains whatever was trained
    before is about this model alone; where none is known either, as it would train all of them.
    """
    select = f" --select {shlex.quote(model)}" if model else ""

    def whole(found: re.Match[str]) -> str:
        verb, arguments = found[1], found[2]
        if verb in _OF_NO_STATE or f"{verb}{arguments}".startswith(_NAMING_STATES):
            return found[0]
        if verb not in _OF_A_MANIFEST:
            return f"`retrain {verb}{arguments}{state}`"
        if run is None or (arguments == " --force" and not model):
            return f"`retrain {verb} --help`"
        manifest = run.removeprefix("retrain run")
        named = manifest.removesuffix(state)
        if named and f"{arguments} ".startswith(f"{named} "):  # it is complete but for the state
            return f"`retrain {verb}{arguments}{state}`"
        if verb == "validate":
            manifest = manifest.replace(" --emulator", "")
        return f"`retrain {verb}{manifest}{arguments}{select if arguments == ' --force' else ''}`"

    return _COMMAND.sub(whole, text)


def run_command(paths: Iterable[str], *, emulator: bool, state: str) -> str:
    """Return the command of a run with this manifest and service, as a shell takes it."""
    return f"{shlex.join(['retrain', 'run', *paths, *(['--emulator'] if emulator else [])])}{state}"


def person_command(verb: Verb, model: str, *options: str, state: str = "") -> str:
    """Return a command about a model; `state` is `state_option` of the state's name."""
    arguments = shlex.join(["retrain", verb, model, *options])
    return f"{arguments} {_REASON}{state}"


def review_commands(model: str, *, state: str = "") -> tuple[str, str]:
    """Return the commands that approve and reject the newest candidate."""
    return person_command("approve", model, state=state), person_command("reject", model, state=state)


def inspect_command(subject: str, *, state: str = "") -> str:
    """Return the command that shows what the result of a model, or a result file, holds."""
    return f"{shlex.join(['retrain', 'inspect', subject])}{state}"


def abandon_command(model: str, *, state: str = "") -> str:
    """Return the command with which an operator waits for a training no longer."""
    return person_command("resolve", model, "--as", "abandoned", state=state)


def resolve_commands(model: str, doubt: Doubt, *, state: str = "") -> tuple[str, str]:
    """Return the commands that record an unknown result: that it took effect, and that it did not."""
    done, undone = (person_command("resolve", model, "--as", answer, state=state) for answer in _ANSWERS[doubt])
    return done, undone


class PlanStage(StrEnum):
    """The stages, in the order they are walked. `retrain.execute` has one function for each; `plan` prints them."""

    ADOPT = "adopt"
    SETTLE_UPLOAD = "settle upload"
    CHECK = "check"
    UPLOAD = "upload"
    WAIT = "wait"
    EVALUATE = "evaluate"
    DECIDE = "decide"
    SETTLE_SWITCH = "settle switch"
    REVIEW = "review"
    SWITCH = "switch"


class Action(StrEnum):
    """What happens to a model, in one word."""

    RETRAIN = "retrain"
    RESUME = "resume"
    JUDGE = "judge again"
    SWITCH = "switch"
    REJECT = "reject"
    ROLLBACK = "roll back"
    MOVE = "move"
    ADOPT = "adopt"
    NONE = "nothing"


STAGES: Mapping[Action, tuple[PlanStage, ...]] = {
    Action.RETRAIN: (PlanStage.CHECK, PlanStage.UPLOAD, PlanStage.WAIT, PlanStage.EVALUATE, PlanStage.SWITCH),
    Action.JUDGE: (PlanStage.DECIDE, PlanStage.SWITCH),
    Action.SWITCH: (PlanStage.SWITCH,),
    Action.REJECT: (PlanStage.REVIEW,),
    Action.ROLLBACK: (PlanStage.SWITCH,),
    Action.MOVE: (),
    Action.ADOPT: (PlanStage.ADOPT,),
    Action.NONE: (),
}


class Choice(Struct, frozen=True, kw_only=True):
    """The arguments that `retrain plan` and `retrain run` share, as they go from the command line to the last stage.

    `emulator` is the flag, `state` names the state in commands that are shown. `trusted_hosts` are the hosts in lower
    case that the operator trusts with API keys. With `rehash`, data is read also where the journal knows its content.
    """

    paths: Sequence[Path] = ()
    select: Sequence[str] = ()
    force: bool = False
    no_switch: bool = False
    emulator: bool = False
    allow_service_change: bool = False
    rehash: bool = False
    trusted_hosts: frozenset[str] = frozenset()
    state: str = DEFAULT

    @property
    def state_option(self) -> str:
        """Return what a printed command needs to find the state."""
        return state_option(self.state)

    @property
    def command(self) -> str:
        """Return the command of a run with this manifest, service and state, as a shell takes it."""
        return run_command(map(str, self.paths), emulator=self.emulator, state=self.state_option)

    def whole(self, text: str, model: str) -> str:
        """Return a sentence about a model whose commands have this manifest, service and state."""
        return with_whole_commands(text, run=self.command, state=self.state_option, model=model)

    def of_command(self, verb: str) -> str:
        """Return another command with this manifest, service and state."""
        return f"retrain {verb}{self.command.removeprefix('retrain run')}"

    def of_model(self, model: str) -> str:
        """Return the command of a run of one model alone."""
        return f"{self.command} --select {shlex.quote(model)}"

    def train_anew(self, model: str) -> str:
        """Return the command that trains a model whatever was trained before."""
        return f"{self.command} --force --select {shlex.quote(model)}"


class ModelPlan(Struct, frozen=True, kw_only=True):
    """The plan for one model. Without stages, `outcome` (and `error`, when it failed) is what the run will report.

    `still_held` is true where that is `held` and an earlier run has reported it. `approval` is the one from a file
    that the stage `review` records, `statement` what the stage `adopt` does; `evidence` is there for a candidate that
    waits for a person or was held. `warnings` are those of the data check.
    """

    model: str
    action: Action
    stages: tuple[PlanStage, ...]
    reason: str
    outcome: Outcome | None = None
    still_held: bool = False
    error: ModelError | None = None
    retrain_job_id: str | None = None
    dataset_sha256: str | None = None
    approval: Approval | None = None
    statement: IncumbentDeclaration | None = None
    evidence: Evidence | None = None
    warnings: tuple[str, ...] = ()


class PlanInputs(Struct, frozen=True, kw_only=True):
    """What a plan needs to know of the world: the moment, and the data's digest or why it cannot be had.

    Data that is certainly new, and is read only when it is sent, has no digest yet.

    `same_rows` are digests of datasets that count as the same data, and what differs.
    """

    now: datetime
    dataset: DatasetDigest | UnreadDataset | ModelError
    same_rows: Mapping[str, str] = {}
