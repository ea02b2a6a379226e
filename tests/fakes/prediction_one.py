"""The provider's facts, as a manifest that says nothing else has them."""

from runner.manifest.models import standard_checks
from runner.providers.prediction_one.facts import FACTS

STATUSES = FACTS.statuses
CHECKS = standard_checks(FACTS.limits)
