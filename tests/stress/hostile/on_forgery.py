"""Whoever may write the state makes up events whose chain is sound, and notes and folders beside them."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from tests.fakes.forged_journal import forge_all
from tests.stress.hostile.attack import Attack
from tests.stress.hostile.on_state import Scene, forge_noted

_BUG, _STATE_ERROR, _LOST = 70, 7, ("state", "accept-loss", "--reason", "the disk failed")
_READERS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("history",),
    ("report",),
    ("report", "--format", "junit"),
    ("verify",),
    ("plan", "models.yaml"),
    ("site", "public"),
    ("audit", "bundle", "--out", "evidence.zip"),
    ("prune", "--results", "--keep", "1", "--yes"),
    ("reject", "churn", "--reason", "x"),
)
_NESTED: list[Any] = []
for _ in range(200):
    _NESTED = [_NESTED]
_STRANGE: tuple[Any, ...] = (None, True, 7, 1.5, "x", [], ["x"], {}, {"x": {"x": ["x"]}}, "1e999999999", _NESTED)


def _parts_of_another_form(folder: Path, rng: Random) -> Iterator[str]:
    """Put anything into the parts of an event that have no type of their own."""
    scene = Scene(folder)
    place = rng.choice(("manifest", "options", "git", "files", "moved", "sha256", "command", "plan_sha256"))
    value = rng.choice(_STRANGE)

    def change(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for event in events:
            fact = event["fact"]
            if fact["kind"] == "run_started":
                whole = place in ("manifest", "options")
                inside = fact["options" if place in ("command", "plan_sha256") else "manifest"]
                (fact if whole else inside)[place] = value
        return events

    forge_noted(scene.state, change)
    words = rng.choice(_READERS)
    code, said = scene.retrain(*words)
    if code == _BUG or "Traceback" in said:
        yield f"`retrain {' '.join(words)}` ended with {code} by {place} = {str(value)[:40]}: {said[:300]}"
    yield from scene.harm()


def _time_of_no_calendar(folder: Path, rng: Random) -> Iterator[str]:
    scene = Scene(folder)
    at = rng.choice(("2026-13-01T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"))

    def change(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        events[-1]["at"] = at
        return events

    forge_noted(scene.state, change)
    yield from scene.refused(rng.choice(_READERS), names="is not a time")


def _run_that_is_reported_twice(folder: Path, rng: Random) -> Iterator[str]:
    """Forge a report that an anchor holds, by a second end or a second record of the same run behind the anchor."""
    scene = Scene(folder)
    head = scene.links[-1].sha256
    run_id = scene.links[-1].event.run_id
    where = scene.state.run_folder(run_id)
    (where / "report.md").write_text("All models passed. Signed: the board.", encoding="utf-8")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(where.iterdir())}
    begun = msgspec.to_builtins(scene.links[0].event.fact)
    more: list[dict[str, Any]] = [{"kind": "report_written", "files": files}]
    if rng.random() < 0.8:
        more.insert(0, {"kind": "run_finished", "exit_code": 0, "stopped": "lost"})
    if rng.random() < 0.3:
        more.insert(0, {**begun, "tool": {**begun["tool"], "version": "9.9.9"}})

    def change(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*events, *({**events[-1], "fact": fact} for fact in more)]

    forge_noted(scene.state, change)
    words = rng.choice((("verify", "--head", head), ("verify", run_id, "--head", head), ("verify",)))
    yield from scene.refused(words, names=f"at event {len(scene.links) + 1}")


def _folder_of_others(folder: Path, rng: Random) -> Iterator[str]:
    """Let a person who accepts a loss move somebody else's files: the folder of a run is a link to them."""
    scene = Scene(folder)
    run_id = scene.links[-1].event.run_id
    forge_noted(scene.state, lambda events: events[:-1])
    where = scene.state.run_folder(run_id)
    shutil.rmtree(where)
    where.symlink_to(rng.choice((scene.victim, Path("../../../victim"))))
    scene.state.head.unlink()
    code, said = scene.retrain(*_LOST)
    if code not in (0, _STATE_ERROR):
        raise AssertionError(f"the loss was not looked at: {code}, {said}")
    yield from scene.harm()


_NUMBERS = (2**63, 2**64 - 1, 2**70, 10**300)


def _number_without_end(folder: Path, rng: Random) -> Iterator[str]:
    """Let a note or a report name an event whose number no database holds."""
    scene = Scene(folder)
    number = rng.choice(_NUMBERS)
    if rng.random() < 0.5:
        note = msgspec.json.decode(scene.state.head.read_bytes())
        scene.state.head.write_bytes(msgspec.json.encode({**note, "events": 1}).replace(b":1,", b":%d," % number))
    else:
        forge_noted(scene.state, lambda events: events[:-1])
        report = scene.state.run_folder(scene.links[-1].event.run_id) / "report.json"
        report.write_text(f'{{"journal": {{"events": {number}, "head_sha256": "x"}}}}', encoding="utf-8")
    words = rng.choice((("run", "models.yaml", "--emulator"), ("verify",), _LOST, ("status",)))
    code, said = scene.retrain(*words)
    if code == _BUG or "Traceback" in said or "OverflowError" in said:
        yield f"`retrain {words[0]}` ended with {code}: {said[:300]}"


def _manifest_of_the_state(folder: Path, rng: Random) -> Iterator[str]:
    """Bring a manifest within the state, whose key command is run by who reviews, or asks what serves."""
    scene = Scene(folder)
    proof = scene.victim / "proof"
    inside = scene.state.run_folder(scene.links[-1].event.run_id) / "models.yaml"
    text = (scene.folder / "models.yaml").read_text(encoding="utf-8")
    inside.write_text(text.replace("{env: K}", f"{{command: [touch, {proof}]}}"), encoding="utf-8")
    scene.before = scene.outside()
    named = rng.choice(
        (str(inside), str(inside.relative_to(scene.folder)), f"../project/{inside.relative_to(scene.folder)}")
    )
    planned: dict[str, Any] = {
        "kind": "model_planned",
        "action": "retrain",
        "stages": [],
        "reason": "x",
        "policy": "p",
        "policy_sha256": "0" * 64,
        "dataset_sha256": None,
    }

    def change(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        events[-3]["fact"]["paths"] = [named]
        plan = {**events[-3], "model": "churn", "guard": None, "fact": planned}
        return [*events[:-2], plan, *events[-2:]]

    forge_noted(scene.state, change)
    words = rng.choice(
        (
            ("approve", "churn", "--reason", "x", "--yes"),
            ("adopt", "churn", "--metric", "auc=0.5", "--reason", "x", "--yes"),
            ("status", "--refresh"),
        )
    )
    yield from scene.refused(words, names="is in the state folder")


def _first_note_on_a_full_disk(folder: Path, rng: Random) -> Iterator[str]:
    """Let a full disk, or a kill, leave the first note of all empty: nothing was lost by that."""
    scene = Scene(folder)
    shutil.rmtree(scene.state.runs)
    forge_all(scene.state.journal, lambda _: [])
    scene.state.head.write_bytes(b"")
    words = rng.choice((("prune", "--results", "--keep", "1", "--yes"), _LOST))
    code, said = scene.retrain(*words)
    if code == _STATE_ERROR:
        yield f"`retrain {words[0]}` takes an empty first note for a loss: {said[:300]}"


def _note_that_cannot_be_corrected(folder: Path, rng: Random) -> Iterator[str]:
    """Let a loss be accepted while the user's own note, which tells of it, cannot be written."""
    scene = Scene(folder)
    home = folder / "home"
    place = home / "retrain" / "heads" / scene.links[0].sha256
    place.parent.mkdir(parents=True)
    if rng.random() < 0.5:
        place.mkdir()
    else:
        shutil.copy(scene.state.head, place)
        os.link(place, folder / "second")
    scene.state.head.unlink()
    code, said = scene.retrain(*_LOST, environment={"XDG_STATE_HOME": str(home)})
    if code != _STATE_ERROR or str(place) not in said:
        yield f"the loss was accepted with {code}, and the note stays as it is: {said[:300]}"
    if place.is_dir():
        place.rmdir()
    else:
        place.unlink()
    code, said = scene.retrain(*_LOST, environment={"XDG_STATE_HOME": str(home)})
    if code != 0:
        yield f"what the message says does not help: {code}, {said[:300]}"


ATTACKS = (
    Attack(name="parts of events of another form", sentence="S8", play=_parts_of_another_form),
    Attack(name="a time of no calendar", sentence="S1", play=_time_of_no_calendar),
    Attack(name="a number that no database holds", sentence="S8", play=_number_without_end),
    Attack(name="a run that is reported twice", sentence="E6", play=_run_that_is_reported_twice),
    Attack(name="a run's folder that is a link when a loss is accepted", sentence="S2", play=_folder_of_others),
    Attack(name="a manifest within the state", sentence="S9", play=_manifest_of_the_state),
    Attack(name="an empty first note", sentence="L5", play=_first_note_on_a_full_disk),
    Attack(name="a note that cannot be corrected", sentence="L6", play=_note_that_cannot_be_corrected),
)
