"""Column names compared: is it the same table?"""

from collections import Counter
from collections.abc import Sequence

from runner.datasets.naming import some


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
    return " and ".join(told) or "has the same columns in another order"


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
