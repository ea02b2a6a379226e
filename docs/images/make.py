"""The pictures of README.md, made from a real run of the demo: `.venv/bin/python docs/images/make.py`.

It needs Linux and chromium. A test compares `made_from.json` with a new run of the demo, so the pictures cannot be
older than the pages they show.
"""

import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
MADE_FROM = FOLDER / "made_from.json"
DEMO = ("run", "--state", ".demo", "examples/configs/demo")
_COLUMNS, _LINES = 100, 40
_WIDTH, _HEIGHT = 8.4, 19  # of a character, in pixels
_EDGE = 16
_COLOURS = {"1": "#ffffff", "31": "#ff7b72", "32": "#7ee787", "33": "#f2cc60", "36": "#79c0ff"}
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


def main() -> int:
    """Make both pictures and note what they were made from."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "examples", folder / "examples")
        printed = run_demo(folder)
        page = folder / ".demo" / "runs" / "latest" / "report.html"
        picture(page, FOLDER / "report.png")
        (FOLDER / "terminal.svg").write_text(svg_of(printed), encoding="utf-8")
        MADE_FROM.write_text(json.dumps({"page": words_of(page)}) + "\n", encoding="utf-8")
    return 0


def run_demo(folder: Path) -> str:
    """Run the demo on a terminal and return what it prints."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    words = [sys.executable, "-P", "-m", "runner", *DEMO]
    started = subprocess.Popen(
        words,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    printed = b"".join(iter(lambda: _read(ours), b""))
    started.wait()
    return printed.decode("utf-8")


def words_of(page: Path) -> str:
    """Return a digest of the words of a page, without what differs from run to run: order, numbers, ids, hosts."""
    text = re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]*>", " ", page.read_text("utf-8"), flags=re.DOTALL)
    words = set(re.sub(r"\S*[@\d]\S*|\b(?:ms|s|min|h)\b", " ", text).split())
    return hashlib.sha256(" ".join(sorted(words)).encode()).hexdigest()


def picture(page: Path, target: Path) -> None:
    """Take a picture of a page."""
    program = shutil.which("chromium") or "chromium"
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,900")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    words = [program, *options, profile, f"--screenshot={target}", page.as_uri()]
    subprocess.run(words, env={"PATH": os.environ["PATH"], "HOME": str(page.parent)}, check=True, capture_output=True)


def svg_of(printed: str) -> str:
    """Return the last screen of a terminal as a picture, with the command that filled it."""
    command = f"\x1b[1m$ retrain {' '.join(DEMO)}\x1b[0m"
    lines = [command, *_last_screen(printed)]
    width, height = _COLUMNS * _WIDTH + 2 * _EDGE, len(lines) * _HEIGHT + 2 * _EDGE
    bases = (f"{_EDGE + (number + 0.75) * _HEIGHT:g}" for number in range(len(lines)))
    rows = "\n".join(
        f'<text x="{_EDGE}" y="{base}" xml:space="preserve">{"".join(_spans(line))}</text>'
        for base, line in zip(bases, lines, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">\n'
        '<style>text { font: 14px ui-monospace, Menlo, "DejaVu Sans Mono", monospace; fill: #c9d1d9 }</style>\n'
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n{rows}\n</svg>\n'
    )


def _last_screen(printed: str) -> list[str]:
    """Return the lines that are left when all that was drawn over is gone."""
    return printed.rsplit("\x1b[2K", 1)[-1].replace("\r", "").rstrip("\n").split("\n")


def _spans(line: str) -> Iterator[str]:
    colour, start = "", 0
    for found in _SEQUENCE.finditer(line):
        yield _span(line[start : found.start()], colour)
        colour, start = _COLOURS.get(found[1], ""), found.end()
    yield _span(line[start:], colour)


def _span(text: str, colour: str) -> str:
    return f'<tspan fill="{colour}">{escape(text)}</tspan>' if colour else escape(text)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other end is closed: how Linux tells the end of a terminal
        return b""


if __name__ == "__main__":
    sys.exit(main())
