"""What becomes of the histories of models whose names change, all names at once. Pure."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from runner.journal.events import NameMove
from runner.journal.model_progress import ModelProgress

Histories = Mapping[tuple[str, str], ModelProgress]  # by service and name


def moved(histories: Histories, service: str, moves: Sequence[NameMove]) -> dict[tuple[str, str], ModelProgress]:
    """Return the histories under their new names, each in the place it had; what is given stays as it is.

    A history without a job that is in the way of one that moves is dropped: a run may have failed under the new name
    before anybody said that it is one.

    Raises:
        ValueError: a name moves twice, or to where another history stays.
        LookupError: there is no history of a name that moves.
    """
    names = {move.old: move.new for move in moves}
    if not len(names) == len(set(names.values())) == len(moves):
        raise ValueError("a name moves twice")
    for old, new in names.items():
        staying = histories.get((service, new))
        if not histories[service, old].has_history or (new not in names and staying and staying.has_history):
            raise ValueError(f"the history of {old} cannot move to {new}")
    found: dict[tuple[str, str], ModelProgress] = {}
    for (realm, name), history in histories.items():
        if realm == service and name in names:
            found[realm, names[name]] = replace(history, former_names=(*history.former_names, name))
        elif realm != service or name not in names.values():
            found[realm, name] = history
    return found
