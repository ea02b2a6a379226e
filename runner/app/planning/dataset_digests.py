"""What a plan needs to know of the data: each dataset's digest, or why it cannot be had."""

from collections.abc import Callable, Iterable

from runner.datasets.digest import Look, digest
from runner.datasets.metadata import DatasetDigest
from runner.datasets.resolve import ResolvedDataset, resolve
from runner.errors import ModelError
from runner.lib.parallel import map_in_threads
from runner.manifest.model import Dataset, Manifest, Model

_READERS = 4  # hashing lets go of the interpreter, so a few files are read side by side

LookFor = Callable[[ResolvedDataset], Look]  # how the files of a dataset are read


def digests(
    manifest: Manifest, models: Iterable[Model], look_for: LookFor | None = None
) -> dict[str, DatasetDigest | ModelError]:
    """Return the digest of every dataset the models use, by the dataset's name; each is read once."""
    names = sorted({model.dataset for model in models})
    found = map_in_threads(lambda name: _digest(manifest.datasets[name], look_for), names, _READERS)
    return dict(zip(names, found, strict=True))


def _digest(dataset: Dataset, look_for: LookFor | None) -> DatasetDigest | ModelError:
    try:
        resolved = resolve(dataset)
        return digest(resolved, look_for(resolved) if look_for else None)
    except ModelError as error:
        return error
