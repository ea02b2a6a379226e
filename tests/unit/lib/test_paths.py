import os
from itertools import product
from pathlib import Path

from runner.lib.paths import below, lies_outside

PATHS = ("", "a", "a/b", "ab", "a/c", "..", "../a", "../../x", "/", "/a", "/a/b", "/ab", "/a/../b")


def test_what_continues_from_a_folder_is_what_pathlib_says() -> None:
    normal = {os.path.normpath(path) for path in PATHS}
    for path, folder in product(normal, normal):
        if Path(path).is_absolute() == Path(folder).is_absolute():
            expected = str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else None
            assert below(path, folder) == expected, (path, folder)


def test_links_are_followed_and_the_checkout_counts(tmp_path: Path) -> None:
    inner, outside = tmp_path / "checkout" / "configs", tmp_path / "checkout-of-another"
    inner.mkdir(parents=True)
    outside.mkdir()
    (inner / "link").symlink_to(outside)
    (inner / "loop").symlink_to(inner / "loop")
    shared = tmp_path / "checkout" / "data.csv"
    assert lies_outside(shared, inner)
    (tmp_path / "checkout" / ".git").mkdir()
    assert not lies_outside(shared, inner)
    assert not lies_outside(inner / "loop", inner)
    assert lies_outside(inner / "link" / "data.csv", inner)
    assert lies_outside(outside, inner)


def test_a_path_that_goes_through_no_link_is_within_whatever_leads_there(tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for folder in (checkout / ".git", checkout / "data", elsewhere / "configs"):
        folder.mkdir(parents=True)
    (tmp_path / "mounted").symlink_to(checkout)
    (checkout / "configs").symlink_to(elsewhere / "configs")
    (checkout / "out").symlink_to(elsewhere / "configs")
    (checkout / "inner").symlink_to(checkout / "data")
    assert not lies_outside(tmp_path / "mounted" / "data" / "new.csv", tmp_path / "mounted")
    assert not lies_outside(checkout / "inner" / "new.csv", checkout)
    assert lies_outside(checkout / "configs" / "new.csv", checkout / "configs")  # the folder itself is elsewhere
    assert lies_outside(checkout / "out" / ".." / "new.csv", checkout)  # behind a link `..` is another folder
    assert not lies_outside(checkout / "data" / ".." / "new.csv", checkout)
