"""The provider's facts, as a manifest that says nothing else has them."""

from runner.manifest.models import standard_checks
from runner.service.prediction_one_facts import FACTS

STATUSES = FACTS.statuses
CHECKS = standard_checks(FACTS.limits)
