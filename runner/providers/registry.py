"""The providers by the name that `service.provider` of a manifest gives."""

from runner.providers.base import ProviderEntry
from runner.providers.facts import ProviderFacts
from runner.providers.prediction_one.provider import PREDICTION_ONE

DEFAULT_PROVIDER = PREDICTION_ONE.facts.name
PROVIDERS: dict[str, ProviderEntry] = {PREDICTION_ONE.facts.name: PREDICTION_ONE}


def facts_of(name: str) -> ProviderFacts:
    """Return the facts of a provider that the manifest's schema knows."""
    return PROVIDERS[name].facts
