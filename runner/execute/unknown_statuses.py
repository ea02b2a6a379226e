"""What a status that the manifest does not know may mean, and the lines that say so to the runner. Pure."""

import json
import re

from runner.providers.facts import Statuses

_ENDED = re.compile(r"(?<!un)finish(?!ing)|(?<!in)(?<!un)complete|(?<!un)succe|done(?![a-z])|(?<!未)完了|(?<!不)成功")
_FAILED = re.compile(
    r"\b(ng|dead|lost|broken|halted|crash\w*)\b|abandon|exception|unsucc|interrupt|invalid|失敗|異常|中止|停止"
)
_NOT_ENDED = re.compile(r"\b(not|yet|never|almost|partly|partially)\b|upload|receiv|アップロード")
_PLAIN = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_RESERVED = frozenset({"false", "no", "null", "off", "on", "true", "yes", "y", "n"})


def sounds_finished(status: str) -> bool:
    """Return whether a status sounds like the end of a training, such as `succeeded` or `学習完了`."""
    if sounds_failed(status):
        return False
    return _ENDED.search(status) is not None and _NOT_ENDED.search(re.sub(r"[_-]", " ", status)) is None


def sounds_failed(status: str) -> bool:
    """Return whether a status sounds like a training that failed, such as `ng` or `異常終了`."""
    return _FAILED.search(re.sub(r"[_-]", " ", status)) is not None


def finished_line(statuses: Statuses, status: str) -> str:
    """Return the line for the manifest by which the status means success, beside those that do so already."""
    return _line("finished", (*statuses.finished, status))


def failed_line(statuses: Statuses, status: str) -> str:
    """Return the line for the manifest by which the status means failure, beside those that do so already."""
    return _line("failed", (*statuses.failed, status))


def _line(name: str, values: tuple[str, ...]) -> str:
    return f"statuses: {{{name}: [{', '.join(quoted(value) for value in values)}]}}"


def quoted(value: str) -> str:
    """Return a status as YAML takes it for text within a list or an object."""
    plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _RESERVED
    return value if plain else json.dumps(value, ensure_ascii=False)
