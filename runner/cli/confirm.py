"""Before production changes: the evidence is shown, and a person is asked."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from runner.app.review.candidates import Proposal
from runner.cli.console import Console
from runner.errors import UsageError
from runner.plan.model_plan import state_option
from runner.reports.evidence_text import evidence_table
from runner.reports.next_step import short_ids

_SHOWN_AS = {"approve": "candidate", "reject": "candidate", "rollback": "back to"}


class Consent(Struct, frozen=True, kw_only=True):
    """How a person agrees: `yes` was given, or they are asked; `command` agrees without a terminal.

    An answer is not `needed` if production does not change: without a terminal the command continues. `stake` is
    what would happen without one.
    """

    yes: bool
    command: str = ""
    needed: bool = True
    stake: str = "production would change"


def confirm_proposal(console: Console, proposal: Proposal, consent: Consent, *, later: bool = False) -> bool:
    """Show what a person decides by, ask them, and return whether to continue.

    `later` tells that the switch is left to the next run.

    Raises:
        UsageError: an answer is needed, and there is nobody to ask.
    """
    show_proposal(console, proposal, asks=not consent.yes)
    return confirm(console, _question(proposal, later=later), consent)


def show_proposal(console: Console, proposal: Proposal, *, asks: bool) -> None:
    """Print the evidence of a proposal as `show` does."""
    show(console, list(_lines(console, proposal)), asks=asks)


def show(console: Console, lines: Sequence[str], *, asks: bool) -> None:
    """Print what a person decides by to stderr; with `-q` only where they are asked."""
    for line in lines:
        (console.detail if asks else console.notice)(line)


def confirm(console: Console, question: str, consent: Consent) -> bool:
    """Ask a question that is answered by y or n, and return whether to continue.

    Raises:
        UsageError: an answer is needed, and stdin or stderr is not a terminal.
    """
    if consent.yes:
        return True
    if not console.can_ask:
        if not consent.needed:
            return True
        raise UsageError(
            f"Nothing was done: {consent.stake}, and there is no terminal to ask on.",
            hint=f"Look at what is shown above, then run `{consent.command}`.",
        )
    agreed = console.ask(f"{question} [y/N] ").strip().casefold() in ("y", "yes")
    if not agreed:
        console.detail("Nothing was done.")
    return agreed


def agreeing_command(arguments: Sequence[str], *, manifest: Sequence[Path], state: str) -> str:
    """Return the command that does the same without a question."""
    named = [argument for path in manifest for argument in ("--manifest", str(path))]
    return f"{shlex.join(['retrain', *arguments, *named, '--yes'])}{state_option(state)}"


def _lines(console: Console, proposal: Proposal) -> Iterator[str]:
    evidence = proposal.evidence
    job, before = _short_ids(proposal)
    serves = "" if before is None else f", last switched to job {before}"
    if proposal.again:
        serves = f", recorded in service{f'; job {before} served before it' if before else ''}"
    yield f"{proposal.model}: {_SHOWN_AS[proposal.action]} job {job}{serves}"
    width = console.error_terminal.columns
    yield from evidence_table(evidence, width=width, candidate=_SHOWN_AS[proposal.action]).splitlines()
    if proposal.action == "approve" and evidence.incumbent_job_id is None:
        yield "A rollback cannot bring back what serves now: no job of this project is recorded as in service."


def _short_ids(proposal: Proposal) -> tuple[str, str | None]:
    """Return the ids of the job and of the one before it, as short as tells them apart."""
    job, before = proposal.evidence.retrain_job_id, proposal.evidence.incumbent_job_id
    short = short_ids(name for name in (job, before) if name is not None)
    return short[job], None if before is None else short[before]


def _question(proposal: Proposal, *, later: bool) -> str:
    job, _ = _short_ids(proposal)
    model = f"model {proposal.model} of the emulator" if proposal.emulator else f"production model {proposal.model}"
    match proposal.action:
        case "reject":
            return f"Reject job {job} of {proposal.model}?"
        case "rollback":
            return f"Switch {model} to job {job} once more?" if proposal.again else f"Switch {model} back to job {job}?"
        case "approve":
            return f"Let the next run switch {model} to job {job}?" if later else f"Switch {model} to job {job}?"
