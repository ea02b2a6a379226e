"""What an upload's owner is told and asked while it is under way."""

from collections.abc import Callable

from msgspec import Struct


class UploadWatch(Struct, frozen=True, kw_only=True):
    """What an upload's owner is told and asked.

    `sent` is told the number of bytes handed over so far, about once a MiB; `may_end` is asked before the last few of
    them leave, and without its leave they do not. `may_repeat` is asked before the request is made once more,
    where it was redirected or refused: whoever answered so may have taken the data.
    """

    sent: Callable[[int], None]
    may_end: Callable[[], bool]
    may_repeat: Callable[[], bool] = lambda: True
