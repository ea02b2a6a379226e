"""What a check of data can find: its kind, which the manifest may name, and `file:line: reason` for people."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from runner.manifest.model import Checks

Level = Literal["stop", "warn", "off"]
Found = tuple[str, int | None, str]  # a kind, a line or None for the whole file, and a reason

# What happens to a finding where the manifest says nothing; `checks.findings` has the same names.
LEVELS: Mapping[str, Level] = {
    "not_a_table": "stop",
    "encoding": "stop",
    "structure": "stop",
    "repeated_header": "stop",
    "blank_name": "stop",
    "repeated_name": "stop",
    "column_count": "stop",
    "row_count": "stop",
    "no_target": "stop",
    "few_targets": "stop",
    "single_label": "stop",
    "many_labels": "stop",
    "eval_columns": "stop",
    "eval_is_train": "stop",
    "empty_rows": "warn",
    "eval_label": "warn",
    "eval_overlap": "warn",
    "file_choice": "warn",
    "half_targets": "warn",
    "hidden_character": "warn",
    "late_label": "warn",
    "rare_label": "warn",
    "unclear_encoding": "warn",
}
# The same of differences from the reference, where `checks.change` says nothing either.
CHANGES: Mapping[str, Level] = {
    "column_emptied": "stop",
    "columns_changed": "stop",
    "label_lost": "stop",
    "label_new": "stop",
    "rows_lost": "stop",
    "target_kind": "stop",
    "column_order": "warn",
    "column_scale": "warn",
    "label_share": "warn",
    "number_label": "warn",
    "rows_halved": "warn",
    "same_rows": "warn",
}
_ACCEPTABLE = frozenset({"blank_name", "repeated_header", "eval_is_train"})  # the service may take them
_MILDER: tuple[Level, ...] = ("off", "warn", "stop")

MOST_SHOWN = 5  # of one kind in one file; more would bury the first


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was found in a file; `line` counts from 1 and is None when it is about the whole file."""

    kind: str
    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.reason}"


class Findings:
    """Collects what is found in files: the first few of each kind in full, the others counted."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Finding] = []
        self.more: Counter[str] = Counter()

    def add(self, kind: str, line: int | None, reason: str) -> None:
        """Note a finding."""
        self.take([Finding(kind=kind, file=self.file, line=line, reason=reason)])

    def add_all(self, found: Iterable[Found]) -> None:
        """Note several findings."""
        for kind, line, reason in found:
            self.add(kind, line, reason)

    def extend(self, others: "Findings") -> None:
        """Take over what another collection found, with its own file names."""
        self.take(others.found)
        self.more.update(others.more)

    def take(self, findings: Iterable[Finding]) -> None:
        """Take findings over, with their own file names."""
        for finding in findings:
            if sum(known.kind == finding.kind for known in self.found) < MOST_SHOWN:
                self.found.append(finding)
            else:
                self.more[finding.kind] += 1

    def lines(self, is_told: Callable[[str], bool] = lambda _kind: True) -> list[str]:
        """Return the findings of some kinds as text, and last how many more there are."""
        shown = [str(finding) for finding in self.found if is_told(finding.kind)]
        more = sum(count for kind, count in self.more.items() if is_told(kind))
        return [*shown, f"{self.file}: {more} more like these"] if more else shown

    def told(self, checks: Checks, level: Level) -> list[str]:
        """Return what has this level under the checks, as text."""
        return self.lines(lambda kind: level_of(kind, checks) == level)

    def kinds(self, checks: Checks) -> list[str]:
        """Return the kinds that stop under the checks, in the order in which they were found."""
        return list(dict.fromkeys(found.kind for found in self.found if level_of(found.kind, checks) == "stop"))


def level_of(kind: str, checks: Checks) -> Level:
    """Return what happens to a kind of finding: its own setting counts before `change`, the milder `on_fail` always."""
    level = checks.findings.get(kind)
    if level is None and kind in CHANGES:
        level = min(CHANGES[kind], checks.change, key=_MILDER.index)
    return min(level or LEVELS[kind], checks.on_fail, key=_MILDER.index)


def way_out(kinds: Iterable[str]) -> str:
    """Return how the manifest accepts findings of these kinds, as a part of a sentence; empty where none can."""
    kinds = list(kinds)
    if not all(kind in CHANGES or kind in _ACCEPTABLE or LEVELS[kind] == "warn" for kind in kinds):
        return ""
    accepted = ", ".join(f"{kind}: warn" for kind in kinds)
    return f", or accept it with `checks: {{findings: {{{accepted}}}}}` in the manifest"
