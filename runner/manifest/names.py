"""Names of models, datasets, policies, metrics and tags. Model names become folder names."""

import re
import unicodedata

from runner.manifest.document import YamlMap
from runner.manifest.model import Place
from runner.manifest.problems import Findings
from runner.manifest.words import shown

_NAME = re.compile(r"\w[\w.-]{0,99}")


def is_name(name: str) -> bool:
    """Tell whether it is 1 to 100 letters, digits, `_`, `.` and `-`, the first being no `.` or `-`."""
    return _NAME.fullmatch(name) is not None and unicodedata.is_normalized("NFC", name)


def refuse_name(name: str, what: str, place: Place, findings: Findings) -> None:
    """Report that something cannot be called so."""
    findings.error(
        place,
        "bad-name",
        f"{shown(name)} cannot be the name of a {what}.",
        hint="Use 1 to 100 letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_`.",
    )


def check_names(section: YamlMap, what: str, findings: Findings) -> None:
    """Report names that are not allowed, and warn of names that differ only in letter case."""
    seen: dict[str, str] = {}
    for name in section:
        if not is_name(name):
            refuse_name(name, what, section.key_place(name), findings)
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            findings.warning(
                section.key_place(name),
                "similar-name",
                f"{shown(name)} and {shown(first)} differ only in letter case.",
                hint="Choose names that differ more; some file systems take them for one.",
                related=(section.key_place(first),),
            )
