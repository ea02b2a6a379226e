"""Whether a file's content is worth a seal beside its digest."""

from runner.datasets.resolve import ResolvedFile
from runner.datasets.source import DataFile, unreadable
from runner.lib.checksums import worth_a_seal


def is_worth_a_seal(file: ResolvedFile) -> bool:
    """Tell whether the file is so large that reading it again is cheaper with a seal.

    Raises:
        ModelError: of kind `data`, when a part has gone.
    """
    return worth_a_seal(sum(_size(part) for part in file.parts))


def _size(part: DataFile) -> int:
    try:
        return part.size()
    except OSError as error:
        raise unreadable(part, error) from error
