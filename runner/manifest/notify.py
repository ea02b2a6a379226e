"""The section `notify`: who is told of outcomes, and which dead-man switches hear of the runs."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from runner.manifest.document import YamlList, YamlMap
from runner.manifest.keys import read_stored_key
from runner.manifest.merge import Combined
from runner.manifest.model import Model, Notification, Ping, Place
from runner.manifest.selectors import selectors_of
from runner.manifest.wording import shown

_MOST_TOLD = 10  # of one entry


def read_notify(combined: Combined) -> tuple[Notification | Ping, ...]:
    """Return the entries in their order; wrong ones are left out, and reported."""
    entries = combined.root.get("notify")
    if not isinstance(entries, YamlList) or not combined.is_sound("notify"):
        return ()
    found = [_read_entry(entry, entries.item_place(index), combined) for index, entry in enumerate(entries)]
    return tuple(entry for entry in found if entry is not None)


def _read_entry(entry: YamlMap, place: Place, combined: Combined) -> Notification | Ping | None:
    source = read_stored_key(entry["ping" if "ping" in entry else "to"], combined)
    if source is None:
        return None
    if "ping" in entry:
        return Ping(url=source, place=place)
    owner = entry.get("owner", [])
    return Notification(
        on=tuple(entry["on"]),
        to=source,
        owners=(owner,) if isinstance(owner, str) else tuple(owner),
        select=tuple(entry.get("select", [])),
        place=place,
    )


def check_recipients(combined: Combined, notify: Iterable[Notification | Ping], models: Iterable[Model]) -> None:
    """Warn of owners and selectors that no model has: nobody would ever be told of them."""
    known = list(models)
    owners, meant = {model.owner for model in known}, selectors_of(known)
    for entry in notify:
        if isinstance(entry, Notification):
            for what in islice(_without_model(entry, owners, meant), _MOST_TOLD):
                combined.findings.warning(
                    entry.place,
                    "matches-nothing",
                    f"{what} is not that of any model.",
                    hint="Correct it, or remove it.",
                )


def _without_model(entry: Notification, owners: Collection[str | None], selectors: Collection[str]) -> Iterator[str]:
    """Yield the owners and selectors that are none of these."""
    yield from (f"The owner {shown(owner)}" for owner in entry.owners if owner not in owners)
    yield from (f"The selector {shown(one)}" for one in entry.select if one not in selectors)
