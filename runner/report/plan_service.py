"""The service of a plan in one line: which host the keys go to, and whether they may."""

from runner.plan.document import PlanDocument


def service_line(plan: PlanDocument) -> str:
    """Return the host that a run of the plan speaks to, as text that is not yet fit for a terminal."""
    host = plan.service
    if plan.service_trusted:
        return host
    return f"{host} (not trusted: a run is refused without --trust-host {host} or RETRAIN_TRUSTED_HOSTS={host})"
