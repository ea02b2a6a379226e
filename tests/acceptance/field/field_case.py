"""One case from the field: its files in a folder, its steps as a user runs them, and what is right about the end."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct, field
from msgspec.json import decode
from msgspec.structs import replace

from tests.fakes import preloaded
from tests.fakes.loopback_port import Moment
from tests.fakes.result_files import archive, result
from tests.fakes.two_port_records import Call, ScriptedModel
from tests.fakes.two_port_service import TwoPortService

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases" / "field"
_POLL = re.compile(r'("?poll"?: "?)1s')
_KEY = "canary-m-5f2c9b7e41"  # which the key files of the cases hold
_MODEL = "m"
_WAITING_READINGS = 2  # status answers after the upload that still have the first of two words
_FOR_EVER = 10_000  # seconds of training
_PATIENCE_S = 60.0
_NAMES = {"__builtins__": {}, "any": any, "all": all, "len": len}  # what an expression may call


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command; `put` copies files of the case before it, and `at` is its second after the first step."""

    args: list[str]
    at: float = 0
    put: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    result: str = "result"
    prefix: list[str] = field(default_factory=list, name="as")


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `case.json` says. `words` are the statuses during a training of `duration` seconds."""

    steps: list[Step]
    right: list[str]
    words: list[str] = field(default_factory=lambda: ["running"])
    duration: float = 0
    modes: dict[str, str] = field(default_factory=dict)
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def needs_root(self) -> bool:
        """Return whether a step is another user's, or a file has another owner."""
        return bool(self.owners) or any(step.prefix for step in self.steps)


class Ended(Struct, frozen=True, kw_only=True):
    """How a command ended, and what its report says of the model; a command without a report has no outcome."""

    code: int
    out: str
    err: str
    outcome: str | None = None
    reason: str = ""
    warnings: Sequence[str] = ()
    rows: int | None = None
    source: str | None = None

    @property
    def all(self) -> str:
        """Return everything that was printed."""
        return self.out + self.err

    @property
    def notes(self) -> Sequence[str]:
        """Return the warnings under their other name."""
        return self.warnings


class Log(Struct, frozen=True, kw_only=True):
    """The service's log in the words of the expressions."""

    log: Sequence[Mapping[str, str]]


def read_case(name: str) -> Case:
    """Return what a case's folder says."""
    return decode((CASES / name / "case.json").read_bytes(), type=Case)


def play(name: str, folder: Path, service: TwoPortService) -> list[str]:
    """Play a case in an empty folder; return the expressions that are wrong, each with how the commands ended."""
    case, files = read_case(name), CASES / name
    model = service.add(ScriptedModel(name=_MODEL, key=_KEY, results=[], training=case.duration > _FOR_EVER))
    service.watch = _statuses(case, model, service)
    _lay_out(case, files, folder, service.url)
    began, ended = time.monotonic(), list[Ended]()
    for step in case.steps:
        for source, target in step.put.items():
            shutil.copyfile(files / source, folder / target)
        model.results = [_result(files, step.result)]
        time.sleep(max(began + step.at - time.monotonic(), 0))
        ended.append(_run(step, folder))
    seen: dict[str, Any] = {
        "r": ended,
        "started": len(service.accepted(_MODEL)),
        "switched": len(service.switches(_MODEL)),
        "w": Log(log=[_entry(call) for call in service.calls(_MODEL)]),
    }
    # They are written by us, beside this file; nothing from outside gets here.
    wrong = [wanted for wanted in case.right if not eval(wanted, _NAMES | seen)]  # noqa: S307 -- as said
    return [f"{wanted}; started {seen['started']}; {ended}" for wanted in wrong]


def _statuses(case: Case, model: ScriptedModel, service: TwoPortService) -> Callable[[Call, Moment], None]:
    """Return a watch that lets the service say the first of two statuses for the first answers after an upload."""
    model.before, model.during = ("waiting" if len(case.words) == 1 else case.words[0]), case.words[-1]
    model.readings = 1 if len(case.words) == 1 else _WAITING_READINGS + 1

    def watch(call: Call, _moment: Moment) -> None:
        if call.name == "status" and call.job in service.jobs:
            early = service.jobs[call.job].readings < _WAITING_READINGS
            model.during = case.words[0] if early else case.words[-1]

    return watch


def _entry(call: Call) -> Mapping[str, str]:
    return {"what": call.name, "filename": "".join(parse_qs(call.query).get("filename", []))}


def _lay_out(case: Case, files: Path, folder: Path, url: str) -> None:
    shutil.copytree(files, folder, dirs_exist_ok=True)
    manifest = folder / "retrain.yaml"
    text = manifest.read_text("utf-8").replace("__URL__", url)
    manifest.write_text(_POLL.sub(r"\g<1>100ms", text), "utf-8")  # the cases ask each second, and nobody waits so long
    for name, mode in case.modes.items():
        (folder / name).chmod(int(mode, 8))
    for name, (user, group) in case.owners.items():
        os.chown(folder / name, user, group)


def _result(files: Path, name: str) -> bytes:
    """Return the archive of the members in a folder of the case, or its raw file; without either, a good result."""
    if (raw := files / f"{name}.raw").exists():
        return raw.read_bytes()
    members = {str(path.relative_to(files / name)): path.read_bytes() for path in (files / name).rglob("*.*")}
    return archive(members) if members else result(AUC="0.91")


def _ended(step: Step, folder: Path, environment: Mapping[str, str]) -> Ended:
    if not step.prefix:
        done = preloaded.retrain(step.args, folder=folder, environment=environment)
        return Ended(code=done.code, out=done.out.decode(), err=done.err.decode())
    started = subprocess.run(
        [*step.prefix, sys.executable, "-m", "runner", *step.args],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    return Ended(code=started.returncode, out=started.stdout.decode(), err=started.stderr.decode())


def _run(step: Step, folder: Path) -> Ended:
    latest = folder / ".retrain" / "runs" / "latest" / "report.json"
    environment = {"HOME": str(folder), "KEY_M": _KEY}
    own = {name: value.replace("__KEY__", _KEY) for name, value in step.env.items()}
    ended = _ended(step, folder, environment | own)
    if step.args[0] != "run" or not latest.exists():
        return ended
    (model,) = decode(latest.read_bytes())["models"]
    dataset = model.get("dataset") or {}
    train = dataset.get("train") or {}
    return replace(
        ended,
        outcome=model["outcome"],
        reason=model["reason"],
        warnings=model["warnings"],
        rows=train.get("rows"),
        source=train.get("source"),
    )
