"""What a person is asked before production changes, and that it is still so when they have answered."""

from typing import Literal

from msgspec import Struct

from runner.errors import StateError
from runner.plan.evidence import Evidence


class Proposal(Struct, frozen=True, kw_only=True):
    """A decision that waits for a person's yes: what is done to which job of which model, and on what evidence.

    `emulator` tells that the model is the emulator's, and no production model; `again` that the job is the one that is
    recorded in service, so that the evidence's incumbent is the one before it.
    """

    action: Literal["approve", "reject", "rollback"]
    model: str
    emulator: bool
    evidence: Evidence
    again: bool = False


def refuse_changed(model: str, agreed: Evidence | None, now: Evidence) -> None:
    """Raise a StateError when the person who agreed was shown other evidence than there is now."""
    if agreed is not None and agreed != now:
        raise StateError(
            f"The candidate of {model}, the job that serves, or their metrics changed after they were shown.",
            hint="Nothing was done. Run the command again to see what they are now.",
        )
