"""What a bundle must be beside the evidence in it: every byte named, and nothing in it that is not named."""

import hashlib
from collections.abc import Iterator

from runner.app.audit.evidence import BundleEvidence, not_a_bundle, other_content
from runner.app.audit.journal_summary import JournalSummary
from runner.app.state.unrecorded_files import Finding
from runner.audit.bundle_layout import INDEX, LARGEST_INDEX, STATEMENT, Index, MalformedIndexError, read_index
from runner.audit.statement import statement
from runner.errors import StateError
from runner.journal.progress import Progress, RunRecord


def bundled_run(evidence: BundleEvidence, progress: Progress) -> RunRecord:
    """Return the run a bundle was made of.

    Raises:
        StateError: the index cannot be read, or the journal does not have its run.
    """
    run = progress.runs.get(_index(evidence).run_id)
    if run is None or run.report is None:
        raise StateError(
            f"The journal in {evidence.path} has no recorded report of the run the bundle names.",
            hint="The bundle was changed or cut; get it again from where it is kept.",
        )
    return run


def bundle_findings(evidence: BundleEvidence, journal: JournalSummary, run: RunRecord) -> Iterator[Finding]:
    """Yield what is wrong with the bundle as such."""
    index = _index(evidence)
    yield from _members(evidence, index)
    events, head = len(journal.links), journal.head_sha256
    if (index.journal.events, index.journal.head_sha256) != (events, head):
        what = f"ends with event {events}, {head[:12]}; the index names another end"
        yield Finding(where=f"the journal in {evidence.path}", what=what)
    recorded = [(file.path, file.sha256) for file in run.started.manifest.files]
    if [(file.path, file.sha256) for file in index.manifest] != recorded:
        yield Finding(where=evidence.shown(INDEX), what="names other manifest files than the run read")
    for entry in index.manifest:
        if entry.member is not None and index.files.get(entry.member) != entry.sha256:
            yield Finding(where=evidence.shown(entry.member), what=f"is not {entry.path} as the run read it")
    own = [link for link in journal.links if link.event.run_id == run.run_id]
    if index.files.get(STATEMENT) != hashlib.sha256(statement(own, run.run_id)).hexdigest():
        yield Finding(where=evidence.shown(STATEMENT), what="is not what the journal says of the run")
    if not evidence.container.is_as_packed():
        what = "was packed again or changed outside its members; only the file as it was made is evidence"
        yield Finding(where=str(evidence.path), what=what)


def _members(evidence: BundleEvidence, index: Index) -> Iterator[Finding]:
    """Compare each member with the index, by name and by content."""
    for name in evidence.container.names:
        if name != INDEX and name not in index.files:
            yield Finding(where=evidence.shown(name), what="is not in the bundle's index")
    for name, sha256 in index.files.items():
        yield from other_content(evidence, name, sha256, "the bundle's index says")


def _index(evidence: BundleEvidence) -> Index:
    try:
        with evidence.open(INDEX) as stream:
            return read_index(stream.read(LARGEST_INDEX + 1))
    except OSError as error:
        raise not_a_bundle(evidence.path, error) from None
    except MalformedIndexError:
        raise not_a_bundle(evidence.path, OSError(f"its {INDEX} is not one that this version writes")) from None
