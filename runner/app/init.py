"""`retrain init`: lays out a repository with a manifest and everything that runs it. It never writes over a file."""

import json
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from runner.errors import RetrainError, UsageError
from runner.lib.atomic_files import remove_unfinished, user_file_mode, write_new
from runner.lib.schemas import schema_path

NAME = "retrain-runner"
# In the place of a source that is not known: pip refuses this line, and shows it, before it asks anybody anything.
NOT_SET = f"Name the source of {NAME} here: a commit or a digest, as retrain-requirements.txt shows."
_PACKAGE = r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,_-]+\])?"
_PART = r"[A-Za-z0-9._~%:/+&=?-]"
_FORMS = (
    rf"{_PACKAGE} @ git\+(https://|ssh://([a-z]+@)?){_PART}+@[0-9a-f]{{40}}",
    rf"{_PACKAGE} @ https://{_PART}+#sha256=[0-9a-f]{{64}}",
    rf"\./{_PART}+",  # in the repository itself, whose commit fixes it
)


def is_pinned(requirement: str) -> bool:
    """Return whether a requirement, as pip takes it, can only ever mean the same bytes."""
    return requirement.isascii() and any(re.fullmatch(form, requirement) for form in _FORMS)


def installed_source() -> str | None:
    """Return where this program was installed from, as pip recorded it (PEP 610); None unless that is pinned."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415 -- slow to load; for `init` alone

    try:
        text = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    source = _requirement(json.loads(text)) if text else None
    return source if source is not None and is_pinned(source) else None


def _requirement(recorded: dict[str, Any]) -> str | None:
    url, commit = recorded.get("url"), recorded.get("vcs_info", {}).get("commit_id")
    digest = recorded.get("archive_info", {}).get("hashes", {}).get("sha256")
    if commit is not None:
        return f"{NAME} @ git+{url}@{commit}"
    return f"{NAME} @ {url}#sha256={digest}" if digest is not None else None


MANIFEST = "models.yaml"

_TEMPLATES = Path(__file__).parent / "scaffold"
REQUIREMENTS = "retrain-requirements.txt"
DEPENDENCIES = "retrain-dependencies.lock"
_LOCKS = ("core.lock", "build.lock")
_IGNORED = ".retrain/"

# What each part lays out: the file in the repository, and the template it is made from.
PARTS: dict[str, dict[str, str]] = {
    "manifest": {
        MANIFEST: "models.yaml",
        "data/churn/train.csv": "train.csv",
        "data/churn/eval.csv": "eval.csv",
        "approvals/README.md": "approvals.md",
        ".gitignore": "gitignore",
    },
    "pre-commit": {".pre-commit-config.yaml": "pre-commit.yaml"},
    "github": {".github/workflows/retrain.yml": "github.yaml", REQUIREMENTS: "requirements.txt"},
    "gitlab": {".gitlab-ci.yml": "gitlab.yaml", REQUIREMENTS: "requirements.txt"},
    "cron": {"deploy/cron/retrain": "retrain.cron"},
    "systemd": {
        "deploy/systemd/retrain.service": "retrain.service",
        "deploy/systemd/retrain.timer": "retrain.timer",
    },
    "kubernetes": {
        "deploy/kubernetes/cronjob.yaml": "cronjob.yaml",
        "deploy/kubernetes/cronjob-without-volume.yaml": "cronjob-without-volume.yaml",
        "deploy/kubernetes/cronjob-indexed.yaml": "cronjob-indexed.yaml",
        "deploy/kubernetes/Dockerfile": "project.dockerfile",
        REQUIREMENTS: "requirements.txt",
    },
    "aws": {
        f"deploy/aws/{name}.json": f"aws-{name}.json"
        for name in ("bucket-policy", "plan-role", "run-role", "trust-plan-github", "trust-run-github")
    },
}
_SCHEMA = "schemas/manifest.schema.json"
# The example's data goes with the example's manifest: beside one of the user's own it is noise.
_SAMPLE_DATA = ("data/churn/train.csv", "data/churn/eval.csv")


class Layout(Struct, frozen=True, kw_only=True):
    """What happened to each file, as paths below the folder.

    `state_ignored` says whether git ignores the state, `in_git` whether the folder is in a git checkout,
    `source_set` whether pipelines know what to install.
    """

    written: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]
    state_ignored: bool
    in_git: bool
    source_set: bool


def init(folder: Path, parts: Collection[str], requirement: str | None = None, manifest: str | None = None) -> Layout:
    """Write the files of the parts (all of them when none is named) that are not there yet.

    Args:
        folder: the repository; made where it is missing.
        parts: names out of `PARTS`.
        requirement: what pipelines install, as pip takes it; by default what this program was installed from.
        manifest: the text of the manifest; by default it is the example's, with the example's data.

    Raises:
        UsageError: the requirement can become something else later, a file is where a folder is needed, or there
            is a manifest in the place of the one that is given.
        RetrainError: a file cannot be written.
    """
    if requirement is not None and not is_pinned(requirement):
        raise UsageError(
            "The requirement names no commit and no digest, so it can become something else later.",
            hint="Write 'retrain-runner @ git+https://HOST/PATH@COMMIT' with all 40 digits of the commit, or "
            "'retrain-runner @ https://HOST/FILE.whl#sha256=DIGEST'.",
        )
    source = requirement or installed_source()
    files = _files(parts, source or NOT_SET)
    if manifest is not None:
        if os.path.lexists(folder / MANIFEST):
            raise UsageError(
                f"{folder / MANIFEST} exists, and nothing is written over a file.",
                hint="Name another folder: `retrain init --help` shows where its name goes.",
            )
        files = {name: content for name, content in files.items() if name not in _SAMPLE_DATA}
        files[MANIFEST] = manifest.encode()
    _refuse_obstacles(folder, files)
    laid: dict[str, list[str]] = {"written": [], "same": [], "kept": []}
    for name, content in files.items():
        if name in _SAMPLE_DATA and MANIFEST in laid["kept"]:
            continue
        laid[_lay(folder, name, content)].append(name)
    return Layout(
        written=tuple(laid["written"]),
        same=tuple(laid["same"]),
        kept=tuple(laid["kept"]),
        state_ignored=_ignores_state(folder / ".gitignore"),
        in_git=_in_git(folder),
        source_set=source is not None,
    )


def sample_files() -> tuple[bytes, ...]:
    """Return the content of the data files of the example."""
    return tuple((_TEMPLATES / PARTS["manifest"][name]).read_bytes() for name in _SAMPLE_DATA)


def _files(parts: Collection[str], requirement: str) -> dict[str, bytes]:
    """Return the files of the parts by their place, the manifest first."""
    files: dict[str, bytes] = {}
    for part, templates in PARTS.items():
        if parts and part not in parts:
            continue
        for name, template in templates.items():
            text = (_TEMPLATES / template).read_bytes()
            files[name] = text.replace(b"@REQUIREMENT@", requirement.encode())
        if part == "manifest":
            files[_SCHEMA] = schema_path("manifest").read_bytes()
        if REQUIREMENTS in templates:
            files[DEPENDENCIES] = b"\n".join(_lock(name) for name in _LOCKS)
    return files


def _lock(name: str) -> bytes:
    """Return a list of hash-checked dependencies: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "requirements" / name
    return (packaged if packaged.exists() else package.parent / "requirements" / name).read_bytes()


def _refuse_obstacles(folder: Path, names: Iterable[str]) -> None:
    """Raise before anything is written when a file, or a link to elsewhere, is where one of the folders must be."""
    for name in names:
        above = (folder / name).parents
        nearest = next((parent for parent in above if os.path.lexists(parent)), folder)
        if os.path.lexists(nearest) and not nearest.is_dir():
            raise UsageError(f"{nearest} is not a folder.", hint="Move it away, or name another folder.")
        if nearest.is_relative_to(folder) and not nearest.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{nearest} leads out of {folder}; nothing is written there.",
                hint="Remove the link, or choose with --only which parts are written.",
            )


def _lay(folder: Path, name: str, content: bytes) -> str:
    """Write one file unless something is there, and return what happened to it: `written`, `same` or `kept`."""
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(target)
        write_new(target, content, mode=user_file_mode())
    except FileExistsError:
        return "same" if _holds(target, content) else "kept"
    except OSError as error:
        raise RetrainError(
            f"{target} cannot be written: {error.strerror}.",
            hint="Name a folder that you may write to; what was written before stays, and a second `init` continues.",
        ) from error
    return "written"


def _holds(target: Path, content: bytes) -> bool:
    try:
        return target.is_file() and target.read_bytes() == content
    except OSError:
        return False


def _in_git(folder: Path) -> bool:
    """Return whether the folder or one above it holds a `.git`, which is a file in a worktree."""
    place = folder.absolute()
    return any(os.path.lexists(parent / ".git") for parent in (place, *place.parents))


def _ignores_state(file: Path) -> bool:
    """Return whether a .gitignore names the state folder in one of the usual ways."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip().strip("/") == _IGNORED.strip("/") for line in lines)
