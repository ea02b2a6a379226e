"""`retrain site`: all runs and models as static pages, by the journal and the runs' own reports."""

import hashlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

from msgspec import Struct

from runner.app.site.site_folder import SiteFolder, open_site
from runner.app.state.read_state import reading
from runner.journal.progress import Progress, RunRecord
from runner.journal.state_store import Blobs
from runner.reports.formats.render import render_html
from runner.reports.model_timeline import read_fleet
from runner.reports.run_history import RunHistory, ended_histories
from runner.site.addresses import INDEX, edition, run_path
from runner.site.pages import Page, model_links, site_pages, with_way_back

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
    with reading(state) as (place, links):
        fleet = read_fleet(links)
    pages = list(site_pages(fleet))
    paths = {page.path for page in pages}
    runs = _run_pages(place.blobs, fleet.progress, paths)
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


def _run_pages(blobs: Blobs, progress: Progress, paths: AbstractSet[str]) -> dict[str, Page]:
    """Return the pages of the runs that have ended: their reports, with a way back."""
    return {run_id: _run_page(blobs, run, paths) for run_id, run in progress.runs.items() if run.finished is not None}


def _run_page(blobs: Blobs, run: RunRecord, paths: AbstractSet[str]) -> Page:
    recorded = run.report.files.get(_REPORT) if run.report else None
    models = model_links(run, paths)
    linked = hashlib.sha256("\0".join([*models, *models.values()]).encode(errors="surrogatepass")).hexdigest()
    source = f"{recorded or run.head} {linked} {edition()}"
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
    with reading(state) as (_, links):
        for history in ended_histories(links, lost):
            page = lost[history.run_id]
            yield Page(path=page.path, source=page.source, render=partial(_rendered_report, history, paths))
