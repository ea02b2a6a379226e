"""A link of a checkout does not choose where a file goes that a user lets be written."""

from pathlib import Path

import pytest

from runner.app.planning.plan_document import refuse_target
from runner.app.queries.report import write_report
from runner.app.site import open_site
from runner.errors import UsageError
from runner.lib.paths import refuse_link_out


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    return tmp_path / "checkout"


def test_nothing_is_written_through_a_link_out_of_the_checkout(checkout: Path) -> None:
    (checkout / "out").symlink_to("../elsewhere/new")
    (checkout / "folder").symlink_to("../elsewhere")
    for target in (checkout / "out", checkout / "folder" / "new"):
        with pytest.raises(UsageError, match="leads out of its checkout"):
            write_report(target, b"a report")
        with pytest.raises(UsageError, match="leads out of its checkout"):
            refuse_target(target)
    with pytest.raises(UsageError, match="leads out of its checkout"), open_site(checkout / "folder"):
        pass
    assert list((checkout.parent / "elsewhere").iterdir()) == []


def test_links_within_a_checkout_and_links_without_one_are_followed(checkout: Path) -> None:
    (checkout / "within").symlink_to("new")
    (checkout.parent / "link").symlink_to("elsewhere/new")
    for target in (checkout / "within", checkout.parent / "link"):
        write_report(target, b"a report")
    assert (checkout / "new").read_bytes() == (checkout.parent / "elsewhere" / "new").read_bytes() == b"a report"


def test_a_circle_of_links_is_not_a_bug(checkout: Path) -> None:
    (checkout / "loop").symlink_to("loop")
    refuse_link_out(checkout / "loop")
    write_report(checkout / "loop", b"a report")
    assert (checkout / "loop").read_bytes() == b"a report"
