"""What was read of files in this run: each file once, its digest, its check."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from threading import Lock, Semaphore

from msgspec.structs import replace

from runner.datasets.check import Checked, HandOver, check_file, needs_fast_checksum
from runner.datasets.joined_stream import content
from runner.datasets.metadata import DatasetDigest, FileMetadata
from runner.datasets.resolve import ResolvedDataset, ResolvedFile
from runner.datasets.row_overlap import RowOverlap, row_overlap
from runner.datasets.source import DataAccess, DataFile, Fingerprint, unreadable
from runner.errors import Kind, ModelError
from runner.lib import canonical_json as canonical
from runner.lib.checksums import Checksum, sum_of

READERS = 4  # files that are read side by side: hashing lets go of the interpreter
_SECOND = 10**9  # ns
_FINE = _SECOND // 20  # kernels stamp files by a clock that ticks every 1 to 10 ms
_COARSE = 2 * _SECOND  # for file systems that keep whole seconds, or every second one

Identity = tuple[Fingerprint, ...]  # of each part


class FileCache:
    """Reads files and remembers what was found; safe to use from many threads, which wait for each other's file.

    `access` is what it may do to get at them.
    """

    def __init__(self, access: DataAccess | None = None) -> None:
        self.access = access or DataAccess()
        self._lock = Lock()
        self._reading = Semaphore(READERS)
        self._recorded: dict[str, Checksum] = {}  # by what names the content on every machine
        self._known: dict[tuple[tuple[DataFile, ...], str], _Known] = {}
        self._overlaps: dict[tuple[str, str], RowOverlap] = {}  # by the SHA-256 of both

    def know(self, recorded: Mapping[str, Checksum]) -> None:
        """Take in the sums of contents that were read before, by `content_id`: they are not read for their digest."""
        self._recorded.update(recorded)

    def knows(self, file: ResolvedFile) -> bool:
        """Return whether the file's digest is known without reading it."""
        return file.content_id in self._recorded

    def metadata(self, file: ResolvedFile) -> FileMetadata:
        """Return the file's digest and length.

        Raises:
            ModelError: of kind `data`, when the system will not read the file.
        """
        content_id = file.content_id
        total = self._recorded.get(content_id or "")
        if total is None:
            known = self._of(file)
            with known.lock, self._reading:
                total, content_id = known.sum_now()
        return FileMetadata(
            source=file.source,
            sha256=total.sha256,
            bytes=total.bytes,
            fast_checksum=total.fast_checksum,
            version=file.version,
            content_id=content_id,
        )

    def checked(
        self, file: ResolvedFile, target: str | None, most_labels: int, hand_over: HandOver | None = None
    ) -> Checked:
        """Return the file's digest, its structure, and the values of the target column when one is named.

        All who ask for the same get the same object. `most_labels` is how many classes a text target may have. With
        `hand_over` the file is read whatever is known of it, and each block is handed over.

        Raises:
            ModelError: of kind `data`, when the system will not read the file.
        """
        known = self._of(file)
        with known.lock, self._reading if hand_over is None else nullcontext():  # who takes blocks may be slow
            return known.checked_now(target, most_labels, hand_over)

    def overlap(
        self, train: ResolvedFile, trained: Checked, evaluation: ResolvedFile, evaluated: Checked
    ) -> RowOverlap:
        """Return which rows two checked files have in common.

        Raises:
            ModelError: of kind `data`, when the system will not read a file.
        """
        contents = trained.file.sha256, evaluated.file.sha256
        with self._lock:
            known = self._overlaps.get(contents)
        if known is None:
            known = row_overlap(train, trained, evaluation, evaluated)
            with self._lock:
                self._overlaps[contents] = known
        return known

    def _of(self, file: ResolvedFile) -> "_Known":
        with self._lock:
            return self._known.setdefault((file.parts, file.delimiter), _Known(file))


class _Known:
    """What is known of one file while its identity stays the same; the lock is held by who asks."""

    def __init__(self, file: ResolvedFile) -> None:
        self.lock = Lock()
        self._file = file
        self._identity: Identity | None = None
        self._sum: Checksum | None = None
        self._content_id: str | None = None  # of what has that sum
        self._checked: dict[tuple[str | None, int], Checked] = {}  # by the target that was looked at, and its limit

    def sum_now(self) -> tuple[Checksum, str | None]:
        """Return the file's sum, and what names its content where that is sure."""
        began, identity, content_id = time.time_ns(), self._look(), self._file.content_id
        if self._sum is not None:
            return self._sum, self._content_id
        total = sum_of(content(self._file), fast=needs_fast_checksum(self._file))
        if not self._may_keep(identity, began):
            return total, None
        self._sum, self._content_id = total, content_id
        return total, content_id

    def checked_now(self, target: str | None, most_labels: int, hand_over: HandOver | None = None) -> Checked:
        began, identity, content_id = time.time_ns(), self._look(), self._file.content_id
        wanted = target, most_labels
        if hand_over is None and wanted in self._checked:
            return self._checked[wanted]
        known = self._sum if hand_over is None else None
        found = check_file(self._file, target, most_labels, known=known, hand_over=hand_over)
        if not self._may_keep(identity, began):
            # the sum is that of another content by now
            found = check_file(self._file, target, most_labels) if known else found
            return _named(found, None)
        found, self._content_id = _named(found, content_id), content_id
        self._sum = Checksum(sha256=found.file.sha256, bytes=found.file.bytes, fast_checksum=found.file.fast_checksum)
        self._checked[wanted] = found
        return found

    def _look(self) -> Identity:
        """Return the identity of the file now, and forget what was known of another."""
        now = tuple(_identity_of(part) for part in self._file.parts)
        if now != self._identity:
            self._identity, self._sum = now, None
            self._checked.clear()
        return now

    def _may_keep(self, before: Identity, began: int) -> bool:
        """Return whether a change of the file since the reading began shows, or would show later."""
        return self._look() == before and _settled(before, began)


def _named(found: Checked, content_id: str | None) -> Checked:
    return replace(found, file=dataclasses.replace(found.file, content_id=content_id))


def _settled(identity: Identity, now: int) -> bool:
    """Return whether a change made at `now` would get another time than the file has."""
    stamps = [stamp for part in identity for stamp in part.times]
    if not stamps:
        return True
    tick = _FINE if any(stamp % _SECOND for stamp in stamps) else _COARSE
    return max(stamps) + tick <= now


def _identity_of(part: DataFile) -> Fingerprint:
    try:
        return part.fingerprint()
    except OSError as error:
        raise unreadable(part, error) from error


_SHOWN_DIGITS = 12


Look = Callable[[ResolvedFile], FileMetadata]


def digest(resolved: ResolvedDataset, look: Look | None = None) -> DatasetDigest:
    """Read the dataset's files once and compare them with the manifest's pins.

    Args:
        resolved: the files.
        look: how a file is read, where something is remembered of it or more is wanted than its digest.

    Raises:
        ModelError: of kind `data`: a file cannot be read, or is not the one that is pinned.
    """
    look = look or FileCache().metadata
    train = _metadata(resolved.train, look)
    evaluation = _metadata(resolved.eval, look) if resolved.eval else None
    files = filter(None, (resolved.train, resolved.eval))
    remarks = tuple(f"{file.source}: {remark}" for file in files for remark in file.remarks)
    sha256 = dataset_sha256(train, evaluation)
    return DatasetDigest(train=train, eval=evaluation, sha256=sha256, remarks=remarks)


def dataset_sha256(train: FileMetadata, evaluation: FileMetadata | None) -> str:
    """Return the digest over both contents; file names and places do not enter."""
    return canonical.digest({"train": train.sha256, "eval": evaluation.sha256 if evaluation else None})


def refuse_unpinned(file: ResolvedFile, sha256: str) -> None:
    """Raise ModelError of kind `data` when the manifest pins another content."""
    if file.pin is not None and file.pin != sha256:
        raise ModelError(
            Kind.DATA,
            f"{file.source} has the SHA-256 {sha256[:_SHOWN_DIGITS]}, "
            f"but the manifest pins {file.pin[:_SHOWN_DIGITS]}.",
            hint="Restore the pinned file, or change the pin after looking at the new data.",
        )


def changed(source: str) -> ModelError:
    """Return the error for data that is no longer what it was when the run looked first."""
    return ModelError(
        Kind.DATA,
        f"{source} changed while the run was at work.",
        hint="Nothing was trained; run again when the file is complete.",
    )


def _metadata(file: ResolvedFile, look: Look) -> FileMetadata:
    found = look(file)
    refuse_unpinned(file, found.sha256)
    return FileMetadata(
        source=found.source,
        sha256=found.sha256,
        bytes=found.bytes,
        version=found.version,
        content_id=found.content_id,
    )
