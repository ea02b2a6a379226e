"""Text that is too long for its place on a screen: it is cut, and the cut shows."""

from rich.cells import cell_len
from rich.text import Text

from runner.reports.table import CUT


def cut(line: Text, columns: int) -> None:
    """Cut the end of a line that is too long."""
    if cell_len(line.plain) > columns:
        line.truncate(max(columns - len(CUT), 1), overflow="crop")
        line.append(CUT)
