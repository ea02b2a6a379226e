"""Files and folders -> one typed manifest, or every problem of all of them at once."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from runner.errors import MEMORY_HINT, UsageError
from runner.manifest.assemble import assemble
from runner.manifest.document import EnoughError, Findings, ManifestError, Problem
from runner.manifest.merge import Document, combine
from runner.manifest.model import Manifest, ManifestFile, Place
from runner.manifest.schema_check import check_shape
from runner.manifest.text import Text, read_text
from runner.manifest.yaml_parser import build

_VARIABLE = "RETRAIN_MANIFEST"
_USUAL = ("models.yaml", "retrain.yaml")
_SUFFIXES = frozenset({".yaml", ".yml"})


class Reading(Struct, frozen=True, kw_only=True):
    """What reading came to: the manifest unless there is an error, and all problems by file, line and column."""

    manifest: Manifest | None
    problems: tuple[Problem, ...]


def usual_paths() -> tuple[Path, ...]:
    """Return what RETRAIN_MANIFEST names, else the manifest in the working folder that has a usual name, if any."""
    named = os.environ.get(_VARIABLE, "")
    if named:
        return tuple(Path(path) for path in named.split(os.pathsep) if path)
    return tuple(path for path in map(Path, _USUAL) if path.is_file())[:1]


def named_paths(given: Sequence[Path]) -> tuple[Path, ...]:
    """Return the paths that were given, else the usual ones.

    Raises:
        UsageError: there are none.
    """
    paths = tuple(given) or usual_paths()
    if not paths:
        raise UsageError(
            f"No manifest is named, and this folder has no {' and no '.join(_USUAL)}.",
            hint=f"Name a manifest file or a folder of manifest files, or set {_VARIABLE}.",
        )
    return paths


def load(paths: Sequence[Path]) -> Manifest:
    """Return the manifest that the files and folders form together.

    Raises:
        ManifestError: there is at least one error; it carries all problems.
        UsageError: no path is given.
    """
    reading = read(paths)
    if reading.manifest is None:
        raise ManifestError(reading.problems)
    return reading.manifest


def read(paths: Sequence[Path]) -> Reading:
    """Read files, and of folders their own *.yaml and *.yml, as one manifest. A file named twice is read once.

    Looking ends after 1,000 errors.

    Raises:
        UsageError: no path is given.
    """
    paths = named_paths(paths)
    findings, short = Findings(), False
    manifest = None
    try:
        manifest = _read_all(paths, findings)
    except EnoughError:
        return Reading(manifest=None, problems=findings.ordered())
    except MemoryError:
        short = True  # told below, when what was read is let go
    if short:
        start = Place(file=str(paths[0]), line=1, column=1)
        message = "The manifest that begins here needs more memory than there is."
        findings.error(start, "too-large", message, hint=MEMORY_HINT)
        return Reading(manifest=None, problems=findings.ordered())
    return Reading(manifest=None if findings.has_error() else manifest, problems=findings.ordered())


def _read_all(paths: Sequence[Path], findings: Findings) -> Manifest | None:
    files = list(_files(paths, findings))
    files_found = not findings.places()
    texts = [text for text in (read_text(file, findings) for file in files) if text is not None]
    documents = [document for document in (_document(text, findings) for text in texts) if document is not None]
    if not documents:
        return None
    # A file that cannot be read may hold what the others refer to: then no reference is judged.
    complete = len(documents) == len(files) and files_found
    return assemble(combine(documents, findings, complete=complete), _digests(texts))


def _document(text: Text, findings: Findings) -> Document | None:
    root = build(text, findings)
    if root is None:
        return None
    start = Place(file=text.file, line=1, column=1)
    broken = check_shape(root, start, findings)
    if broken:
        from runner.manifest.text import odd_characters  # noqa: PLC0415 -- most manifests have no errors

        lines = {place.line for place in findings.places() if place.file == text.file}
        findings.add_all(odd_characters(text, lines))
    return Document(file=text.file, folder=text.folder, root=root, broken=broken)


def manifest_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of a manifest; what is wrong with the paths is told by `read`."""
    return list(_files(paths, Findings()))


def _files(paths: Sequence[Path], findings: Findings) -> Iterator[Path]:
    seen = set()
    for path in paths:
        for file in _within(path, findings):
            identity = _identity(file)
            if identity not in seen:
                seen.add(identity)
                yield file


def _identity(file: Path) -> Path:
    try:
        return file.resolve()
    except (OSError, RuntimeError, ValueError):  # loops of links and impossible names: reading tells
        return file


def _within(path: Path, findings: Findings) -> list[Path]:
    """Return the path itself, or the manifest files of a folder by name."""
    try:
        if not path.is_dir():
            return [path]
        found = [item for item in path.iterdir() if item.suffix in _SUFFIXES and not item.name.startswith(".")]
    except (OSError, ValueError):
        return [path]
    files = sorted(item for item in found if not item.is_dir())
    if not files:
        findings.error(
            Place(file=str(path), line=1, column=1),
            "no-manifest",
            "The folder itself holds no *.yaml or *.yml file.",
            hint="Name a folder that holds manifest files.",
        )
    return files


def _digests(texts: Sequence[Text]) -> tuple[ManifestFile, ...]:
    return tuple(ManifestFile(path=text.file, sha256=text.sha256) for text in texts)
