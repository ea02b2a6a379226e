"""What the reasons of decisions have in common."""

ASK = "a person decides."
TAKES_OVER = "; the candidate takes over."


def unread_clause(reason: str) -> str:
    """Return, as a clause without an end, that a result file has no metrics that can be read, and why."""
    return f"the metrics could not be read: {reason[0].lower()}{reason[1:].removesuffix('.')}"
