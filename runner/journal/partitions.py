"""A state in partitions: states beside each other, each with its own journal and lease, which together are one state.

A partition is a whole state at an address below that of all, so whatever holds for a state holds for it. How many
there are is written once, when the state begins: where a model's history is must never depend on who asks.
"""

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from runner.errors import StateError

MOST = 1000
FOLDER = "partitions"
LARGEST_FORMAT = 4096  # bytes
_WITNESSED = 8  # partitions whose ends a run notes in another


class Format(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `format.json` says: the form of what is beside it, which state it is, and its number of partitions.

    Of a state with partitions, the lineage is `lineage_of` theirs. One that is a partition has a `number`, counted from
    0: it is not an independent state, at whatever address it is found.
    """

    format: int
    lineage: str
    partitions: int
    number: int | None = None


def read_format(content: bytes, known: int, where: str) -> Format:
    """Return what the bytes of a `format.json` say.

    Raises:
        StateError: they are not one, or one of another version.
    """
    try:
        found = msgspec.json.decode(content, type=Format)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise StateError(
            f"{where} is not what retrain wrote there.",
            hint="Check the address; another program's files are not taken for a state.",
        ) from None
    if found.format != known or not 1 <= found.partitions <= MOST:
        raise StateError(
            f"{where} has a form that this version of retrain does not read.",
            hint="Use the version of retrain that made it.",
        )
    return found


def lineage_of(parts: Sequence[str]) -> str:
    """Return the lineage of a state with these partitions, by theirs in order: it shows if one is another or gone."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def part_name(number: int) -> str:
    """Return the name of a partition's folder."""
    return f"{number:04d}"


def home_by_name(model: str, partitions: int) -> int:
    """Return the number of the partition where the history of a model begins, whatever its service is."""
    digest = hashlib.sha256(model.encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest, "big") % partitions


def witnessed(number: int, partitions: int) -> list[int]:
    """Return the partitions whose numbers of events a run notes in this one: those that follow it, but for itself."""
    return [(number + step) % partitions for step in range(1, min(partitions, _WITNESSED + 1))]


def divided(address: str, partitions: int, example: str) -> StateError:
    """Return the error for a journal that is looked for where several partitions have one each."""
    return StateError(
        f"The state {address} has {partitions} partitions, and each has a journal of its own.",
        hint=f"Name it, for example with --state {example}; `retrain state show` lists them.",
    )
