"""Links within a checkout are followed; what they reach outside of it is never read."""

from pathlib import Path

import pytest

from runner.lib.paths import leads_out
from runner.manifest.load import read
from runner.manifest.source_excerpt import excerpts

SECRET = "canary: 4711\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "secret.yaml").write_text(SECRET)
    (tmp_path / "checkout" / "configs").mkdir(parents=True)
    return tmp_path / "checkout"


def refused(path: Path) -> bool:
    problems = read([path]).problems
    assert "canary" not in repr((problems, list(excerpts(problems))))
    return [problem.code for problem in problems] == ["leads-out"]


def test_a_link_out_of_the_folder_is_not_read(checkout: Path) -> None:
    (checkout / "models.yaml").symlink_to("../secret.yaml")
    assert refused(checkout / "models.yaml")
    assert refused(checkout)


def test_within_a_checkout_links_reach_all_of_it(checkout: Path) -> None:
    (checkout / ".git").mkdir()
    (checkout / "shared.yaml").write_text(SECRET)
    (checkout / "configs" / "models.yaml").symlink_to("../shared.yaml")
    (checkout / "configs" / "other.yaml").symlink_to("../../secret.yaml")
    assert not leads_out(checkout / "configs" / "models.yaml")
    assert refused(checkout / "configs" / "other.yaml")


def test_a_folder_that_is_a_link_out_of_the_checkout_is_not_read(checkout: Path) -> None:
    (checkout / ".git").mkdir()
    (checkout / "linked").symlink_to("..", target_is_directory=True)
    assert refused(checkout / "linked")
    assert refused(checkout / "linked" / "secret.yaml")


def test_without_git_a_folder_that_is_named_may_be_a_link(checkout: Path) -> None:
    (checkout / "linked").symlink_to("..", target_is_directory=True)
    assert not leads_out(checkout / "linked" / "secret.yaml")


def test_a_mounted_config_map_is_read(checkout: Path) -> None:
    (checkout / "..2026_11_30").mkdir()
    (checkout / "..2026_11_30" / "models.yaml").write_text(SECRET)
    (checkout / "..data").symlink_to("..2026_11_30", target_is_directory=True)
    (checkout / "models.yaml").symlink_to("..data/models.yaml")
    assert not leads_out(checkout / "models.yaml")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "loop"])
def test_a_path_that_cannot_be_does_not_lead_out(checkout: Path, name: str) -> None:
    (checkout / "loop").symlink_to("loop")
    assert not leads_out(checkout / name)


def test_a_path_named_by_two_dots_is_judged_where_it_is(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".git").mkdir()
    monkeypatch.chdir(checkout)
    assert not leads_out(Path("../secret.yaml"))
