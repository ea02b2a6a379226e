"""The service of a plan in one line: which host the keys go to, and whether they may."""

from runner.plan.document import PlanDocument


def service_line(plan: PlanDocument) -> str:
    """Return the host that a run of the plan speaks to, and those that its models move from.

    The text is not yet fit for a terminal.
    """
    host = plan.service
    line = f"moves from {' and '.join(plan.services_before)} to {host}" if plan.services_before else host
    if plan.service_trusted:
        return line
    return f"{line} (not trusted: a run is refused without --trust-host {host} or RETRAIN_TRUSTED_HOSTS={host})"


def names_line(plan: PlanDocument) -> str | None:
    """Return which names change, as text that is not yet fit for a terminal; None where none does."""
    return ", ".join(f"{move.old} is called {move.new} now" for move in plan.moves) or None
