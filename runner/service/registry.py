"""The providers by the name that `service.provider` of a manifest gives."""

from runner.service.facts import ProviderFacts
from runner.service.prediction_one import PREDICTION_ONE
from runner.service.provider import ProviderEntry

DEFAULT_PROVIDER = PREDICTION_ONE.facts.name
PROVIDERS: dict[str, ProviderEntry] = {PREDICTION_ONE.facts.name: PREDICTION_ONE}


def facts_of(name: str) -> ProviderFacts:
    """Return the facts of a provider that the manifest's schema knows."""
    return PROVIDERS[name].facts
