"""The live table: a thread of its own draws it, so that a slow or stopped terminal holds up nothing.

Whatever goes wrong while drawing ends the table, never the run; the lines that a log would have continue from there.
"""

import errno
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import Group
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from runner.cli.terminal.capabilities import TerminalCapabilities
from runner.cli.terminal.live_frame import draw
from runner.cli.terminal.live_state import LiveState
from runner.execute.progress_events import ProgressEvent

EVERY_S = 0.125  # 8 pictures a second
_LINE_UP = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
_REST = 20  # times as long as a picture took: ten thousand models must not take a core
_LAST_S = 2.0  # the last picture may take so long; a terminal that was stopped by Ctrl-S takes none


class SteadyConsole(RichConsole):
    """A console that touches nothing but its own lines."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 -- as inherited
        """Leave the cursor where it can be seen: a run that is killed could not bring it back."""
        return False

    def on_broken_pipe(self) -> NoReturn:
        """Report it to the caller; rich itself would take stdout away and end the thread."""
        raise OSError(errno.EPIPE, "the terminal has gone away")


class LiveTable:
    """Draws a board on stderr until it is closed. Any thread may tell it event."""

    def __init__(self, look: Callable[[], TerminalCapabilities], *, keep: bool) -> None:
        """Begin to draw.

        Args:
            look: what the terminal can show now; asked again for each picture, since windows change.
            keep: leave the last picture on the screen.
        """
        self._look = look
        self._board = LiveState()
        self._guard = threading.Lock()
        self._above: deque[str] = deque()
        self._ending = threading.Event()
        self._began = time.monotonic()
        self._drawn: tuple[int, list[int]] = (0, [])  # the last picture's terminal and lines, in columns
        self.broken = False
        console = SteadyConsole(
            file=sys.stderr, force_terminal=True, color_system="auto" if look().colour else None, highlight=False
        )
        self._console = console
        self._live = Live(
            console=console, auto_refresh=False, transient=not keep, redirect_stdout=False, redirect_stderr=False
        )
        self._thread = threading.Thread(target=self._run, name="live-table", daemon=True)
        self._thread.start()

    def tell(self, model: str | None, event: ProgressEvent) -> None:
        """Take in an event; it is seen in the next picture."""
        with self._guard:
            self._board.take(model, event, time.monotonic())

    def above(self, text: str) -> None:
        """Print a line above the table."""
        self._above.append(text)

    def close(self) -> list[str]:
        """Draw a last time and end; return the lines that could not be printed."""
        self._ending.set()
        self._thread.join(_LAST_S)
        return list(self._above)

    def _run(self) -> None:
        try:
            with self._live:
                pause = EVERY_S
                while not self._ending.wait(pause):
                    began = time.thread_time()
                    self._draw()
                    pause = max(EVERY_S, _REST * (time.thread_time() - began))
                self._draw()
        except Exception:  # noqa: BLE001 -- a display must never disturb the run
            self.broken = True

    def _draw(self) -> None:
        while self._above:
            self._console.print(Text(self._above[0]), soft_wrap=True)
            self._above.popleft()
        look = self._look()
        self._clear_reflowed(look.columns or 0)
        with self._guard:
            lines = draw(self._board, now=time.monotonic(), began=self._began, look=look)
        self._live.update(Group(*lines), refresh=True)
        self._drawn = (look.columns or 0, [cell_len(line.plain) for line in lines])

    def _clear_reflowed(self, columns: int) -> None:
        """Take away what the last picture takes beyond its own lines, now that its window is narrower.

        Nearly all terminals break lines again then. One that cuts them loses as many lines above the table.
        """
        before, widths = self._drawn
        if 0 < columns < before:
            more = sum((max(width, 1) - 1) // columns for width in widths)
            self._console.control(Control(*(_LINE_UP * more)))
