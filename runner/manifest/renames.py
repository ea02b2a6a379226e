"""The section `moved`: names that models had before, and services they lived on."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from runner.manifest.document import YamlList, YamlMap
from runner.manifest.merge import Combined
from runner.manifest.model import NameChange, Place, ServiceChange
from runner.manifest.problems import Findings
from runner.manifest.wording import did_you_mean, shown


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
    return tuple(ServiceChange(old=one["from"].lower(), new=one["to"].lower()) for one in services)


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
        if way and name == start and not all(one in models for one in way):
            found.update(way)
    return found
