"""What a command is about: the manifest, the models chosen from it, and the flags that change what is done."""

from collections.abc import Collection, Sequence
from pathlib import Path
from shlex import quote

from msgspec import Struct

from runner.app.selection import find_model, select
from runner.app.service import TargetService, service_of
from runner.app.state.open_state import open_state
from runner.app.state.read_state import refuse_of_the_state, require_seen
from runner.errors import UsageError
from runner.journal.events import EMULATOR
from runner.journal.folder import DEFAULT
from runner.journal.progress import Progress, RunRecord
from runner.manifest.load import load, usual_paths
from runner.manifest.model import Manifest, Model
from runner.plan.model_plan import Options, run_command, state_option


class Choice(Struct, frozen=True, kw_only=True):
    """The arguments that `retrain plan` and `retrain run` share; `emulator` is the flag, `state` names
    the state in commands that are shown.

    `trusted_hosts` are the hosts in lower case that the operator trusts with API keys.
    """

    paths: Sequence[Path] = ()
    select: Sequence[str] = ()
    force: bool = False
    no_switch: bool = False
    emulator: bool = False
    allow_service_change: bool = False
    trusted_hosts: frozenset[str] = frozenset()
    state: str = DEFAULT

    @property
    def command(self) -> str:
        """Return the command of a run with this manifest, service and state, as a shell takes it."""
        return run_command(map(str, self.paths), emulator=self.emulator, state=state_option(self.state))


class Scope(Struct, frozen=True, kw_only=True):
    """A choice, and what it comes to."""

    choice: Choice
    manifest: Manifest
    models: Sequence[Model]
    service: TargetService
    options: Options


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
        options=Options(
            force=choice.force,
            no_switch=choice.no_switch,
            allow_service_change=choice.allow_service_change,
            run=choice.command,
            state=state_option(choice.state),
        ),
    )


class ModelScope(Struct, frozen=True, kw_only=True):
    """One model in its manifest; `paths` are the files and folders it was read from, `state` names the state."""

    manifest: Manifest
    model: Model
    service: TargetService
    paths: tuple[Path, ...]
    state: str

    @property
    def run(self) -> str:
        """Return the command of a run of the model alone, as a shell takes it."""
        whole = Choice(paths=self.paths, emulator=self.service.emulator, state=self.state).command
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
    return ModelScope(manifest=loaded, model=find_model(loaded, name), service=service, paths=paths, state=state)


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
            hint=f"Name {now}, once a `retrain run` has recorded the move.",
        )


def _last_run_with(progress: Progress, model: str) -> RunRecord | None:
    names = {model, *progress.former_names(model)}
    return next((run for run in reversed(progress.runs.values()) if names & run.models.keys()), None)
