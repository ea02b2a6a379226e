"""The commands of one page, run in their order by one bash in a scratch project, each with its output and exit code."""

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.conftest import ANSWERS, ROOT
from tests.acceptance.docs.blocks import Block

TIMEOUT_S = 280  # a page takes up to 20 s on one free core
_RUN_ID = r"\b\d{8}T\d{6}(?:\.\d{6})?Z-[0-9a-f]{6}\b"
_JOB_ID = r"\b[0-9a-f]{32}\b"
# What differs from run to run, in what is shown and in what is seen.
_MASKS = (
    (_RUN_ID, "<run>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (_JOB_ID, "<job>"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?Z| UTC)?", "<time>"),
)
_PROLOGUE = """\
project=$PWD
trap 'kill $(jobs -p) 2>/dev/null' EXIT
_back() { return "$1"; }
afresh() { cd / && rm -rf "$project" && cp -a "$SCENE" "$project" && cd "$project"; }
job() { retrain history "$1" --format json | python3 -c '
import json, sys
found = [run["retrain_job_id"] for run in json.load(sys.stdin)["runs"] if run["outcome"] == sys.argv[1]]
print(found[int(sys.argv[2])])' "$2" "$3"; }
_code=0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a page: what is typed, what it prints (None: the page does not say), how it may end."""

    place: str
    typed: str
    shown: str | None
    codes: tuple[int, ...]
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one command printed, on both streams, and its exit code."""

    output: str
    code: int


def commands_of(block: Block) -> Iterator[Command]:
    """Yield the commands of a `console` or `sh` block that is to be run, or the one that writes its file."""
    for name in block.told("file"):
        typed = f"cat > {name} <<'END OF THE BLOCK'\n{block.text}END OF THE BLOCK"
        yield Command(place=block.place, typed=typed, shown=None, codes=(0,))
    if block.language not in ("console", "sh"):
        return
    codes = tuple(int(code) for note in block.told("exits") for code in note.split()) or (0,)
    unseen = "\n".join(block.told("first"))
    steps = list(_typed_in_console(block) if block.language == "console" else _typed_in_script(block))
    for number, (text, shown) in enumerate(steps):
        asks = number + 1 < len(steps) and steps[number + 1][0].startswith("echo $?")
        alone = "afresh\n" + unseen if block.told("alternatives") else ""
        before = alone or (unseen if number == 0 else "")
        allowed = tuple(range(256)) if asks else codes
        yield Command(place=block.place, typed=text, shown=shown, codes=allowed, before=before)


def run_page(commands: Sequence[Command], project: Path, scene: Path, home: Path) -> list[Ran]:
    """Run the commands in one shell, in the project; return what happened to those that were reached."""
    mark = f"@{secrets.token_hex(8)}"
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_STATE_HOME": "/dev/null",  # a page may begin again from the same state
        "SCENE": str(scene),
        "CHURN_API_KEY": "rehearsal",
        **dict.fromkeys(ANSWERS, "1"),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
    }
    shell = subprocess.Popen(
        ["bash", "-c", _script(commands, mark)],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=TIMEOUT_S)
    finally:
        _end_group(shell.pid)
    found = re.findall(rf"\n{mark} begin\n(.*?)\n{mark} end (\d+)\n", output, flags=re.DOTALL)
    return [Ran(output=text, code=int(code)) for text, code in found]


def matches(shown: str, seen: str) -> bool:
    """Return whether an output is what the page shows: `...` is any text; ids, times and column widths may differ."""
    pattern = ".*?".join(re.escape(part) for part in _masked(shown).split("..."))
    return re.fullmatch(pattern, _masked(seen), flags=re.DOTALL) is not None


def _typed_in_console(block: Block) -> Iterator[tuple[str, str | None]]:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        count = 1
        while count < len(lines) and lines[count].startswith("> "):
            count += 1
        typed = "\n".join([lines[0], *(line.removeprefix("> ") for line in lines[1:count])])
        yield typed, "\n".join(lines[count:])


def _typed_in_script(block: Block) -> Iterator[tuple[str, str | None]]:
    """Yield whole commands: lines are gathered until bash finds nothing missing at their end."""
    gathered = ""
    for line in block.text.splitlines():
        gathered += f"{line}\n"
        complete = subprocess.run(["bash", "-n", "-c", gathered], capture_output=True, check=False)
        if complete.returncode == 0 and not complete.stderr and not gathered.endswith("\\\n"):
            if gathered.split("#")[0].strip():
                yield gathered.strip(), None
            gathered = ""
    assert not gathered.strip(), f"{block.place}: this is not a whole command: {gathered}"


def _script(commands: Sequence[Command], mark: str) -> str:
    lines = [_PROLOGUE]
    for command in commands:
        lines += [
            command.before,
            f"printf '\\n%s begin\\n' {mark}; _back $_code",
            _with_ids(command.typed),
            f"_code=$?; printf '\\n%s end %d\\n' {mark} $_code",
        ]
    return "\n".join(lines)


def _with_ids(typed: str) -> str:
    """Put the ids of the scratch project in the place of those on the page; unseen lines set JOB and RUN."""
    return re.sub(rf"\bRUN\b|{_RUN_ID}", "$RUN", re.sub(rf"\bJOB\b|{_JOB_ID}", "$JOB", typed))


def _masked(text: str) -> str:
    for pattern, word in _MASKS:
        text = re.sub(pattern, word, text)
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
