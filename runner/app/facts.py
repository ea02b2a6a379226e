"""What a plan needs to know of the data: each dataset's digest, or why it cannot be had."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from runner.data.digest import digest
from runner.data.facts import DatasetDigest
from runner.data.resolve import resolve
from runner.errors import ModelError
from runner.manifest.model import Dataset, Manifest, Model

_READERS = 4  # hashing lets go of the interpreter, so a few files are read side by side


def digests(manifest: Manifest, models: Iterable[Model]) -> dict[str, DatasetDigest | ModelError]:
    """Return the digest of every dataset the models use, by the dataset's name; each is read once."""
    names = sorted({model.dataset for model in models})
    with ThreadPoolExecutor(_READERS, thread_name_prefix="digest") as readers:
        found = readers.map(lambda name: _digest(manifest.datasets[name]), names)
        return dict(zip(names, found, strict=True))


def _digest(dataset: Dataset) -> DatasetDigest | ModelError:
    try:
        return digest(resolve(dataset))
    except ModelError as error:
        return error
