"""What can happen to a model in a run: the one table that orders, names, draws and maps the outcomes.

Who adds an outcome adds its name and its row here, and its name to the schemas.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from runner.errors import ExitCode

Outcome = Literal["switched", "held", "awaiting_approval", "unchanged", "skipped", "training", "failed", "unknown"]
Severity = Literal["success", "warning", "failure"]


class OutcomeTraits(Struct, frozen=True, kw_only=True):
    """All that is told of an outcome in one place.

    `urgency` orders outcomes, the lowest first; `needs_person` says that somebody has to decide or to mend. `verbs`
    continue a sentence about one model, and about several. `sign` is narrow in East Asian fonts too; `ascii` replaces
    it. `colour` is an ANSI name; in pages `tone` is a pair of colours for text, `fill` one for areas (custom properties
    of report.css). `junit` is the element of a test case, None where it passed.
    """

    urgency: int
    needs_person: bool = False
    severity: Severity = "warning"
    verbs: tuple[str, str]
    sign: str
    ascii: str
    colour: Literal["green", "yellow", "bright_black", "cyan", "red", "magenta"]
    tone: Literal["good", "wait", "ask", "calm", "move", "bad", "odd"]
    fill: Literal["switched", "held", "awaiting", "unchanged", "training", "failed", "unknown"]
    exit_code: ExitCode = ExitCode.OK
    junit: Literal["failure", "error", "skipped"] | None = "skipped"


OUTCOMES: Mapping[Outcome, OutcomeTraits] = MappingProxyType(  # in the order of a report's counts
    {
        "switched": OutcomeTraits(
            urgency=6,
            severity="success",
            verbs=("switched", "switched"),
            sign="✓",
            ascii="+",
            colour="green",
            tone="good",
            fill="switched",
            junit=None,
        ),
        "held": OutcomeTraits(
            urgency=2,
            needs_person=True,
            verbs=("was held back", "were held back"),
            sign="▪",
            ascii="#",
            colour="yellow",
            tone="wait",
            fill="held",
            exit_code=ExitCode.HELD,  # in the run that judged it
            junit="failure",
        ),
        "awaiting_approval": OutcomeTraits(
            urgency=3,
            needs_person=True,
            verbs=("waits for approval", "wait for approval"),
            sign="?",
            ascii="?",
            colour="yellow",
            tone="ask",
            fill="awaiting",
        ),
        "unchanged": OutcomeTraits(
            urgency=7,
            severity="success",
            verbs=("is unchanged", "are unchanged"),
            sign="=",
            ascii="=",
            colour="bright_black",
            tone="calm",
            fill="unchanged",
            junit=None,
        ),
        "skipped": OutcomeTraits(
            urgency=5,
            verbs=("was skipped", "were skipped"),
            sign="-",
            ascii="-",
            colour="bright_black",
            tone="calm",
            fill="unchanged",
        ),
        "training": OutcomeTraits(
            urgency=4,
            verbs=("is still in training", "are still in training"),
            sign="~",
            ascii="~",
            colour="cyan",
            tone="move",
            fill="training",
            exit_code=ExitCode.UNFINISHED,
        ),
        "failed": OutcomeTraits(
            urgency=1,
            needs_person=True,
            severity="failure",
            verbs=("failed", "failed"),
            sign="✗",
            ascii="x",
            colour="red",
            tone="bad",
            fill="failed",
            exit_code=ExitCode.FAILED,
            junit="failure",
        ),
        "unknown": OutcomeTraits(
            urgency=0,
            needs_person=True,
            severity="failure",
            verbs=("has an unknown result", "have an unknown result"),
            sign="!",
            ascii="!",
            colour="magenta",
            tone="odd",
            fill="unknown",
            exit_code=ExitCode.UNKNOWN,
            junit="error",
        ),
    }
)
BY_URGENCY: tuple[Outcome, ...] = tuple(sorted(OUTCOMES, key=lambda outcome: OUTCOMES[outcome].urgency))
NEEDS_PERSON: tuple[Outcome, ...] = tuple(outcome for outcome in BY_URGENCY if OUTCOMES[outcome].needs_person)
FAILURES: tuple[Outcome, ...] = tuple(outcome for outcome in BY_URGENCY if OUTCOMES[outcome].severity == "failure")


def urgency(outcome: Outcome) -> int:
    """Return an outcome's place among all: the lower, the sooner somebody has to act."""
    return OUTCOMES[outcome].urgency
