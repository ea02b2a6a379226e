"""Lines of a manifest in what a command printed, and how a person puts them in."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

_TOP = ("service", "metrics", "models", "policies", "defaults", "limits", "datasets")
_BELOW_SERVICE = ("statuses", "fields", "upload", "switch_proof", "proxy", "ca_bundle", "url_lifetime")


def manifest_lines(text: str) -> Iterator[dict[str, Any]]:
    """Yield what looks like lines of a manifest: a block by its indentation, or words in backticks."""
    lines = text.split("\n")
    for place, line in enumerate(lines):
        head = re.match(r"\s*(?:[-+] |next: |hint: )?(\w+):(\s|$)", line)
        if head and head[1] in (*_TOP, *_BELOW_SERVICE):
            indent = len(line) - len(line.lstrip())
            block = [line]
            for below in lines[place + 1 :]:
                if below.strip() and len(below) - len(below.lstrip()) <= indent:
                    break
                block.append(below)
            yield from _mapping("\n".join(part[indent:] for part in block))
    keys = re.findall(r"\w+", "".join(re.findall(r"its keys are ([^;.]*)", text)[:1]))
    for quoted in re.findall(r"`([^`]+)`", text):
        yield from _mapping(_with_key(quoted, keys))


# What a person recognises a key by, that the program could not.
_KEY_OF: Mapping[str, Callable[[str], bool]] = {
    "status": lambda key: key in ("state", "phase"),
    "retrain_job_id": lambda key: key == "job_id",
    "upload_url": lambda key: key.endswith("url"),
    "download_url": lambda key: key.endswith("url"),
}


def _with_key(quoted: str, keys: Sequence[str]) -> str:
    """Return manifest lines with the one of the keys put in that a person recognises."""
    for name, fits in _KEY_OF.items():
        key = next((key for key in keys if fits(key)), None)
        if key is not None and re.search(rf"\b{name}: KEY\b", quoted):
            return re.sub(r"\bKEY\b", key, quoted)
    return quoted


def _mapping(text: str) -> Iterator[dict[str, Any]]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    if not isinstance(value, dict) or len(value) != 1:
        return
    key, inner = next(iter(value.items()))
    if key in _BELOW_SERVICE and isinstance(inner, dict | str):
        yield {"service": value}
    elif key in _TOP and isinstance(inner, dict):
        yield value


def merge(target: dict[str, Any], lines: Mapping[str, Any]) -> None:
    for key, value in lines.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value
