"""What an upload's owner is told and asked while it is under way."""

from collections.abc import Callable

from msgspec import Struct


class UploadWatch(Struct, frozen=True, kw_only=True):
    """What an upload's owner is told and asked.

    `sent` is told the number of bytes handed over so far, about once a MiB; `may_end` is asked before the last few of
    them leave, and without its leave they do not.
    """

    sent: Callable[[int], None]
    may_end: Callable[[], bool]
