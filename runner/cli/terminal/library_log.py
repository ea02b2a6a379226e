"""The log records of libraries, for `-v`; without it `logging` is not even imported."""

import logging
from collections.abc import Callable


class _ToConsole(logging.Handler):
    """Hands the records of libraries to the console, which knows where lines may go."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        self._tell(f"{record.levelname}:{record.name}:{record.getMessage()}")


def show_library_log(tell: Callable[[str], None], *, everything: bool) -> None:
    """Have `tell` called with each record of level INFO and above, or with every one."""
    logging.basicConfig(handlers=[_ToConsole(tell)], level=logging.DEBUG if everything else logging.INFO)
