"""What very many events say in the same words, kept once: the policies that decisions were made by."""

from contextlib import suppress
from typing import Any

import msgspec

from runner.journal.events import CandidateEvaluated, Event


class SharedParts:
    """Parts of the events of one reading. Equal ones, by their very text, become one object that nobody changes."""

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}

    def shared(self, event: Event) -> Event:
        """Return the event; what it has in common with earlier ones takes no room of its own."""
        fact = event.fact
        if isinstance(fact, CandidateEvaluated) and isinstance(fact.inputs, dict) and "policy" in fact.inputs:
            policy = fact.inputs["policy"]
            with suppress(RecursionError):  # one that is nested so deeply was made up; it is judged elsewhere
                fact.inputs["policy"] = self._known.setdefault(msgspec.json.encode(policy), policy)
        return event
