"""What the service says is in service now, for commands that only look: nothing is recorded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from emulator.launch import running_emulator
from runner.app.planning.api_keys import EmulatorKeys, ManifestKeys
from runner.app.service import TargetService, call_threads, connected
from runner.errors import ModelError
from runner.execute.ports import Keys
from runner.journal.folder import StateFolder
from runner.journal.model_progress import Observation
from runner.journal.progress import Progress
from runner.lib.parallel import map_in_threads
from runner.lib.secrets import Redactor
from runner.manifest.model import Manifest, Model
from runner.plan.incumbent import Moment, may_drift, observe
from runner.providers.base import Classifier, Provider


def refresh(  # noqa: PLR0913 -- each from another source, and each by its name
    progress: Progress,
    manifest: Manifest,
    models: Sequence[Model],
    service: TargetService,
    *,
    paths: Sequence[Path],
    folder: StateFolder,
) -> None:
    """Put into the progress what the service's list says of each model that this project has a record of.

    Raises:
        UsageError: API keys may not be sent to the service.
        RetrainError: the emulator cannot be started.
    """
    service.require_trusted()
    asked = [model for model in models if may_drift(progress.model(service.name, model.name))]
    if not asked:
        return
    with _service(manifest, service, paths, folder) as (client, keys):
        answers = map_in_threads(lambda model: _listed(client, keys, model), asked, call_threads(len(asked)))
        for model, listed in zip(asked, answers, strict=True):
            known, now = progress.model(service.name, model.name), datetime.now(UTC)
            moment = Moment(now=now, quarantine=manifest.service.quarantine)
            known.observation = Observation(fact=observe(model, known, listed, moment), at=now)


def _listed(client: Provider, keys: Keys, model: Model) -> tuple[Classifier, ...] | None:
    """Return the service's list, None where it cannot be read; it is asked once."""
    try:
        account = keys.account_key(model) if keys.asks_service(model) else None
        return client.classifiers(account or keys.model_key(model))
    except ModelError:
        return None


@contextmanager
def _service(
    manifest: Manifest, service: TargetService, paths: Sequence[Path], folder: StateFolder
) -> Iterator[tuple[Provider, Keys]]:
    redactor = Redactor()
    if service.emulator:
        with running_emulator(paths, folder.emulator) as url:
            yield connected(manifest.service, url, service, redactor), EmulatorKeys()
        return
    client = connected(manifest.service, manifest.service.url or "", service, redactor)
    keys = ManifestKeys(client, redactor, host=service.name)
    keys.learn_all(manifest.models.values())
    try:
        yield client, keys
    finally:
        client.close()
