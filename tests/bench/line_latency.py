"""A state in an object store that is far away, against a folder: runs, a cold status, and a run after a kill."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

from runner.app.state.open_state import open_state
from runner.journal.checkpoint import LATEST, read_mark
from tests.bench.figure import Part, Row, at_most, ratio, sample
from tests.bench.manifests import keys, write_data, write_many
from tests.bench.measure import ROOT, Cost, NotMeasuredError, cost_of, in_turn
from tests.bench.services import retrain, script, slow_service
from tests.bench.sizes import Sizes
from tests.fakes.unreliable_s3 import S3Server

_FLEET = 60
_FAR_S, _NEAR_S = 0.045, 0.02  # that the store takes to answer
_LEASE_S = 10
_COMMIT = 40  # events
_NIGHT = 10  # events of a model that is trained and switched
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


def measure(folder: Path, sizes: Sizes) -> Part:
    """Run a fleet and one model in turn with both states; ask a fresh machine; kill a run and start the next one."""
    os.environ.update(_CREDENTIALS)  # the bench itself writes the long journal
    return Part(rows=(*_runs(folder, sizes), _cold_status(folder, sizes), _takeover(folder)))


def _runs(folder: Path, sizes: Sizes) -> tuple[Row, Row]:
    found = dict[int, tuple[list[float], list[float]]]()
    for models in (_FLEET, 1):
        place = folder / f"{models}"
        place.mkdir()
        write_data(place, models)
        with S3Server(delay_s=_FAR_S).serving() as store, slow_service(0, 0) as url:
            manifest = write_many(place, models, url=url, parallel=models)
            run = partial(_first_run, store, manifest, models)
            sides = [partial(run, str(place / "state")), partial(run, store.address("prod"))]
            costs = in_turn(sides, rounds=sizes.rounds)
        found[models] = ([cost.seconds for cost in costs[0]], [cost.seconds for cost in costs[1]])
    near, far = found[_FLEET]
    times = ratio(far, near)
    fleet = Row(
        what=f"`retrain run` of {_FLEET} models, the state {1000 * _FAR_S:.0f} ms away",
        ours=str(sample(far, "s")),
        peer=f"in a folder: {sample(near, 's')}",
        ratio=f"{times} the time",
        value=times.median,
        target=at_most(2, "at most 2x"),
    )
    near, far = found[1]
    more = sample([ours - theirs for ours, theirs in zip(far, near, strict=True)], "s")
    one = Row(
        what=f"of one model, the state {1000 * _FAR_S:.0f} ms away",
        ours=str(sample(far, "s")),
        peer=f"in a folder: {sample(near, 's')}",
        ratio=f"{more} more",
        value=more.median,
        target=at_most(1, "at most 1 s more"),
    )
    return fleet, one


def _first_run(store: S3Server, manifest: Path, models: int, state: str) -> Cost:
    """Run all models from an empty state, on a machine that knows nothing of it."""
    home = manifest.parent / "home"
    for made in (home, Path(state)):
        shutil.rmtree(made, ignore_errors=True)
    home.mkdir()
    store.objects.clear()
    _begin(store, state)
    return cost_of(retrain("run", str(manifest), "--state", state, "-q"), {**keys(models), **_machine(home)})


def _begin(store: S3Server, state: str) -> None:
    """Begin a state elsewhere, without waiting for the way to it."""
    if "://" in state:
        delay, store.delay_s = store.delay_s, 0.0
        open_state(state).begin()
        store.delay_s = delay


def _machine(home: Path) -> Mapping[str, str]:
    return {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **_CREDENTIALS}


def _cold_status(folder: Path, sizes: Sizes) -> Row:
    """Ask a machine that knows nothing of a long journal, in packs and loose commits, with its checkpoint."""
    models = min(100, sizes.models)
    nights = max(sizes.events // (models * _NIGHT), 1)
    place = folder / "long"
    place.mkdir()
    cost_of(script("make_state", "history", str(place), str(models), str(nights)))
    with S3Server().serving() as store:
        address = store.address("prod")
        events = _copied(place / "state", address)
        store.delay_s = _NEAR_S
        home = place / "home"

        def ask() -> Cost:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            return cost_of(retrain("status", "--state", address), _machine(home))

        (costs,) = in_turn([ask], rounds=sizes.rounds)
    seconds = sample([cost.seconds for cost in costs], "s")
    return Row(
        what=f"`retrain status` of a fresh machine, {events:,} events {1000 * _NEAR_S:.0f} ms away",
        ours=str(seconds),
        value=seconds.median,
        target=at_most(2, "at most 2 s"),
    )


def _copied(source: Path, address: str) -> int:
    """Copy journal and checkpoint as a long life leaves them; return the number of events."""
    near, far = open_state(str(source)), open_state(address)
    far.begin()
    log, into = near.read_log(), far.open_log()
    if log is None:
        raise NotMeasuredError("the long journal was not made")
    links = log.read()
    for _ in into.read():
        pass
    while commit := list(islice(links, _COMMIT)):
        into.take_over(commit)
    mark = read_mark(near.blobs)
    for name in (LATEST, mark.file if mark else LATEST):
        with near.blobs.open(name) as file:
            far.blobs.put(name, file)
    events = into.head[0]
    into.close()
    log.close()
    return events


def _takeover(folder: Path) -> Row:
    """Kill a run while its model trains, start the next one at once, and see when that writes its first event."""
    place = folder / "killed"
    place.mkdir()
    write_data(place, 1)
    with S3Server(delay_s=_FAR_S).serving() as store, slow_service(600, 600) as url:
        address = store.address("prod", f"&lease={_LEASE_S}s")
        _begin(store, address)
        manifest = write_many(place, 1, url=url)
        first = _start(manifest, address, place / "first")
        _wait(lambda: len(store.names("prod/p/0000/journal/")) > 5, "the first run to upload")
        first.kill()
        first.wait()
        killed, known = time.monotonic(), len(store.names("prod/p/0000/journal/"))
        second = _start(manifest, address, place / "second", "--lock-timeout", "2m")
        _wait(lambda: len(store.names("prod/p/0000/journal/")) > known, "the second run to begin")
        seconds = time.monotonic() - killed
        second.kill()
        second.wait()
    return Row(
        what=f"from `kill -9` to the next run's first event, lease of {_LEASE_S} s",
        ours=f"{seconds:.1f} s",
        value=seconds,
        target=at_most(_LEASE_S + 10, "at most 10 s more than the lease"),
    )


def _start(manifest: Path, address: str, home: Path, *options: str) -> subprocess.Popen[bytes]:
    home.mkdir()
    return subprocess.Popen(
        retrain("run", str(manifest), "--state", address, "-q", *options),
        cwd=ROOT,
        env={**os.environ, **keys(1), **_machine(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait(until: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 120
    while not until():
        if time.monotonic() > end:
            raise NotMeasuredError(f"waited for {what} for 2 minutes")
        time.sleep(0.02)
