"""Who gave an approval that is a file: the author of its commit, or else nobody but the file says so. Pure."""

from collections.abc import Iterator

from runner.journal.events import ApprovalSource
from runner.manifest.model import Approval

_UNPROVEN = {"none": "unsigned", "bad": "bad signature", "unknown": "signature unknown"}
_DONE = {"approve": "approved", "reject": "rejected"}


def untraced(word: Approval) -> ApprovalSource:
    """Return what the file itself says, where no version control is asked."""
    return ApprovalSource(file=word.file, sha256=word.sha256, approver=word.approver, committed=False)


def why_followed(word: Approval, source: ApprovalSource) -> str:
    """Return why a plan follows an approval: its commit's author comes first, before the name in the file."""
    named = "" if source.author is None or is_named(source) else f", which names {source.approver}"
    return f"Candidate {word.retrain_job_id} was {_DONE[word.action]} by {said_by(source)} in {word.file}{named}"


def said_by(source: ApprovalSource) -> str:
    """Return the author of the commit that brought exactly this file; without one, the name in it, as what it is.

    An author is what the commit says: without a good signature of their own, what there is of one is told beside it.
    """
    if not source.committed or source.author is None:
        return f"{source.approver} (as the file says)"
    if source.signature != "good":
        return f"{source.author} ({_UNPROVEN.get(source.signature or 'none', 'signature unknown')})"
    return source.author if _signed_by_author(source) else f"{source.author} (signed by {source.signer})"


def is_named(source: ApprovalSource) -> bool:
    """Return whether the name in the file is the author's: their name, address, or both as git writes them."""
    author = source.author or ""
    name, _, address = author.removesuffix(">").rpartition(" <")
    return source.approver.strip().casefold() in {one.strip().casefold() for one in (author, name, address)}


def doubts(source: ApprovalSource) -> Iterator[str]:
    """Yield what git does not vouch for, as warnings."""
    if source.committed is None:
        yield (
            f"git refuses to read the repository of {source.file}, which another user owns, so its commit is unknown; "
            "`git config --global --add safe.directory DIR` allows it, DIR being that repository's folder"
        )
    elif source.commit is None and source.committed:
        yield (
            f"{source.file} is as it was committed, but nobody can say by whom: the checkout has not the whole "
            "history, or its objects are not what they say; a full clone has it"
        )
    elif source.commit is None:
        yield f"{source.file} stands in no commit of git: nobody but itself says who wrote it"
    elif not source.committed:
        yield f"{source.file} is not as it was committed in {source.commit[:12]}"
    elif not is_named(source):
        yield f"{source.file} is by {source.author}, who committed it, and names {source.approver} as the approver"
    if source.signature == "good" and not _signed_by_author(source):
        yield (
            f"commit {str(source.commit)[:12]}, which brought {source.file}, is signed by {source.signer}, "
            f"who is not its author {source.author}"
        )
    if source.signature == "bad":
        yield f"the signature of commit {str(source.commit)[:12]}, which brought {source.file}, is bad"


def _signed_by_author(source: ApprovalSource) -> bool:
    """Return whether the signer is the author: by the address, which is all that a file of allowed signers has."""
    author, signer = _address(source.author or ""), _address(source.signer or "")
    return author == signer != ""


def _address(person: str) -> str:
    return person.rpartition("<")[2].removesuffix(">").strip().casefold()
