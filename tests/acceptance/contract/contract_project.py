"""A project on disk whose models live on the two-port service, and the real command in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.fakes import preloaded
from tests.fakes.result_files import result
from tests.fakes.two_port_records import ScriptedModel
from tests.fakes.two_port_service import TwoPortService

ROOT = Path(__file__).parents[3]
AUTO: Mapping[str, Any] = {"type": "auto"}
KEY_CANARY = "CANARYkey/9e+4b"  # with characters that quoting changes
_PATIENCE_S = 60.0
_GROUPS = frozenset({"audit", "state"})  # their options follow the second of their words


def threshold(*rules: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """Return a threshold policy."""
    return {"type": "threshold", "rules": [dict(rule) for rule in rules], **settings}


def rows(count: int = 120, *, seed: int = 0) -> bytes:
    """Return a table with three columns; another seed gives other content."""
    lines = [f"{seed + number},{(seed + number) * 7 % 11},{'yes' if number % 3 else 'no'}" for number in range(count)]
    return ("age,visits,churned\n" + "\n".join(lines) + "\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How one command ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True, kw_only=True)
class Project:
    """A folder with a manifest and data; `state` is where the command keeps its own."""

    folder: Path
    service: TwoPortService
    manifest: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "home").mkdir(parents=True)
        self.manifest = {
            "version": 1,
            "service": {"url": self.service.url, "quarantine": "1s"},
            "limits": {"parallel": 16, "uploads": 4},
            "datasets": {},
            "policies": {},
            "models": {},
        }

    @property
    def state(self) -> Path:
        """Return the state folder."""
        return self.folder / "state"

    def data_file(self, name: str) -> Path:
        """Return where a model's training data lies."""
        return self.folder / "data" / f"{name}.csv"

    def add(
        self,
        name: str,
        *,
        policy: Mapping[str, Any] = AUTO,
        train: bytes | None = None,
        evaluation: bytes | None = None,
        results: list[bytes] | None = None,
        **settings: Any,
    ) -> ScriptedModel:
        """Add a model with a policy and a dataset of its own, and let the service know its key."""
        self.write_data(name, rows() if train is None else train)
        dataset = {"train": f"data/{name}.csv"}
        if evaluation is not None:
            self.write_data(f"{name}_eval", evaluation)
            dataset["eval"] = f"data/{name}_eval.csv"
        variable = f"KEY_OF_{name.upper()}"
        self.manifest["datasets"][name] = dataset
        self.manifest["policies"][name] = dict(policy)
        self.manifest["models"][name] = {
            "api_key": {"env": variable},
            "dataset": name,
            "policy": name,
            "wait": {"timeout": "1m", "poll": "100ms"},
            **settings,
        }
        self.environment[variable] = f"{KEY_CANARY}{name}"
        self.save()
        return self.service.add(
            ScriptedModel(name=name, key=self.environment[variable], results=results or [result(AUC="0.9")])
        )

    def write_data(self, name: str, content: bytes) -> None:
        """Write a data file."""
        self.data_file(name).parent.mkdir(exist_ok=True)
        self.data_file(name).write_bytes(content)

    def save(self) -> None:
        """Write the manifest as it is now."""
        text = yaml.safe_dump(self.manifest, sort_keys=False, allow_unicode=True)
        (self.folder / "models.yaml").write_text(text, encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command on this project's state and hand back its process."""
        return subprocess.Popen(
            [sys.executable, "-m", "runner", *self.words_of(arguments)],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.variables()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def retrain(self, *arguments: str) -> Finished:
        """Run a command to its end."""
        return self.retrain_elsewhere(*self.words_of(arguments))

    def retrain_elsewhere(self, *arguments: str) -> Finished:
        """Run a command, which names its own state, to its end."""
        return judged(preloaded.retrain(arguments, folder=self.folder, environment=self.variables()))

    def words_of(self, arguments: Sequence[str]) -> list[str]:
        """Return a command's words with the state that it is about."""
        words = 2 if arguments[0] in _GROUPS else 1
        return [*arguments[:words], "--state", str(self.state), *arguments[words:]]

    def variables(self) -> dict[str, str]:
        """Return the environment of the next command but for PATH and the program's place."""
        return {"HOME": str(self.folder / "home"), **self.environment}

    def run(self, *arguments: str) -> Finished:
        """Run `retrain run` on the manifest."""
        return self.retrain("run", "models.yaml", *arguments)

    @property
    def newest(self) -> Path:
        """Return the folder of the newest run or decision; `runs/latest` is that of the newest `retrain run`."""
        return max(path for path in (self.state / "runs").iterdir() if not path.is_symlink())

    def report(self) -> dict[str, Any]:
        """Return the report of the newest run or decision."""
        report: dict[str, Any] = json.loads((self.newest / "report.json").read_bytes())
        return report

    def entry(self, name: str) -> dict[str, Any]:
        """Return a model's part of the newest report."""
        found: dict[str, Any] = next(model for model in self.report()["models"] if model["name"] == name)
        return found

    def outcomes(self) -> dict[str, str]:
        """Return the outcomes of the newest run."""
        return {model["name"]: model["outcome"] for model in self.report()["models"]}


def finish(process: subprocess.Popen[bytes]) -> Finished:
    """Wait for a process and judge how it ended."""
    try:
        out, err = process.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the command did not end in time\n{out.decode()}\n{err.decode()}") from None
    return judged(preloaded.Ended(code=process.returncode, out=out, err=err))


def judged(ended: preloaded.Ended) -> Finished:
    """Judge what every command owes: UTF-8, and no traceback."""
    finished = Finished(code=ended.code, out=ended.out.decode("utf-8"), err=ended.err.decode("utf-8"))
    assert "Traceback" not in finished.out + finished.err, finished.err
    return finished


def assert_failed(project: Project, name: str, kind: str) -> None:
    """Judge what every failed model owes: its kind, a sentence on what happened, and one on what to do."""
    entry = project.entry(name)
    assert entry["outcome"] == "failed", entry["reason"]
    assert entry["error"]["kind"] == kind, entry["error"]
    assert entry["error"]["message"].endswith(".")
    assert entry["error"]["hint"].endswith(".")
    assert entry["error"]["message"] in entry["reason"]


def interrupt(process: subprocess.Popen[bytes], number: signal.Signals) -> Finished:
    """Send a signal to a command and wait for its end."""
    process.send_signal(number)
    return finish(process)


def wait_until(condition: Callable[[], bool], *, what: str) -> None:
    """Wait until something that must happen has happened."""
    end = time.monotonic() + _PATIENCE_S / 2
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen in time"
        time.sleep(0.01)


def wait_for_training(project: Project, name: str) -> None:
    """Wait until a run polls a training. It has asked for the job's status once before the upload."""
    wait_until(lambda: bool(project.service.accepted(name)), what="the upload")
    before = len(project.service.calls(name, "status"))
    wait_until(lambda: len(project.service.calls(name, "status")) > before + 1, what=f"the training of {name}")
