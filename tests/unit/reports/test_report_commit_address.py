"""A commit is a link only where the host says what it is, and never more than an address."""

import pytest

from runner.journal.events import CommitRecord
from runner.reports.page import commit_address


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/team/models.git", "https://github.com/team/models/commit/4f2c"),
        ("git@github.com:team/models.git", "https://github.com/team/models/commit/4f2c"),
        ("ssh://git@gitlab.example/a/b/models", "https://gitlab.example/a/b/models/-/commit/4f2c"),
        ("https://git.example/team/models.git", None),
        ("https://ann:secret@github.com/team/models.git", None),
        ("javascript:alert(1)//github.com/a", None),
        ('https://github.com/a"onclick=b', None),
        (None, None),
    ],
)
def test_the_address_of_a_commit(remote: str | None, address: str | None) -> None:
    assert commit_address(CommitRecord(commit="4f2c", dirty=False, remote=remote)) == address
