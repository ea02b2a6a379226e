"""Durable commits: every transaction of SQLite's rollback journal ends with the removal of that journal's file."""

import re
import shutil
from pathlib import Path

from tests.bench.figure import Part, Row, at_most
from tests.bench.manifests import keys, write_data, write_many
from tests.bench.measure import NotMeasuredError, cost_of
from tests.bench.services import retrain, slow_service
from tests.bench.sizes import Sizes

_SIDE_BY_SIDE = 20
_COMMIT = re.compile(r'unlink\w*\(.*journal\.sqlite3-journal"')
_SYNC = re.compile(r"\bf(?:data)?sync\(")


def measure(folder: Path, _sizes: Sizes) -> Part:
    """Count the system calls of a whole run, for one model alone and for several side by side."""
    if shutil.which("strace") is None:
        raise NotMeasuredError("strace is not installed")
    return Part(rows=(_row(folder, 1), _row(folder, _SIDE_BY_SIDE)))


def _row(folder: Path, models: int) -> Row:
    place = folder / str(models)
    place.mkdir()
    write_data(place, models)
    with slow_service(0.5, 1.5) as url:
        run = retrain("run", str(write_many(place, models, url=url)), "--state", str(place / "state"), "-q")
        cost_of(
            ["strace", "-f", "-qq", "-e", "trace=/unlink,fsync,fdatasync", "-o", str(place / "calls"), *run],
            keys(models),
        )
    calls = (place / "calls").read_text(encoding="utf-8").splitlines()
    commits = sum(bool(_COMMIT.search(line)) for line in calls)
    syncs = sum(bool(_SYNC.search(line)) for line in calls)
    return Row(
        what=f"durable commits a model, {models} at once",
        ours=f"{commits / models:.1f} ({commits} in the run, with {syncs} calls of fsync for all its files)",
        value=commits / models,
        target=at_most(15, "at most 15"),
    )
