"""Names of columns and labels in messages: which differ, which occur twice, and how they are shown."""

from collections import Counter
from collections.abc import Collection, Sequence

from runner.lib.text import likeness, spelling_difference

_FEW_NAMES = 5  # labels and columns named in one message
_WHY = "not shown: the data is outside of the manifest's checkout or folder"


def one_name(name: str, *, hidden: bool) -> str:
    """Return a name in quotes, or why it is not shown."""
    return f"({_WHY})" if hidden else repr(name)


def some(names: Collection[str], *, hidden: bool) -> str:
    """Return the first few names, sorted, and how many more there are; of hidden ones only how many."""
    if hidden:
        return f"({len(names)} {_WHY})"
    shown = ", ".join(repr(name) for name in sorted(names)[:_FEW_NAMES])
    return f"{shown} and {len(names) - _FEW_NAMES} more" if len(names) > _FEW_NAMES else shown


def column_difference(found: Sequence[str], expected: Sequence[str], *, hidden: bool) -> str | None:
    """Return in words how the columns differ from the expected ones, or None when they are equal in name and order.

    Hidden names are counted.
    """
    if list(found) == list(expected):
        return None
    missing = Counter(expected) - Counter(found)
    added = Counter(found) - Counter(expected)
    told = [f"lacks the {quoted(missing, hidden=hidden)}"] if missing else []
    told += [f"adds the {quoted(added, hidden=hidden)}"] if added else []
    return " and ".join(told) + _lookalike(added, missing, hidden=hidden) or "has the same columns in another order"


def _lookalike(added: Collection[str], missing: Collection[str], *, hidden: bool) -> str:
    """Return how the first added name differs from a missing one that it looks like, as the end of a sentence."""
    expected = {likeness(name): name for name in missing}
    for name in added:
        near = expected.get(likeness(name))
        if near is not None and not hidden and (difference := spelling_difference(name, near)):
            return f" ({name!r} differs from {near!r} {difference})"
    return ""


def quoted(names: Counter[str], *, hidden: bool) -> str:
    """Return `column 'a'` or `columns 'a', 'b', 'c' and 4 more`."""
    every = list(names.elements())
    if hidden:
        return f"column{'s' if len(every) > 1 else ''} {some(every, hidden=True)}"
    shown = ", ".join(repr(name) for name in every[:3])
    more = f" and {len(every) - 3} more" if len(every) > 3 else ""
    return f"column{'s' if len(every) > 1 else ''} {shown}{more}"


def repeated(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the names that occur more than once, each with its column numbers from 1."""
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names, start=1):
        places.setdefault(name, []).append(number)
    return {name: numbers for name, numbers in places.items() if len(numbers) > 1}
