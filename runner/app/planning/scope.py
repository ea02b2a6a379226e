"""What a plan or a run is about: the manifest, the models chosen from it, and the flags that change what is done."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from runner.app.state.selection import select
from runner.app.state.service_name import TargetService, realm_of
from runner.journal.folder import DEFAULT
from runner.manifest.load import load
from runner.manifest.model import Manifest, Model
from runner.plan.model_plan import Options
from runner.plan.operator_commands import state_option


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
        words = ["retrain", "run", *map(str, self.paths), *(["--emulator"] if self.emulator else [])]
        return f"{shlex.join(words)}{state_option(self.state)}"


class Scope(Struct, frozen=True, kw_only=True):
    """A choice, and what it comes to."""

    choice: Choice
    manifest: Manifest
    models: Sequence[Model]
    realm: TargetService
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
        realm=realm_of(manifest, emulator=choice.emulator, trusted_hosts=choice.trusted_hosts),
        options=Options(
            force=choice.force,
            no_switch=choice.no_switch,
            allow_service_change=choice.allow_service_change,
            run=choice.command,
            state=state_option(choice.state),
        ),
    )
