"""A terminal of a chosen size for a command: a real pseudo-terminal, and a small reader of what is on its screen."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 30.0
_TOKEN = re.compile("\x1b\\[([0-9;?]*)([A-Za-z])|(.)", re.DOTALL)


@dataclass(slots=True, kw_only=True)
class Screen:
    """What a terminal that wraps long lines shows; only the sequences that the command may use are known."""

    columns: int
    lines: list[list[str]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0

    def feed(self, text: str) -> None:
        """Take in output."""
        for found in _TOKEN.finditer(text):
            if found[3]:
                self._put(found[3])
            else:
                self._steer(found[1], found[2])

    def shown(self) -> list[str]:
        """Return the lines without the spaces at their ends."""
        return ["".join(line).rstrip() for line in self.lines]

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        else:
            width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
            if self.column + width > self.columns:
                self.column = 0
                self._down()
            line = self.lines[self.row]
            line.extend(" " * (self.column - len(line)))
            line[self.column : self.column + width] = [character, ""][:width]
            self.column += width

    def _down(self) -> None:
        self.row += 1
        while len(self.lines) <= self.row:
            self.lines.append([])

    def _steer(self, number: str, letter: str) -> None:
        if letter == "A":
            self.row = max(self.row - int(number or 1), 0)
        elif letter == "K":
            self.lines[self.row] = []
        elif letter != "m":
            raise AssertionError(f"the command sent ESC[{number}{letter}")


@dataclass(slots=True, kw_only=True)
class Terminal:
    """A command whose stdin, stdout and stderr are one terminal."""

    process: subprocess.Popen[bytes]
    handle: int
    screen: Screen
    written: bytes = b""

    def read_until(self, condition: Callable[[], bool], *, what: str) -> None:
        """Take in output until something is so."""
        end = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f"{what} did not happen; on the screen: {self.screen.shown()}"
            if not self._read(0.1) and self.process.poll() is not None:
                assert condition(), f"the command ended before {what}; on the screen: {self.screen.shown()}"
                return

    def type(self, text: str) -> None:
        """Type on the keyboard."""
        os.write(self.handle, text.encode())

    def finish(self) -> int:
        """Take in all output and return the exit code."""
        end = time.monotonic() + _PATIENCE_S
        while self._read(0.1) or self.process.poll() is None:
            assert time.monotonic() < end, f"the command did not end; on the screen: {self.screen.shown()}"
        os.close(self.handle)
        return self.process.wait()

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.handle], [], [], seconds)
        try:
            found = os.read(self.handle, 65536) if ready else b""
        except OSError:  # Linux says so when nobody has the other side open any more
            return False
        self.written += found
        self.screen.feed(found.decode("utf-8", "replace"))
        return bool(found)


def in_terminal(
    words: Sequence[str], *, columns: int, rows: int = 24, cwd: Path, environment: Mapping[str, str]
) -> Terminal:
    """Start `retrain WORD...` in a terminal of this size. The environment is all it gets beside PATH."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *words],
        cwd=cwd,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(cwd),
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            **environment,
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return Terminal(process=process, handle=ours, screen=Screen(columns=columns))
