"""What a command is about: the manifest, the models chosen from it, and the flags that change what is done."""

from collections.abc import Collection, Sequence
from pathlib import Path

from msgspec import Struct

from runner.app.service import TargetService, service_of
from runner.app.state.open_state import open_state
from runner.app.state.read_state import refuse_of_the_state, require_seen
from runner.errors import UsageError
from runner.journal.events import EMULATOR
from runner.journal.progress import Progress, RunRecord
from runner.manifest.load import load, usual_paths
from runner.manifest.model import Manifest, Model
from runner.manifest.service import find_model, select
from runner.plan.model_plan import Choice


class Scope(Struct, frozen=True, kw_only=True):
    """A choice and its results: the manifest, the chosen models, and their service."""

    choice: Choice
    manifest: Manifest
    models: Sequence[Model]
    service: TargetService

    @property
    def model(self) -> Model:
        """Return the one model that a command about a single one is for."""
        return self.models[0]

    @property
    def run(self) -> str:
        """Return the command of a run of that model alone, as a shell takes it."""
        return self.choice.of_model(self.model.name)


def read_scope(choice: Choice) -> Scope:
    """Load the manifest and choose the models.

    Raises:
        ManifestError: the manifest is invalid.
        UsageError: no path is given, or nothing is selected.
    """
    manifest = load(choice.paths)
    return Scope(
        choice=choice,
        manifest=manifest,
        models=select(manifest, choice.select),
        service=service_of(manifest, emulator=choice.emulator, trusted_hosts=choice.trusted_hosts),
    )


def model_scope(
    progress: Progress,
    name: str,
    manifest: Sequence[Path],
    *,
    state: str,
    trusted_hosts: Collection[str] = (),
) -> Scope:
    """Return one model in the manifest that is named, or else in that of the model's last run.

    Raises:
        UsageError: no run had the model and no manifest is named, or the manifest is not found from here or has it no
            more.
        StateError: the manifest of the model's last run is in the state itself.
        ManifestError: the manifest is invalid.
    """
    record = _last_run_with(progress, name)
    manifest = manifest or (usual_paths() if record is None else ())
    if record is None and not manifest:
        require_seen({name for run in progress.runs.values() for name in run.models}, name)
    paths = tuple(manifest)
    if record is not None and not manifest:
        paths = tuple(Path(path) for path in record.started.paths)
        root = open_state(state).work.root
        _refuse_missing(record, paths, root.absolute().parent)
        refuse_of_the_state(record, paths, root)
    loaded = load(paths)
    _refuse_former(loaded, name)
    emulator = record is not None and record.started.service == EMULATOR
    service = service_of(loaded, emulator=emulator, trusted_hosts=trusted_hosts)
    choice = Choice(paths=paths, emulator=service.emulator, trusted_hosts=frozenset(trusted_hosts), state=state)
    return Scope(choice=choice, manifest=loaded, models=(find_model(loaded, name),), service=service)


def _refuse_missing(record: RunRecord, paths: Sequence[Path], beside: Path) -> None:
    """Say that the last run's manifest is looked for from here, when it is not here; it may be beside the state."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        found = all((beside / path).exists() for path in paths)
        where = f"{beside}, where it is found," if found else "the folder that run was started in,"
        raise UsageError(
            f"The manifest of run {record.run_id}, {missing[0]}, is not found from this folder.",
            hint=f"Go to {where} or name the manifest with --manifest.",
        )


def _refuse_former(manifest: Manifest, name: str) -> None:
    """Say what a model is called now, when it is named by a name it had before."""
    now = next((change.new for change in manifest.moved if change.old == name), None)
    if now is not None and name not in manifest.models:
        raise UsageError(
            f"{name} is called {now} now, by `moved` in the manifest.",
            hint=f"Name {now}, once a run has recorded the move.",
        )


def _last_run_with(progress: Progress, model: str) -> RunRecord | None:
    names = {model, *progress.former_names(model)}
    return next((run for run in reversed(progress.runs.values()) if names & run.models.keys()), None)
