"""Attacks on what `retrain prune` removes, and disks and memory that do not suffice."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from runner.journal.events import Draft, PrunedFile, ResultDownloaded, ResultsPruned
from runner.journal.store import open_store
from tests.acceptance.contract.contract_project import Finished, judged
from tests.fakes import preloaded
from tests.fakes.forged_journal import Change, forge
from tests.fakes.run_ids import run_id
from tests.fakes.world import ONE_MODEL, World
from tests.stress.hostile.attack import Attack

_AT = "2026-03-02T00:00:00.000000Z"
_RUNS = 5
_FORGED = 99


def _retrain(state: Path, *words: str) -> Finished:
    words = (*words, "--state", str(state))
    return judged(preloaded.retrain(words, folder=state.parent, environment={"HOME": str(state.parent)}))


def _prune(state: Path) -> Finished:
    return _retrain(state, "prune", "--results", "--keep", "0", "--yes")


def _scene(folder: Path, *, serving: bool = True) -> tuple[World, list[ResultDownloaded]]:
    """Return a state after some trainings, and the results that nothing needs any more, oldest first."""
    world = World(folder, ONE_MODEL)
    world.service.metrics = {"AUC": "0.95" if serving else "0.1"}
    for number in range(_RUNS):
        world.write_data(str(number))
        world.run()
    unneeded = [result.fact for result in world.progress().results.values()][: _RUNS - 2]
    assert len(unneeded) == _RUNS - 2
    return world, unneeded


def _append(world: World, *drafts: Draft) -> int:
    """Write events as somebody who owns the state can, and return the number of the last one."""
    store = open_store(world.state)
    list(store.read())
    links = store.append(drafts)
    store.close()
    return links[-1].event.seq


def _record(fact: ResultDownloaded) -> Draft:
    pruned = PrunedFile(path=fact.path, sha256=fact.sha256, bytes=fact.bytes, retrain_job_id=fact.retrain_job_id)
    return Draft(
        at=_AT, run_id=run_id(_FORGED), model=None, fact=ResultsPruned(files=(pruned,), by="nobody", why="forged")
    )


def _links(folder: Path, rng: Random) -> Iterator[str]:
    """A link is where a result, or a folder above it, is to be removed; behind it are the bytes of the result."""
    for levels_above in (0, rng.randint(1, 3)):
        yield from _linked(folder / str(levels_above), rng, levels_above)


def _linked(folder: Path, rng: Random, levels_above: int) -> Iterator[str]:
    folder.mkdir()
    world, unneeded = _scene(folder)
    fact = rng.choice(unneeded)
    place = world.state.root / fact.path
    outside = folder / "outside"
    step = [place, *place.parents][levels_above]
    shutil.move(step, outside)
    step.symlink_to(outside)
    behind = outside / place.relative_to(step)
    assert place.read_bytes() == behind.read_bytes()
    ended = _prune(world.state.root)
    if not behind.is_file():
        yield f"{behind} was removed through a link"
    if fact.path in world.progress().removed:
        yield f"{fact.path} is recorded as removed, though a link is there"
    if ended.code != 7:
        yield f"prune ended with {ended.code}: {ended.err}"


def _altered(folder: Path, rng: Random) -> Iterator[str]:
    """A result is swapped or taken away before the prune, so that nobody may find it later."""
    world, unneeded = _scene(folder)
    fact = rng.choice(unneeded)
    place = world.state.root / fact.path
    taken = rng.random() < 0.5
    if taken:
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[:-1] + bytes([rng.randrange(256)]) + b"x")
    ended = _prune(world.state.root)
    if ended.code != 7:
        yield f"prune ended with {ended.code}: {ended.err}"
    if not taken and not place.exists():
        yield f"{place} was removed, though it is not the recorded file"
    found = _retrain(world.state.root, "verify")
    if found.code != 7 or fact.path not in found.out:
        yield f"verify no longer finds what happened to {fact.path}: {found.out}"


def _killed(folder: Path, rng: Random) -> Iterator[str]:
    """A prune is killed after its record, before or amid its removals."""
    world, unneeded = _scene(folder)
    for fact in unneeded:
        _append(world, _record(fact))
    for fact in rng.sample(unneeded, k=rng.randrange(len(unneeded))):
        (world.state.root / fact.path).unlink()
    found = _retrain(world.state.root, "verify")
    if any(fact.path in line and "note" not in line for fact in unneeded for line in found.out.splitlines()):
        yield f"verify takes an interrupted prune for a loss: {found.out}"
    ended = _prune(world.state.root)
    left = [fact.path for fact in unneeded if (world.state.root / fact.path).exists()]
    if ended.code or left:
        yield f"the next prune ended with {ended.code} and left {left}: {ended.err}"


def _once(old: str, new: str, *, everywhere: bool) -> Change:
    """Return what puts another path into the first event that names one, or into that and each record of a removal."""
    seen: list[str] = []

    def change(event: dict[str, Any]) -> None:
        fact = event["fact"]
        if fact["kind"] == "result_downloaded" and fact["path"] == old and not seen:
            fact["path"] = new
            seen.append(old)
        elif fact["kind"] == "results_pruned" and everywhere:
            fact["files"][0]["path"] = new

    return change


def _foreign(folder: Path, rng: Random) -> Iterator[str]:
    """The journal says that a file was stored, or is removed, that no run can have stored."""
    world, unneeded = _scene(folder)
    victim = folder / "victim.zip"
    shutil.copy(world.state.root / unneeded[0].path, victim)
    forms = ["../victim.zip", str(victim), f"runs/{run_id(1)}/../../../victim.zip"]
    path = rng.choice(forms)
    aim = world.state.root / path
    if not aim.exists():
        shutil.copy(victim, aim)
    fact, recorded = unneeded[0], rng.random() < 0.5
    _append(world, Draft(at=_AT, run_id=run_id(1), model="m", fact=fact))  # so that nothing needs the first of the two
    if recorded:
        _append(world, _record(fact))
    forge(world.state.journal, _once(fact.path, path, everywhere=recorded))
    _prune(world.state.root)
    if not aim.exists():
        yield f"{path} was removed"


def _hidden(folder: Path, rng: Random) -> Iterator[str]:
    """A result is taken away, and a record that it was pruned is appended to the journal."""
    world, unneeded = _scene(folder)
    assert _prune(world.state.root).code == 0
    world.write_data("more")
    world.run()
    kept = [fact for fact in (result.fact for result in world.progress().results.values()) if fact not in unneeded]
    fact = rng.choice(kept[:-1])
    head = _head(world)
    (world.state.root / fact.path).unlink()
    seq = _append(world, _record(fact))
    lines = [
        line
        for line in _retrain(world.state.root, "verify", "--head", head).out.splitlines()
        if f"event {seq} " in line
    ]
    if not any("no anchor holds this record" in line for line in lines):
        yield f"nothing tells that the record {seq} came after the head that was kept: {lines}"


def _head(world: World) -> str:
    progress = world.progress()
    assert progress.head is not None
    return progress.head[1]


def _needed(folder: Path, rng: Random) -> Iterator[str]:
    """Everything is to be removed, at every place where a model can be."""
    serving = rng.random() < 0.5
    world, _ = _scene(folder, serving=serving)
    if serving and rng.random() < 0.5:
        world.service.metrics = {"AUC": "0.1"}
        world.write_data("held")
        world.run()
    world.run()  # nothing is new to it, so its being the newest run keeps no result
    model = world.model()
    needed = [job.result.path for job in (model.incumbent, model.last) if job is not None and job.result is not None]
    assert needed
    ended = _prune(world.state.root)
    if ended.code:
        yield f"prune ended with {ended.code}: {ended.err}"
    yield from (f"{path} was removed" for path in needed if not (world.state.root / path).is_file())


ATTACKS = (
    Attack(name="prune_follows_a_link", sentence="P1", play=_links),
    Attack(name="prune_removes_a_foreign_file", sentence="P1", play=_foreign),
    Attack(name="prune_is_killed", sentence="P2", play=_killed),
    Attack(name="prune_hides_a_loss", sentence="P3", play=_altered),
    Attack(name="a_forged_record_hides_a_loss", sentence="P4", play=_hidden),
    Attack(name="prune_takes_what_is_needed", sentence="P5", play=_needed),
)
