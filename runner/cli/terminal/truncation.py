"""Text that is too long for its place on a screen: it is cut, and the cut shows."""

from itertools import accumulate, takewhile

from rich.cells import cell_len
from rich.text import Text

MARK = ".."  # in ASCII, since the common sign for it is wide in some fonts


def cut(line: Text, columns: int) -> None:
    """Cut the end of a line that is too long."""
    if cell_len(line.plain) > columns:
        line.truncate(max(columns - len(MARK), 1), overflow="crop")
        line.append(MARK)


def cut_middle(name: str, columns: int) -> str:
    """Return a name without its middle where it is too long: the names of a fleet often differ at their ends only."""
    if cell_len(name) <= columns:
        return name
    room = max(columns - len(MARK), 1)
    head = _begin(name, room - room // 2)
    tail = _begin(name[::-1], room - cell_len(head))[::-1]
    return f"{head}{MARK}{tail}"


def _begin(text: str, columns: int) -> str:
    """Return as many of the first characters as the columns take."""
    widths = accumulate(map(cell_len, text))
    return text[: sum(1 for _ in takewhile(lambda width: width <= columns, widths))]
