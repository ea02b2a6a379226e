"""Files that a user lets be written: a link that came with a checkout does not choose another place for them."""

from pathlib import Path

from runner.errors import UsageError
from runner.lib.checkout_boundary import leaves_checkout


def refuse_link_out(target: Path) -> None:
    """Refuse a file or folder that is a link, or lies behind one, to a place outside of its checkout.

    Raises:
        UsageError: it does.
    """
    if leaves_checkout(target):
        raise UsageError(
            f"{target} leads out of its checkout, and nothing is written through it.",
            hint="Name the place that it leads to, or another one.",
        )
