"""Which faults are tried: every kind at every operation, at its first, second and every call; alone and in pairs."""

import itertools
import random
from collections.abc import Iterator

from tests.stress.fault_kinds import BY_NAME, KINDS, OPERATIONS, Kind, Operation
from tests.stress.fault_service import EVERY, Fault, Index

Point = tuple[Fault, ...]
# What makes a call come a second time: an answer lost before its effect, or a store that says "expired".
_PROVOKED_BY = {
    "upload_url": "500",
    "put": "expired-url",
    "download": "hang-up-within-the-answer",
    "switch": "hang-up-before-the-status-line",
    "classifiers": "500",
    "api_key": "500",
}
# Wrong content that is a right answer by its form: no runner can tell it from a result of the service.
_CREDIBLE = frozenset({("other-types", "download")})


def singles(indexes: tuple[Index, ...] = (1, 2, EVERY), *, secure: bool | None = None) -> Iterator[Point]:
    """Give every kind at every operation it fits, at these indexes, with its effect done and not done."""
    for index, kind, operation in itertools.product(indexes, KINDS, OPERATIONS):
        if secure in (None, kind.secure):
            for done in _effects(kind, operation):
                yield _with_cause(Fault(kind=kind, operation=operation, index=index, done=done))


def pairs(count: int | None, seed: int = 1) -> Iterator[Point]:
    """Give pairs of faults at two different operations, in an order by the seed; all of them without a count."""
    firsts = [
        Fault(kind=kind, operation=operation, index=1, done=done)
        for kind, operation in itertools.product(KINDS, OPERATIONS)
        if not kind.secure
        for done in _effects(kind, operation)
    ]
    found = [(first, other) for first, other in itertools.combinations(firsts, 2) if first.operation != other.operation]
    random.Random(seed).shuffle(found)  # noqa: S311 -- an order that repeats
    yield from (with_read_back(point) for point in found[:count])


def parse(text: str) -> Point:
    """Return the point that prints as this text: `kind:operation:index:done`, several joined by `+`."""
    return tuple(_parse_one(part) for part in text.split("+"))


def shown(point: Point) -> str:
    """Return the one line that `parse` reads."""
    return "+".join(str(fault) for fault in point)


def with_read_back(point: Point) -> Point:
    """Let the list of classifiers be read, where a fault waits for that."""
    operations = {fault.operation for fault in point}
    lost = _lost_switch() if "classifiers" in operations and "switch" not in operations else ()
    return (*lost, *point)


def _parse_one(text: str) -> Fault:
    name, operation, which, effect = text.split(":")
    found = next(one for one in OPERATIONS if one == operation)
    index: Index = EVERY if which == "every" else 1 if which == "1" else 2
    return Fault(kind=BY_NAME[name], operation=found, index=index, done=effect == "done")


def _effects(kind: Kind, operation: Operation) -> tuple[bool, ...]:
    fits = operation in kind.only and (kind.name, operation) not in _CREDIBLE
    return kind.effects(operation) if fits else ()


def _with_cause(fault: Fault) -> Point:
    if fault.index == 2 and fault.operation in _PROVOKED_BY:
        cause = BY_NAME[_PROVOKED_BY[fault.operation]]
        first = Fault(kind=cause, operation=fault.operation, index=1, done=fault.operation == "classifiers")
        return with_read_back((first, fault))
    return with_read_back((fault,))


def _lost_switch() -> Point:
    kind = BY_NAME["hang-up-before-the-status-line"]
    return (Fault(kind=kind, operation="switch", index=1, done=True),)
