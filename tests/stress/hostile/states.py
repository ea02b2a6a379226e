"""States for attacks: journals whose chain, files and digests are sound, with whatever a forger writes into them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from runner.journal.chain import Link
from runner.journal.events import (
    CommitRecord,
    Draft,
    Fact,
    ManifestFile,
    ReportWritten,
    RunFinished,
    RunOptions,
    RunStarted,
)
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.lib.atomic_files import make_folder
from runner.reports.formats.render import render_files
from runner.reports.run_history import read_history
from tests.fakes.run_origin import NO_MANIFEST, TOOL


def made_state(root: Path, commits: Sequence[str | None], *, manifest: str = "models.yaml") -> list[Link]:
    """Make a state that verifies, with a run of each commit of the manifest, and return its events."""
    folder, links = StateFolder(root), list[Link]()
    store = open_store(folder)
    try:
        list(store.read())
        for number, commit in enumerate(commits):
            run_id = f"20260301T00000{number}Z-abcdef"
            for fact in (_started(commit, manifest), RunFinished(exit_code=0)):
                links += store.append([_draft(run_id, len(links), fact)])
            files = _written(make_folder(folder.run_folder(run_id)), render_files(read_history(links, run_id)))
            links += store.append([_draft(run_id, len(links), ReportWritten(files=files))])
    finally:
        store.close()
    return links


def _started(commit: str | None, manifest: str) -> RunStarted:
    git = None if commit is None else CommitRecord(commit=commit, dirty=False, remote=None)
    files = (ManifestFile(path=manifest, sha256="0" * 64),)
    return RunStarted(
        tool=TOOL,
        actor="ann@desk",
        service="service.test",
        paths=(manifest,),
        manifest=replace(NO_MANIFEST, files=files, git=git),
        options=RunOptions(command="run", emulator=False),
    )


def _draft(run_id: str, number: int, fact: Fact) -> Draft:
    return Draft(at=f"2026-03-01T00:00:{number:02}.000000Z", run_id=run_id, model=None, fact=fact)


def _written(folder: Path, files: dict[str, bytes]) -> dict[str, str]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
