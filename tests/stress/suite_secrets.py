"""No key, no signed URL and no inference key in any byte that is written anywhere while everything fails.

Keys come from each kind of source. One round gives every temptation of `leaking_service` a model of its own, runs the
real command with `-vv`, as text and as JSON, and searches all it wrote or showed for every canary in every form.
"""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.contract.contract_project import Project, rows, threshold
from tests.fakes.two_port_service import INFERENCE_CANARY, SIGNATURE_CANARY, TwoPortService
from tests.stress.canaries import Leak, Scanner, written_below
from tests.stress.figure import Figure
from tests.stress.leaking_service import TEMPTATIONS, Temptation, Tempter
from tests.stress.watched_command import watched

FULL = 4  # rounds: then each temptation has met a key of each source
SOURCES = ("env", "file", "command", "fetched")
ACCOUNT_KEY = "CANARYaccount/4c+1e"
KEYS: Mapping[str, str] = {source: f"CANARY{source}/8d+{number}a" for number, source in enumerate(SOURCES)}
CANARIES: Mapping[str, str] = {
    **{f"key from {source}": key for source, key in KEYS.items()},
    "account key": ACCOUNT_KEY,
    "signature": SIGNATURE_CANARY,
    "inference key": INFERENCE_CANARY,
}
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("run", "models.yaml", "-vv"),
    ("run", "models.yaml", "-vv", "--log-format", "json", "--format", "json"),
    ("plan", "models.yaml", "-vv"),
    ("doctor", "models.yaml", "-vv"),
    ("status", "-vv"),
    ("verify", "-vv", "--log-format", "json"),
)


@dataclass(slots=True, kw_only=True)
class Round:
    """What one round wrote and what was found in it."""

    temptations: int = 0
    outcomes: set[str] = field(default_factory=set)
    codes: list[int] = field(default_factory=list)
    places: dict[str, bytes] = field(default_factory=dict)
    environments: dict[str, bytes] = field(default_factory=dict)

    def leaks(self) -> list[Leak]:
        """Search everything; the user's own variables may reach the programs the runner starts, other keys may not."""
        scanner = Scanner(CANARIES)
        variables = ("key from env", "account key")
        return scanner.leaks(self.places) + scanner.leaks(self.environments, known=variables)


def measure(count: int | None) -> Iterator[Figure]:
    """Run `count` rounds; in each the temptations meet keys of other sources."""
    rounds = FULL if count is None else count
    points, size, leaks = 0, 0, []
    for number in range(rounds):
        with project_folder() as folder:
            done = tempt(folder, TEMPTATIONS, turn=number)
        points += done.temptations
        size += sum(map(len, done.places.values()))
        leaks += done.leaks()
    first = f", first: {leaks[0]}" if leaks else ""
    detail = f"{Scanner(CANARIES).size} forms of {len(CANARIES)} canaries in {size / 1e6:.0f} MB{first}"
    yield Figure(name="temptations to write down a secret", points=points, violations=len(leaks), detail=detail)


@contextmanager
def project_folder() -> Iterator[Path]:
    """Give a folder whose name is not a secret."""
    with tempfile.TemporaryDirectory(prefix="secrets-") as folder:
        yield Path(folder) / "project"


def tempt(
    folder: Path,
    temptations: tuple[Temptation, ...],
    *,
    turn: int = 0,
    commands: tuple[tuple[str, ...], ...] = COMMANDS,
) -> Round:
    """Let one model meet each temptation, run the commands, and collect all that was written or shown."""
    service = TwoPortService()
    try:
        project = Project(folder=folder, service=service)
        tempter = _arm(project, temptations, turn)
        done = Round(temptations=len(temptations))
        for command in commands:
            seen = watched(project, *command)
            tempter.forget_signatures()
            done.codes.append(seen.code)
            done.places |= seen.places(" ".join(command))
            done.environments[f"environment of children of {' '.join(command)}"] = b"\n".join(seen.environments)
        done.outcomes = set(project.outcomes().values())
        done.places |= (
            written_below(project.state) | written_below(folder / "temporary") | written_below(folder / "home")
        )
        return done
    finally:
        service.close()


def _arm(project: Project, temptations: tuple[Temptation, ...], turn: int) -> Tempter:
    service = project.service
    service.account_key = ACCOUNT_KEY + secrets.token_hex(4)
    service.lists_classifiers = True
    for name in ("temporary", "keys"):
        (project.folder / name).mkdir(mode=0o700)
    project.environment |= {"TMPDIR": str(project.folder / "temporary"), "ACCOUNT_KEY": service.account_key}
    tempter = Tempter(service)
    for number, temptation in enumerate(temptations):
        source = SOURCES[(number + turn) % len(SOURCES)]
        name = f"m{number}_{temptation.call}_{temptation.name}"
        model = project.add(
            name,
            policy=threshold({"metric": "auc", "min": 0.8}),
            evaluation=rows(40, seed=500),
            wait={"timeout": "10s", "poll": "100ms"},  # some lie about their status for as long as they are asked
        )
        model.key, model.id, model.url_seconds = f"{KEYS[source]}{number}", number + 1, 3
        project.manifest["models"][name]["api_key"] = _source(project, source, name, model.key, model.id)
        tempter.arm(model, temptation)
    project.manifest["limits"] = {"parallel": 64, "uploads": 16}
    project.save()
    return tempter


def _source(project: Project, source: str, name: str, key: str, model_id: int) -> dict[str, Any]:
    """Put a model's key where the source says, and return what the manifest says of it."""
    variable, file = f"KEY_OF_{name.upper()}", project.folder / "keys" / name
    project.environment.pop(variable, None)
    if source == "env":
        project.environment[variable] = key
        return {"env": variable}
    if source == "fetched":
        return {"secret_key": {"env": "ACCOUNT_KEY"}, "model_id": model_id}
    file.touch(mode=0o600)
    file.write_text(key, encoding="utf-8")
    return {"file": f"keys/{name}"} if source == "file" else {"command": ["cat", f"keys/{name}"]}
