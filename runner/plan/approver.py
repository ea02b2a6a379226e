"""Who gave an approval that is a file: the author of its commit, or else nobody but the file says so. Pure."""

from runner.journal.events import ApprovalSource
from runner.manifest.model import Approval

_DONE = {"approve": "approved", "reject": "rejected"}


def untraced(word: Approval) -> ApprovalSource:
    """Return what the file itself says, where no version control is asked."""
    return ApprovalSource(file=word.file, sha256=word.sha256, approver=word.approver, committed=False)


def why_followed(word: Approval, source: ApprovalSource) -> str:
    """Return why a plan follows an approval: its commit's author comes first, before the name in the file."""
    named = "" if source.author is None or is_named(source) else f", which names {source.approver}"
    return f"Candidate {word.retrain_job_id} was {_DONE[word.action]} by {said_by(source)} in {word.file}{named}"


def said_by(source: ApprovalSource) -> str:
    """Return the author of the commit that brought exactly this file; without one, the name in it, as what it is."""
    if source.committed and source.author is not None:
        return source.author
    return f"{source.approver} (as the file says)"


def is_named(source: ApprovalSource) -> bool:
    """Return whether the name in the file is the author's: their name, address, or both as git writes them."""
    author = source.author or ""
    name, _, address = author.removesuffix(">").rpartition(" <")
    return source.approver.strip().casefold() in {one.strip().casefold() for one in (author, name, address)}
