"""`retrain site`: all runs and models as static pages, and the folder they are written to."""

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from runner.app.state.read_state import each_reading
from runner.app.state.run_histories import ended_run
from runner.errors import LockedError, RetrainError, UsageError
from runner.journal.progress import Progress, RunRecord
from runner.journal.state_store import Blobs
from runner.lib.atomic_files import publish
from runner.lib.paths import refuse_link_out
from runner.reports.formats.render import render_html
from runner.reports.model_timeline import joined_fleet, read_fleet
from runner.reports.run_history import RunHistory, ended_histories
from runner.site.addresses import INDEX, edition, run_path
from runner.site.pages import Page, model_links, site_pages, with_way_back

LISTING = ".retrain-site.json"
_VERSION = 1
_HALF = re.compile(r"\.(?P<name>.+)\.[0-9a-z_]{8}")  # what a writer that was killed leaves beside the file `name`


# What builds name their pages: the listing is data, and what it names is removed when no build makes it any more.
_Ours = Annotated[
    str,
    Meta(pattern=r"\A((models|runs)/([0-9A-Za-z.-]{1,160}/)?)?index\.html\Z|\Aassets/site\.[0-9a-f]{12}\.(css|js)\Z"),
]


class WriteCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of ours: the SHA-256 of its bytes, and what it was made from; both empty before it is written."""

    sha256: str
    source: str


class _Listing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    site_version: int
    files: dict[_Ours, WriteCounts]


class SiteFolder(Struct, kw_only=True):
    """An open folder; nobody else writes to it meanwhile. `known` has the files that earlier builds left."""

    root: Path
    known: Mapping[str, WriteCounts]
    files: dict[str, WriteCounts] = field(default_factory=dict)
    written: int = 0
    removed: int = 0

    def announce(self, paths: Sequence[str]) -> None:
        """Write down which files are to come, so that a build that is cut off leaves none that nobody knows."""
        unwritten = WriteCounts(sha256="", source="")
        self._clear_halves({*paths, *self.known, LISTING})
        self._list({**dict.fromkeys(paths, unwritten), **self.known})

    def _clear_halves(self, paths: Iterable[str]) -> None:
        """Remove what a build that was killed left beside our files."""
        names: dict[Path, set[str]] = {}
        for place in map(self._place, paths):
            names.setdefault(place.parent, set()).add(place.name)
        for folder, ours in names.items():
            for half in folder.glob(".*"):
                if _is_half(half, ours):
                    half.unlink()

    def put(self, page: Page) -> None:
        """Make a page be in the folder; one that would be the same is neither made nor written."""
        target, known = self._place(page.path), self.known.get(page.path)
        found = _file_sha256(target)
        if known is not None and known.source == page.source and known.sha256 == found:
            self.files[page.path] = known
            return
        content = page.render()
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != found:
            target.parent.mkdir(parents=True, exist_ok=True)
            publish(target, content, lasting=False)  # the next build looks at its digest
            self.written += 1
        self.files[page.path] = WriteCounts(sha256=sha256, source=page.source)

    def close(self) -> None:
        """Remove our files that no build makes any more, and write down which ones there are."""
        for path in self.known.keys() - self.files.keys():
            self._remove(self._place(path))
        self._list(self.files)

    def _remove(self, target: Path) -> None:
        with suppress(FileNotFoundError):
            target.unlink()
            self.removed += 1
        folder = target.parent
        with suppress(OSError):  # it holds other files
            while folder != self.root:
                folder.rmdir()
                folder = folder.parent

    def _place(self, path: str) -> Path:
        """Return the path of a file of the site, which is within the folder, links followed."""
        target = self.root / path
        if not target.resolve().is_relative_to(self.root.resolve()):
            raise UsageError(
                f"{target} leads out of {self.root}, so it is neither written nor removed.",
                hint="Remove the link, or give a new folder.",
            )
        return target

    def _list(self, files: Mapping[str, WriteCounts]) -> None:
        listing = _Listing(site_version=_VERSION, files=dict(sorted(files.items())))
        content = msgspec.json.format(msgspec.json.encode(listing), indent=1) + b"\n"
        target = self.root / LISTING
        if not target.exists() or target.read_bytes() != content:
            publish(target, content)


@contextmanager
def open_site(root: Path) -> Iterator[SiteFolder]:
    """Hold a folder for one build; a new one is made.

    Raises:
        UsageError: it is a file, leads out of its checkout, or has files and was not made by an earlier build.
        LockedError: another build holds it.
        RetrainError: it cannot be written.
    """
    refuse_link_out(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(handle, root)
            yield SiteFolder(root=root, known=_known(root))
        finally:
            os.close(handle)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{error.filename} is a file, not a folder.", hint="Give another folder.") from error
    except OSError as error:
        raise RetrainError(
            f"The site in {root} cannot be written: {error.strerror}.",
            hint="Make room or correct the permissions, then build again; what was written is kept.",
        ) from error


def _lock(handle: int, root: Path) -> None:
    import fcntl  # noqa: PLC0415 -- absent on Windows, which can do all but hold the folder

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(
            f"Another command is building a site in {root}.", hint="Wait until it is done, then build again."
        ) from None


def _known(root: Path) -> Mapping[str, WriteCounts]:
    listing = root / LISTING
    if not listing.exists():
        if not all(_is_half(path, {LISTING}) for path in root.iterdir()):
            raise UsageError(
                f"{root} has files and is not a site that was built before.", hint="Give a new or an empty folder."
            )
        return {}
    try:
        found = msgspec.json.decode(listing.read_bytes(), type=_Listing)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None or found.site_version != _VERSION:
        raise UsageError(
            f"{listing} is not a list of files that this version of retrain reads.",
            hint="Remove the folder and build it again; nothing is lost, it comes from the journal.",
        )
    return found.files


def _is_half(file: Path, names: Collection[str]) -> bool:
    """Return whether a killed writer left a file that was to become one of those names."""
    found = _HALF.fullmatch(file.name)
    return found is not None and found["name"] in names


def _file_sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


_REPORT = "report.html"


class SiteBuild(Struct, frozen=True, kw_only=True):
    """What a build did. `replaced` are the runs whose report was gone or changed and was rendered again."""

    index: Path
    models: int
    runs: int
    written: int
    kept: int
    removed: int
    replaced: tuple[str, ...]


def build_site(state: str, root: Path) -> SiteBuild:
    """Write the site, or bring it up to date: only what changed is written.

    Raises:
        UsageError: there is no journal, or the folder is not one of ours.
        LockedError: another build writes to the folder.
        StateError: the journal is missing, foreign or damaged.
        RetrainError: the folder cannot be written.
    """
    parts = [(place, read_fleet(links)) for place, links in each_reading(state)]
    fleet = joined_fleet([part for _, part in parts])
    pages = list(site_pages(fleet))
    paths = {page.path for page in pages}
    runs = _run_pages({place.address: (place.blobs, part.progress) for place, part in parts}, fleet.progress, paths)
    with open_site(root) as site:
        site.announce([page.path for page in (*pages, *runs.values())])
        replaced = _put_runs(site, state, runs, paths)
        for page in pages:
            site.put(page)
        site.close()
    return SiteBuild(
        index=root / INDEX,
        models=len(fleet.timelines),
        runs=len(fleet.progress.runs),
        written=site.written,
        kept=len(site.files) - site.written,
        removed=site.removed,
        replaced=replaced,
    )


class _LostReportError(Exception):
    """A run's report is not in the state folder as it was recorded."""


def _run_pages(
    parts: Mapping[str, tuple[Blobs, Progress]], progress: Progress, paths: AbstractSet[str]
) -> dict[str, Page]:
    """Return the pages of the runs that have ended: their reports, with a way back."""
    pages = dict[str, Page]()
    for run_id, run in progress.runs.items():
        if run.finished is not None:
            having = [address for address, (_, part) in parts.items() if part.has_run(run_id)]
            blobs = parts[having[0]][0]
            pages[run_id] = _run_page(blobs, run, paths) if len(having) == 1 else _joined_page(having, run, paths)
    return pages


def _joined_page(partitions: Sequence[str], run: RunRecord, paths: AbstractSet[str]) -> Page:
    """Return the page of a run in several partitions, which is in no file."""
    source = f"{run.head} {_linked(model_links(run, paths))} {edition()}"
    return Page(
        path=run_path(run.run_id),
        source=source,
        render=lambda: _rendered_report(ended_run(partitions, run.run_id), paths),
    )


def _linked(models: Mapping[str, str]) -> str:
    return hashlib.sha256("\0".join([*models, *models.values()]).encode(errors="surrogatepass")).hexdigest()


def _run_page(blobs: Blobs, run: RunRecord, paths: AbstractSet[str]) -> Page:
    recorded = run.report.files.get(_REPORT) if run.report else None
    models = model_links(run, paths)
    source = f"{recorded or run.head} {_linked(models)} {edition()}"
    content = partial(_recorded_report, blobs, f"runs/{run.run_id}/{_REPORT}", recorded, models)
    return Page(path=run_path(run.run_id), source=source, render=content)


def _recorded_report(blobs: Blobs, name: str, sha256: str | None, models: Mapping[str, str]) -> bytes:
    try:
        with blobs.open(name) as stream:
            content = stream.read()
    except OSError:
        raise _LostReportError from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _LostReportError
    return with_way_back(content, models)


def _put_runs(site: SiteFolder, state: str, runs: dict[str, Page], paths: AbstractSet[str]) -> tuple[str, ...]:
    """Put the runs' pages into the site, and return the runs whose pages had to be rendered from the journal."""
    lost: dict[str, Page] = {}
    for run_id, page in runs.items():
        try:
            site.put(page)
        except _LostReportError:
            lost[run_id] = page
    for page in _rendered(state, lost, paths) if lost else ():
        site.put(page)
    return tuple(lost)


def _rendered_report(history: RunHistory, paths: AbstractSet[str]) -> bytes:
    return with_way_back(render_html(history), model_links(history.record, paths))


def _rendered(state: str, lost: dict[str, Page], paths: AbstractSet[str]) -> Iterator[Page]:
    for _, links in each_reading(state):
        for history in ended_histories(links, lost):
            page = lost[history.run_id]
            yield Page(path=page.path, source=page.source, render=partial(_rendered_report, history, paths))
