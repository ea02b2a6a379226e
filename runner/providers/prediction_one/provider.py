"""The provider Prediction One: its facts and its client."""

from runner.providers.base import Connection, Provider, ProviderEntry
from runner.providers.prediction_one.facts import FACTS


def _connect(connection: Connection) -> Provider:
    from runner.providers.prediction_one.client import Client  # noqa: PLC0415 -- the HTTP library, which most commands do not need

    return Client(
        base_url=connection.base_url,
        statuses=connection.statuses,
        redactor=connection.redactor,
        trusted_hosts=connection.trusted_hosts,
        options=connection.options,
        keeper=connection.keeper,
    )


PREDICTION_ONE = ProviderEntry(facts=FACTS, connect=_connect)
