"""Connects a run with the provider that its manifest names. Nothing else in the program chooses one."""

from runner.app.state.service_name import TargetService
from runner.lib.secrets import Redactor
from runner.manifest.model import Service
from runner.providers.base import Connection, Provider
from runner.providers.registry import PROVIDERS


def connected(service: Service, url: str, realm: TargetService, redactor: Redactor) -> Provider:
    """Return the provider of a manifest at this address; nothing is sent yet.

    Raises:
        UsageError: API keys may not be sent to the address.
    """
    connection = Connection(
        base_url=url, statuses=service.statuses, redactor=redactor, trusted_hosts=realm.trusted_hosts
    )
    return PROVIDERS[service.provider].connect(connection)
