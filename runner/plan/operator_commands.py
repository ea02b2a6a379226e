"""The commands with which a person decides about a model, as they are printed: each runs with the reason filled in.

Pure.
"""

import shlex
from typing import Literal

from runner.journal.folder import DEFAULT

Verb = Literal["adopt", "approve", "reject", "resolve", "rollback"]
Doubt = Literal["upload", "switch"]
_REASON = '--reason "..."'  # to be written by the person: as it is, the command ends before it does anything
_ANSWERS = {"upload": ("started", "not-started"), "switch": ("switched", "not-switched")}


def state_option(state: str) -> str:
    """Return what a printed command needs to find the state: nothing for the default one."""
    return "" if state == DEFAULT else f" --state {shlex.quote(state)}"


def person_command(verb: Verb, model: str, *options: str, state: str = "") -> str:
    """Return a command about a model; `state` is `state_option` of the state's name."""
    words = shlex.join(["retrain", verb, model, *options])
    return f"{words} {_REASON}{state}"


def review_commands(model: str, *, state: str = "") -> tuple[str, str]:
    """Return the commands that approve and reject the newest candidate."""
    return person_command("approve", model, state=state), person_command("reject", model, state=state)


def inspect_command(subject: str, *, state: str = "") -> str:
    """Return the command that shows what the result of a model, or a result file, holds."""
    return f"{shlex.join(['retrain', 'inspect', subject])}{state}"


def resolve_commands(model: str, doubt: Doubt, *, state: str = "") -> tuple[str, str]:
    """Return the commands that record an unknown result: that it took effect, and that it did not."""
    done, undone = (person_command("resolve", model, "--as", answer, state=state) for answer in _ANSWERS[doubt])
    return done, undone
