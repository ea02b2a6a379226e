"""Names of models, datasets, policies, metrics and tags. Model names become folder names."""

import re
import unicodedata
from itertools import islice

from runner.manifest.document import YamlMap
from runner.manifest.model import Place
from runner.manifest.problems import Findings
from runner.manifest.wording import shown

_NAME = re.compile(r"\w[\w.-]{0,99}")
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0")  # letters, as Unicode has it, that nobody sees
_MOST_SPELLED = 5
# Letters of other scripts that look like Latin ones, and kana that look like kanji or each other.
_TWINS = str.maketrans(
    {
        **dict(
            zip(
                "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u04cf",
                "aeopcyxijsdqwhl",
                strict=True,
            )
        ),
        **dict(
            zip(
                "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405",
                "ABEKMHOPCTYXIJS",
                strict=True,
            )
        ),
        **dict(zip("\u03bf\u03bd\u03b1\u03c1\u03c5\u03b9\u03ba\u0261\u0131", "ovapuikgi", strict=True)),
        **dict(
            zip(
                "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
                "ABEZHIKMNOPTYX",
                strict=True,
            )
        ),
        **dict(
            zip(
                "\u30d8\u30d9\u30da\u30ab\u30ed\u30cb\u30cf\u30bf\u30a8\u30c8\u4e00",
                "\u3078\u3079\u307a\u529b\u53e3\u4e8c\u516b\u5915\u5de5\u535c\u30fc",
                strict=True,
            )
        ),
    }
)


def is_name(name: str) -> bool:
    """Tell whether it is 1 to 100 letters, digits, `_`, `.` and `-`, the first being no `.` or `-`."""
    fits = _NAME.fullmatch(name) is not None and unicodedata.is_normalized("NFC", name)
    return fits and (name.isascii() or _INVISIBLE.isdisjoint(name))


def refuse_name(name: str, what: str, place: Place, findings: Findings) -> None:
    """Report that something cannot be called so."""
    findings.error(
        place,
        "bad-name",
        f"{shown(name)} cannot be the name of a {what}.",
        hint="Use 1 to 100 letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_`.",
    )


def check_names(section: YamlMap, what: str, findings: Findings) -> None:
    """Report names that are not allowed and names that look alike; warn of names that differ only in letter case."""
    seen: dict[str, str] = {}
    for name in section:
        if not is_name(name):
            refuse_name(name, what, section.key_place(name), findings)
        first = seen.setdefault(_likeness(name), name)
        if first != name:
            _report_alike(name, first, section, findings)


def _likeness(name: str) -> str:
    """Return what names that look alike have in common, letter case aside."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFKC", name).translate(_TWINS).casefold()


def _report_alike(name: str, first: str, section: YamlMap, findings: Findings) -> None:
    place, related = section.key_place(name), (section.key_place(first),)
    if name.casefold() == first.casefold():
        findings.warning(
            place,
            "similar-name",
            f"{shown(name)} and {shown(first)} differ only in letter case.",
            hint="Choose names that differ more; some file systems take them for one.",
            related=related,
        )
        return
    findings.error(
        place,
        "similar-name",
        f"{_spelled(name)} looks like {_spelled(first)}, which is another name.",
        hint="Choose names that look different; people decide by what they see.",
        related=related,
    )


def _spelled(name: str) -> str:
    """Return a name with the letters in it that are not ASCII by their numbers."""
    rare = dict.fromkeys(f"U+{ord(letter):04X}" for letter in name if not letter.isascii())
    return f"{shown(name)} ({', '.join(islice(rare, _MOST_SPELLED))})" if rare else shown(name)
