"""What pipelines install: a commit or a digest. A name or a tag can become somebody else's after it was looked at."""

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

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
