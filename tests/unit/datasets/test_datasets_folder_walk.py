from glob import glob
from pathlib import Path

import pytest

from runner.datasets import local_source
from runner.datasets.local_source import TooMuchError, matching

FILES = ("a.csv", "b.tsv", "[x].csv", "in/a.csv", "in/deep/a.csv", "in/deep/b.csv", ".hidden/a.csv", "in/.a.csv")
PATTERNS = (
    *("*.csv", "in/*.csv", "**/*.csv", "**", "in/**", "in/**/deep/*", "**/**/a.csv", "?n/a.csv", "[[]x].csv"),
    *(".*/*.csv", "in/.*", "../*/in/*.csv", "none/*", "*/a.csv"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_finds_the_files_that_a_shell_finds(folder: Path, pattern: str, absolute: bool) -> None:
    wanted = f"{folder}/{pattern}" if absolute else pattern
    found = [path for path in matching(wanted, folder) if path.is_file()]
    names = glob(wanted, root_dir=folder, recursive=True)  # noqa: PTH207 -- the one to compare with
    assert found == sorted({folder / name for name in names if (folder / name).is_file()})


def test_two_stars_go_through_no_link_and_one_does(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert {str(path.relative_to(folder)) for path in matching("**/b.csv", folder)} == {"in/deep/b.csv"}
    assert matching("l*/a.csv", folder) == [folder / "loop/a.csv"]


def test_more_than_it_may_look_at_ends_the_walk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_source, "MOST_ENTRIES", 4)
    assert len(matching("in/*", folder)) == 2
    with pytest.raises(TooMuchError, match="4 files and folders"):
        matching("**/*.csv", folder)


def test_folders_within_folders_end_somewhere(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(110):
        place /= "d"
        place.mkdir()
    with pytest.raises(TooMuchError, match="100 folders within each other"):
        matching("**/*.csv", tmp_path)
