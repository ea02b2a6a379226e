"""What a killed writer left beside its files goes with the next run; nothing else does."""

from pathlib import Path

from runner.journal.folder import StateFolder
from tests.fakes.run_ids import run_id

LOST, NEVER = run_id(1), run_id(2)


def test_hidden_halves_of_killed_writers_are_removed_and_other_files_stay(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    results = state.run_folder(LOST) / "results" / "churn"
    other = state.run_folder("other")
    for folder in (results, other):
        folder.mkdir(parents=True)
    gone = [
        state.root / ".lock.json.a1b2c3d4",
        state.runs / ".latest.4711",
        state.run_folder(LOST) / ".report.json.a1b2c3d4",
        results / "result.download",
        results / ".result.download.a1b2c3d4",
    ]
    kept = [
        state.root / ".gitignore",
        state.journal,
        state.run_folder(LOST) / "report.json",
        results / "result.zip",
        other / ".theirs",
    ]
    for path in (*gone, *kept):
        path.write_bytes(b"")
    state.clear_leftovers([LOST, NEVER])
    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []
