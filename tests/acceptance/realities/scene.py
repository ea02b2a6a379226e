"""One reality on this machine: a served profile, a project of four models on it, and what the service's log says."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.request import urlopen

import yaml
from msgspec.structs import replace

from emulator.hosting import host_models
from emulator.keys import ACCOUNT_KEY, own_key
from emulator.profile import Profile
from emulator.profile_file import read_profile
from emulator.serve import serve
from runner.manifest.load import load
from tests.fakes import preloaded

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases" / "realities"
MODELS = ("auto", "manual", "good", "bad")
_POLICIES: Mapping[str, Any] = {
    "auto": {"type": "auto"},
    "manual": {"type": "manual"},
    "good": {"type": "threshold", "rules": [{"metric": "auc", "min": 0.8}]},
    "bad": {"type": "threshold", "rules": [{"metric": "auc", "min": 0.8}]},
}
_METRICS: Mapping[str, Mapping[str, float]] = {
    "any": {"AUC": 0.9012, "Accuracy": 0.8804},
    "bad": {"AUC": 0.61, "Accuracy": 0.6042},
}
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command printed, and how it ended."""

    command: str
    code: int
    text: str


@dataclass(slots=True, kw_only=True)
class Scene:
    """A project whose models live on an emulator with the reality's profile."""

    folder: Path
    profile: Profile
    manifest: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    port: int = 0
    _end: threading.Event = field(default_factory=threading.Event)
    _server: threading.Thread | None = None

    def __post_init__(self) -> None:
        (self.folder / "data").mkdir(parents=True)
        self.keys = {f"{name.upper()}_KEY": own_key(name) for name in MODELS} | {"SECRET_KEY": ACCOUNT_KEY}
        self.manifest = {
            "version": 1,
            "service": {"url": "http://127.0.0.1:1", "quarantine": "1s"},
            "datasets": {name: {"train": f"data/{name}.csv"} for name in MODELS},
            "policies": {name: dict(_POLICIES[name]) for name in MODELS},
            "models": {
                name: {
                    "api_key": {"env": f"{name.upper()}_KEY"},
                    "dataset": name,
                    "policy": name,
                    "wait": {"timeout": "6s", "poll": "200ms"},
                    "emulator": {"task": "binary_classification", "target": "left"},
                }
                for name in MODELS
            },
        }
        for place, name in enumerate(MODELS):
            (self.folder / "data" / f"{name}.csv").write_bytes(_rows(seed=1000 * place))

    def serve(self, profile: Profile) -> None:
        """Serve a profile on this scene's data, at the address it had before if there was one."""
        self.stop()
        self.save()
        scripted = replace(profile, training=replace(profile.training, metrics=_METRICS))
        hosting = host_models(load([self.folder / "models.yaml"]), own_keys=True)
        self._end, listening = threading.Event(), Queue[str]()
        self._server = threading.Thread(
            target=serve,
            args=(hosting,),
            kwargs={
                "host": "127.0.0.1",
                "port": self.port,
                "data": self.folder / "service",
                "profile": scripted,
                "ready": listening.put,
                "wait_for_end": self._end.wait,
            },
            daemon=True,
        )
        self._server.start()
        url = listening.get(timeout=_PATIENCE_S)
        self.port = int(url.rsplit(":", 1)[1])
        self.manifest["service"]["url"] = url
        self.save()

    def stop(self) -> None:
        """End the server."""
        self._end.set()
        if self._server is not None:
            self._server.join(_PATIENCE_S)
        self._server = None

    def save(self) -> None:
        """Write the manifest as it is now."""
        text = yaml.safe_dump(self.manifest, sort_keys=False, allow_unicode=True)
        (self.folder / "models.yaml").write_text(text, encoding="utf-8")

    def retrain(self, *arguments: str) -> Said:
        """Run one command as a person does, in the project's folder."""
        variables = {"HOME": str(self.folder), "COLUMNS": "1000", **self.keys}
        done = preloaded.retrain(arguments, folder=self.folder, environment=variables, together=True)
        text = done.out.decode("utf-8", "replace")
        assert "Traceback" not in text, text
        return Said(command=" ".join(arguments), code=done.code, text=text)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return the models of the newest run's report; none before the first."""
        file = self.folder / ".retrain" / "runs" / "latest" / "report.json"
        if not file.exists():
            return {}
        report = json.loads(file.read_bytes())
        return {entry["name"]: entry for entry in report["models"]}

    def trainings(self) -> dict[str, int]:
        """Return how often each model was trained, by the service's log."""
        log = (self.folder / "service" / "requests.jsonl").read_text(encoding="utf-8").splitlines()
        started = [entry["model"] for entry in map(json.loads, log) if entry["effect"] == "started"]
        return {name: started.count(name) for name in MODELS}

    def serving(self, name: str) -> bool:
        """Return whether a model of this project's serves."""
        return self.serving_job(name) is not None

    def serving_job(self, name: str) -> str | None:
        """Return the job whose candidate serves, by the service's own word."""
        with urlopen(f"http://127.0.0.1:{self.port}/v1/emulator/models/{name}") as answer:
            job: str | None = json.load(answer)["serving_job"]
        return job


@contextmanager
def staged(reality: str, folder: Path) -> Iterator[Scene]:
    """Give the scene of a reality, served."""
    profile = read_profile(str(CASES / f"{reality}.yaml"), MODELS)
    scene = Scene(folder=folder, profile=profile)
    try:
        scene.serve(profile)
        yield scene
    finally:
        scene.stop()


def realities() -> list[str]:
    """Return the names of all realities."""
    return sorted(file.stem for file in CASES.glob("*.yaml"))


def _rows(*, seed: int) -> bytes:
    lines = [f"{seed + n},{(seed + n) * 7 % 11},{'yes' if n % 3 else 'no'}" for n in range(120)]
    return ("age,visits,left\n" + "\n".join(lines) + "\n").encode()
