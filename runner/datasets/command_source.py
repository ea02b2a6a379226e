"""What a command prints as a source of data: started as the commands that print keys are, its output kept for this run.

A warehouse is asked so. What the command says of a version, if one is named, spares starting it for data that is known.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from runner.datasets.source import MOST_BYTES, Copy, DataAccess, Fingerprint, FoundFiles, RemoteReadError, refused
from runner.manifest.model import Source

SECONDS = 60 * 60  # for the data
_VERSION_SECONDS = 60
_MOST_VERSION = 1024  # bytes


class CommandOutput(Struct, frozen=True, kw_only=True):
    """What a command prints; it is started when somebody reads it or asks for its size, and once a run."""

    argv: tuple[str, ...]
    folder: Path
    shown: str
    stamp: str | None
    access: DataAccess

    @property
    def name(self) -> str:
        """Return a name for it, because a command has no name."""
        return "data.csv"

    @property
    def local(self) -> None:
        """Return that it is on no disk under a name."""
        return

    @property
    def outside(self) -> bool:
        """Return that what it prints may be shown: whoever may start programs is trusted more than with that."""
        return False

    @property
    def version(self) -> str | None:
        """Return what its version command printed."""
        return None if self.stamp is None else f"version {self.stamp}"

    @property
    def content_id(self) -> tuple[int | str, ...] | None:
        """Return the command with what its version command printed."""
        return None if self.stamp is None else ("command", *self.argv, self.stamp)

    def open(self) -> BinaryIO:
        """Open what it printed."""
        return self._copy().open()

    def size(self) -> int:
        """Return how much it printed, in bytes."""
        return self._copy().size

    def fingerprint(self) -> Fingerprint:
        """Return what stays the same in this run."""
        return Fingerprint(("command", str(self.folder), *self.argv, self.stamp or ""))

    def _copy(self) -> Copy:
        return self.access.once(self.fingerprint(), lambda: self.access.copy(self._print))

    def _print(self, out: BinaryIO) -> None:
        _run(self.folder, self.argv, SECONDS, MOST_BYTES, out.write)


class CommandSource:
    """Commands of the manifest."""

    def find(self, source: Source, access: DataAccess) -> FoundFiles:
        """Return the output of the command; only its version command is started."""
        if not access.starts_commands:
            raise refused(
                source.shown,
                "is not known: this command starts no program that a manifest names",
                "Run `retrain plan --refresh` to start it; `retrain run` starts it too.",
            )
        printed = CommandOutput(
            argv=source.command or (),
            folder=source.folder,
            shown=source.shown,
            stamp=_stamp(source),
            access=access,
        )
        return FoundFiles(files=[printed])


def _stamp(source: Source) -> str | None:
    """Return what the version command prints, if there is such a command."""
    if source.version_command is None:
        return None
    printed = bytearray()
    try:
        _run(source.folder, source.version_command, _VERSION_SECONDS, _MOST_VERSION, printed.extend)
    except RemoteReadError as error:
        raise refused(source.shown, f"has no version: {error.strerror}", error.hint) from None
    text = printed.decode("utf-8", errors="replace").strip()
    if not text or not text.isprintable():
        raise refused(
            source.shown,
            f"has no version: the command `{source.version_command[0]}` printed nothing, or more than one line",
            "Let it print one line that changes with the data and contains no secret.",
        )
    return text


def _run(folder: Path, argv: tuple[str, ...], seconds: float, most: int, take: Callable[[bytes], object]) -> None:
    """Start a command; what it prints is shown nowhere.

    Raises:
        RemoteReadError: it did not end well, or printed too much.
    """
    from runner.lib.programs import (  # noqa: PLC0415 -- slow to load, and few manifests have such data
        COMMAND_VARIABLES,
        CommandTimeoutError,
        TooMuchOutputError,
        run_command,
    )

    what = f"the command `{argv[0]}`"
    try:
        code = run_command(argv, folder, seconds=seconds, most=most, take=take)
    except CommandTimeoutError:
        hint = "Call it by hand; it must not wait for input."
        raise RemoteReadError(f"{what} did not end within {seconds:.0f} seconds", hint) from None
    except TooMuchOutputError:
        reason = f"{what} printed more than {most:,} bytes and was stopped"
        raise RemoteReadError(reason, "Let it print less.") from None
    except OSError as error:
        raise RemoteReadError(
            f"{what} cannot be started ({error.strerror})", "Install it, or check its name."
        ) from None
    if code != 0:
        hint = (
            "Call it by hand to see why; its output is not shown. Name the variables that it needs in "
            f"{COMMAND_VARIABLES}: it sees few others."
        )
        raise RemoteReadError(f"{what} ended with the exit code {code}", hint)
