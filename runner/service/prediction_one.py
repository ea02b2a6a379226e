"""The provider Prediction One: its facts and its client."""

from runner.service.prediction_one_facts import FACTS
from runner.service.provider import Connection, Provider, ProviderEntry


def _connect(connection: Connection) -> Provider:
    from runner.service.client import Client  # noqa: PLC0415 -- the HTTP library, which most commands do not need

    return Client(
        base_url=connection.base_url,
        statuses=connection.statuses,
        redactor=connection.redactor,
        trusted_hosts=connection.trusted_hosts,
    )


PREDICTION_ONE = ProviderEntry(facts=FACTS, connect=_connect)
