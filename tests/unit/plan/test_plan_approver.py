"""Whose approval a file is, and what is in doubt about it."""

import pytest
from msgspec.structs import replace

from runner.journal.events import ApprovalSource
from runner.plan.approvals import doubts, is_named, said_by

SOURCE = ApprovalSource(
    file="approvals/a.yaml",
    sha256="0" * 64,
    approver="ann@example.com",
    committed=True,
    commit="4f2c1d9a8b7e6f5d4c3b2a190807f6e5d4c3b2a1",
    author="Ann Lee <ann@example.com>",
    signature="good",
    signer="ann@example.com",
)


@pytest.mark.parametrize(
    "name", ["ann@example.com", "ANN@example.com", "Ann Lee", "Ann Lee <ann@example.com>", " ann lee "]
)
def test_an_author_is_named_by_name_address_or_both(name: str) -> None:
    assert is_named(replace(SOURCE, approver=name))
    assert list(doubts(replace(SOURCE, approver=name))) == []


@pytest.mark.parametrize(
    "name", ["ann", "example.com", "", "Ann", "ceo@example.com", "Ann Lee <ceo@example.com>", "<>"]
)
def test_any_other_name_is_another_one(name: str) -> None:
    [told] = doubts(replace(SOURCE, approver=name))
    assert told.startswith("approvals/a.yaml is by Ann Lee <ann@example.com>, who committed it")


def test_an_approval_is_by_the_author_of_its_commit() -> None:
    assert said_by(replace(SOURCE, approver="ceo")) == "Ann Lee <ann@example.com>"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (replace(SOURCE, signature="none", signer=None), "unsigned"),
        (replace(SOURCE, signature="bad", signer=None), "bad signature"),
        (replace(SOURCE, signature="unknown", signer=None), "signature unknown"),
        (replace(SOURCE, signer="bob@example.com"), "signed by bob@example.com"),
    ],
)
def test_an_author_whom_no_signature_of_theirs_proves_is_not_named_alone(source: ApprovalSource, told: str) -> None:
    assert said_by(source) == f"Ann Lee <ann@example.com> ({told})"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (replace(SOURCE, committed=False), "is not as it was committed in 4f2c1d9a8b7e"),
        (
            replace(SOURCE, committed=False, commit=None, author=None, signature=None, signer=None),
            "is in no commit",
        ),
        (replace(SOURCE, committed=None, commit=None, author=None, signature=None, signer=None), "git refuses to read"),
        (replace(SOURCE, commit=None, author=None, signature=None, signer=None), "its author is not known"),
        (replace(SOURCE, signature="bad", signer=None), "is bad"),
        (replace(SOURCE, signer="bob@example.com"), "is signed by bob@example.com, who is not its author Ann Lee"),
        (replace(SOURCE, signer="Ann Lee <bob@example.com>"), "is signed by Ann Lee <bob@example.com>, who is not"),
    ],
)
def test_what_git_does_not_vouch_for_is_a_doubt(source: ApprovalSource, told: str) -> None:
    [found] = doubts(source)
    assert told in found


@pytest.mark.parametrize("committed", [False, None])
def test_of_a_file_that_is_not_as_committed_only_the_file_says_whose_it_is(committed: bool | None) -> None:
    assert said_by(replace(SOURCE, committed=committed)) == "ann@example.com (as the file says)"
