"""The sample data of `retrain init`, which no model of anybody's customers may be trained on."""

from functools import cache
from hashlib import sha256
from itertools import product

from runner.app.init import sample_files
from runner.datasets.joined_stream import BOM
from runner.datasets.metadata import FileMetadata
from runner.errors import Kind, ModelError


def refuse_sample_data(train: FileMetadata, evaluation: FileMetadata | None) -> None:
    """Refuse data of which a file has the content of one that `retrain init` lays out.

    Raises:
        ModelError: of kind `data`.
    """
    for file in (train, evaluation):
        if file is not None and file.sha256 in _sample_digests():
            raise ModelError(
                Kind.DATA,
                f"{file.source} is the sample data that `retrain init` lays out: customers who do not exist. "
                "Only a run with `--emulator` trains on it.",
                hint="Name your own data under `datasets`, or run with `--emulator`.",
            )


@cache
def _sample_digests() -> frozenset[str]:
    """Return the digests of the sample files, also as git or an editor may have rewritten them."""
    forms = product(sample_files(), (b"", BOM), (b"\n", b"\r\n"))
    return frozenset(sha256(mark + text.replace(b"\n", end)).hexdigest() for text, mark, end in forms)
