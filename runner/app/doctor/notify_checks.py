"""Whether those who are told of a run can be told: each address is read and looked at, and nothing is sent."""

from collections.abc import Iterator

from runner.app.planning.scope import Scope
from runner.credentials import SourceError
from runner.manifest.model import Notification, Ping
from runner.notify.delivery import UndeliveredError, require_address, require_url
from runner.reports.diagnosis import Check


def notify_checks(scope: Scope) -> Iterator[Check]:
    """Yield what is found of each entry of `notify`; a rehearsal is told to nobody."""
    if scope.choice.emulator and not scope.manifest.service.emulator:
        return
    for entry in scope.manifest.notify:
        where = f"{entry.place.file}:{entry.place.line}"
        trouble = _trouble(entry)
        if trouble is None:
            yield Check(name="notify", verdict="ok", seen=f"{where}: the address can be used; nothing was sent to it.")
        else:
            yield Check(name="notify", verdict="problem", seen=f"{where}: {trouble[0]}.", next=trouble[1])


def _trouble(entry: Notification | Ping) -> tuple[str, str] | None:
    """Return why nobody would be told, as the end of a sentence, and what to do."""
    try:
        if isinstance(entry, Notification):
            require_address(entry.to)
        else:
            require_url(entry.url)
    except (SourceError, UndeliveredError) as error:
        return error.reason, error.hint
    return None
