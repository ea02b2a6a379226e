"""Names of models, datasets and policies, and the names they had before."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from runner.lib.text import did_you_mean, shown
from runner.manifest.document import Findings, YamlList, YamlMap
from runner.manifest.merge import Combined
from runner.manifest.model import NameChange, Place, ServiceChange

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
    """Return whether it is 1 to 100 letters, digits, `_`, `.` and `-`, the first being no `.` or `-`."""
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
            hint="Choose names that differ more; some file systems treat them as the same name.",
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


def read_moved(combined: Combined) -> tuple[NameChange, ...]:
    """Return the names that changed, in the order of the entries; what cannot be meant is reported."""
    found = [
        NameChange(old=entry["from"], new=entry["to"], place=place)
        for entry, place in _entries(combined)
        if "service" not in entry
    ]
    once = _once(found, combined.findings)
    models = combined.known("models")
    if models is not None:
        _check_names(once, models, combined.findings)
    return tuple(once)


def read_moved_services(combined: Combined) -> tuple[ServiceChange, ...]:
    """Return the hosts that changed, in lower case."""
    services = [entry["service"] for entry, _ in _entries(combined) if "service" in entry]
    return tuple(ServiceChange(old=service["from"].lower(), new=service["to"].lower()) for service in services)


def former_names(combined: Combined) -> set[str]:
    """Return the names that models had before, without a look at whether that makes sense."""
    return {entry["from"] for entry, _ in _entries(combined) if "from" in entry}


def destinations(names: Mapping[str, str], models: Collection[str]) -> dict[str, str]:
    """Return where each name leads: over names that nothing is called now, to one in the manifest or to the end.

    `names` are the new names by the old ones, without a circle of names that nothing is called now.
    """
    found: dict[str, str] = {}
    for start in names:
        way, name = list[str](), start
        while name not in found:
            way.append(name)
            new = names[name]
            if new in models or new not in names:
                found[name] = new
            else:
                name = new
        found.update(dict.fromkeys(way, found[name]))
    return found


def _entries(combined: Combined) -> Iterator[tuple[YamlMap, Place]]:
    entries = combined.root.get("moved")
    if isinstance(entries, YamlList) and combined.is_sound("moved"):
        for index, entry in enumerate(entries):
            yield entry, entries.item_place(index)


def _once(found: Sequence[NameChange], findings: Findings) -> list[NameChange]:
    """Report names that occur twice on one side or change into themselves, and return the other entries."""
    olds: dict[str, Place] = {}
    news: dict[str, Place] = {}
    once = []
    for change in found:
        first = olds.get(change.old) or news.get(change.new)
        if first is not None or change.old == change.new:
            findings.error(
                change.place,
                "moved-twice",
                f"{shown(change.old)} cannot move to {shown(change.new)}: "
                + ("it is the same name." if first is None else "another entry moves one of the two already."),
                hint="Keep one entry for each old and for each new name.",
                related=() if first is None else (first,),
            )
        else:
            olds[change.old] = news[change.new] = change.place
            once.append(change)
    return once


def _check_names(changes: Sequence[NameChange], models: Collection[str], findings: Findings) -> None:
    names = {change.old: change.new for change in changes}
    news, circling = set(names.values()), _in_circles(names, models)
    for change in changes:
        if change.old in models and change.old not in news:
            findings.error(
                change.place,
                "moved-still-there",
                f"{shown(change.old)} is in the manifest, so it has not moved to {shown(change.new)}.",
                hint=f"Remove the entry; or remove the model {shown(change.old)}, if it is the new one.",
            )
        elif change.old in circling:
            findings.error(
                change.place,
                "moved-in-a-circle",
                f"{shown(change.old)} moves in a circle of names, and not all of them are in the manifest.",
                hint="Remove the older entry.",
            )
        elif change.new not in models and change.new not in names and change.old not in models:
            findings.error(
                change.place,
                "unknown-model",
                f"There is no model {shown(change.new)} in the manifest.",
                hint=did_you_mean(change.new, models, otherwise="Correct the name, or remove the entry."),
            )


def _in_circles(names: Mapping[str, str], models: Collection[str]) -> set[str]:
    """Return the names that come back to themselves over names of which one is not in the manifest.

    No two names lead to one, so that each is in one circle or in one chain, and is looked at once.
    """
    found, seen = set[str](), set[str]()
    for start in names:
        way, name = list[str](), start
        while name in names and name not in seen:
            seen.add(name)
            way.append(name)
            name = names[name]
        if way and name == start and not all(step in models for step in way):
            found.update(way)
    return found
