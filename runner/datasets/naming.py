"""How messages name the columns and values of data; those of a file outside of the checkout are not shown."""

from collections.abc import Collection

_FEW = 5  # labels and columns named in one message
_WHY = "not shown: the data is outside of the manifest's checkout or folder"


def one_name(name: str, *, hidden: bool) -> str:
    """Return a name in quotes, or why it is not shown."""
    return f"({_WHY})" if hidden else repr(name)


def some(names: Collection[str], *, hidden: bool) -> str:
    """Return the first few names, sorted, and how many more there are; of hidden ones only how many."""
    if hidden:
        return f"({len(names)} {_WHY})"
    shown = ", ".join(repr(name) for name in sorted(names)[:_FEW])
    return f"{shown} and {len(names) - _FEW} more" if len(names) > _FEW else shown
