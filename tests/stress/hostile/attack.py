"""What an attack is: a sentence of docs/explanation/trust.md, and a scene that tries to make it untrue."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack; each seed plays another variation of it.

    `play` gets an empty folder of its own and yields what went wrong, one sentence each; nothing when the defence held.
    It must fail, by an exception, when the scene itself did not come about: an attack that never reached its target
    proves nothing. `sentence` is the id of the claim in docs/explanation/trust.md.
    """

    name: str
    sentence: str
    play: Callable[[Path, Random], Iterator[str]]
