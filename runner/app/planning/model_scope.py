"""What a command about one model works on: its manifest, found by the model's last run, and the service of that run."""

from collections.abc import Collection, Sequence
from pathlib import Path
from shlex import quote

from msgspec import Struct

from runner.app.planning.scope import Choice
from runner.app.state.open_state import open_state
from runner.app.state.read_state import refuse_of_the_state, require_seen
from runner.app.state.selection import find_model
from runner.app.state.service_name import TargetService, realm_of
from runner.errors import UsageError
from runner.journal.events import EMULATOR
from runner.journal.progress import Progress, RunRecord
from runner.manifest.load import load
from runner.manifest.model import Manifest, Model


class ModelScope(Struct, frozen=True, kw_only=True):
    """One model in its manifest; `paths` are the files and folders it was read from, `state` names the state."""

    manifest: Manifest
    model: Model
    realm: TargetService
    paths: tuple[Path, ...]
    state: str

    @property
    def run(self) -> str:
        """Return the command of a run of the model alone, as a shell takes it."""
        whole = Choice(paths=self.paths, emulator=self.realm.emulator, state=self.state).command
        return f"{whole} --select {quote(self.model.name)}"


def model_scope(
    progress: Progress,
    name: str,
    manifest: Sequence[Path],
    *,
    state: str,
    trusted_hosts: Collection[str] = (),
) -> ModelScope:
    """Read the manifest that is named, or else that of the model's last run.

    Raises:
        UsageError: no run had the model and no manifest is named, or the manifest is not found from here or has it no
            more.
        StateError: the manifest of the model's last run is in the state itself.
        ManifestError: the manifest is invalid.
    """
    record = _last_run_with(progress, name)
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
    emulator = record is not None and record.started.realm == EMULATOR
    realm = realm_of(loaded, emulator=emulator, trusted_hosts=trusted_hosts)
    return ModelScope(manifest=loaded, model=find_model(loaded, name), realm=realm, paths=paths, state=state)


def _refuse_missing(record: RunRecord, paths: Sequence[Path], beside: Path) -> None:
    """Say that the last run's manifest is looked for from here, when it is not here; it may lie beside the state."""
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
            hint=f"Name {now}, once a `retrain run` has recorded the move.",
        )


def _last_run_with(progress: Progress, model: str) -> RunRecord | None:
    names = {model, *progress.former_names(model)}
    return next((run for run in reversed(progress.runs.values()) if names & run.models.keys()), None)
