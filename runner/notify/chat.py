"""Messages by way of apprise, which knows the services."""

import logging

from runner.credentials import read_secret
from runner.manifest.model import StoredKey
from runner.notify.delivery import UndeliveredError
from runner.notify.message import Message


def send_message(source: StoredKey, message: Message) -> None:
    """Send one message to the address the source holds.

    Raises:
        SourceError: there is no address.
        UndeliveredError: apprise is not installed, does not know the address, or the service did not take the message.
    """
    try:
        import apprise  # noqa: PLC0415 -- an extra, needed only here, and slow to import
    except ImportError:
        raise UndeliveredError(
            "the package apprise is not installed",
            "Install the extra `notify`: `pip install '.[notify]'` in a checkout of retrain-runner.",
        ) from None
    _mute_foreign_logs()
    address = read_secret(source)
    # No files, no further threads, no templates in a text from outside, and no address handed on to another host.
    asset = apprise.AppriseAsset(
        app_id="retrain", async_mode=False, storage_mode="memory", allow_templates=False, http_redirects=False
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(address.reveal()):
        raise UndeliveredError("apprise does not know its address", "Write it as apprise's list of services shows.")
    form, kind = apprise.NotifyFormat.TEXT, apprise.NotifyType(message.severity)
    if not service.notify(title=message.title, body=message.body, body_format=form, notify_type=kind):
        raise UndeliveredError("the service did not take it", "Check whether its address is still valid.")


def _mute_foreign_logs() -> None:
    """Let only our own records through from here on: apprise and what it calls log whole addresses, in any thread."""
    for handler in (*logging.getLogger().handlers, logging.lastResort):
        if handler is not None and _is_ours not in handler.filters:
            handler.addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.startswith("runner.")
