"""Whether the files of the checkpoint are those that runs recorded; commands ignore others."""

from collections.abc import Collection, Iterator

from runner.app.state.unrecorded_files import Finding
from runner.journal.checkpoint import FILES, LATEST, file_sha256, read_mark
from runner.journal.progress import RunRecord
from runner.journal.state_store import Blobs

_IGNORED = "commands ignore it and read the whole journal; the next run writes it anew"


def checkpoint_findings(blobs: Blobs, runs: Collection[RunRecord]) -> Iterator[Finding]:
    """Yield which files of the checkpoint no run recorded; a run that was cut off had no time to."""
    if any(run.report is None for run in runs):
        return
    recorded = {run.report.checkpoint: run for run in runs if run.report is not None and run.report.checkpoint}
    for name in FILES:
        if blobs.holds(name) and file_sha256(blobs, name) not in recorded:
            yield Finding(where=blobs.shown(name), what=f"is not as a run recorded it: {_IGNORED}")
    mark = read_mark(blobs)
    run = recorded.get(mark.sha256) if mark is not None else None
    sound = mark is not None and run is not None and run.head == (mark.events, mark.head_sha256)
    if blobs.holds(LATEST) and not (sound and mark is not None and file_sha256(blobs, mark.file) == mark.sha256):
        yield Finding(where=blobs.shown(LATEST), what=f"does not name the checkpoint of a run: {_IGNORED}")
