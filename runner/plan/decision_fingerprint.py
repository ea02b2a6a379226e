"""What of the manifest a decision is bound to, beside its policy: where the model lives and what it is trained on."""

from typing import Any

from runner.lib.canonical_json import digest
from runner.manifest.model import (
    CommandKey,
    Dataset,
    EnvKey,
    FetchedKey,
    FileKey,
    KeyringKey,
    KeySource,
    Manifest,
    Model,
)


def binding(manifest: Manifest, model: Model) -> dict[str, str]:
    """Return a digest for each bound part, by the name a user knows it under.

    Folders do not count, so that the same manifest in another checkout is the same.
    """
    return {
        "api_key": digest(_source(model.api_key)),
        "dataset": digest(_patterns(manifest.datasets[model.dataset])),
    }


def _source(key: KeySource) -> list[str]:
    match key:
        case EnvKey():
            return ["env", key.name]
        case FileKey():
            return ["file", key.path.name]
        case CommandKey():
            return ["command", *key.argv]
        case KeyringKey():
            return ["keyring", key.service, key.username]
        case FetchedKey():
            return ["secret_key", str(key.model_id), *_source(key.secret_key)]


def _patterns(dataset: Dataset) -> list[Any]:
    sources = (dataset.train, dataset.eval)
    return [None if source is None else [source.pattern, source.pick] for source in sources]
