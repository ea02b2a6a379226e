"""What commands that only read the journal say where events are missing from it."""

from runner.app.state.loss import loss_warning
from runner.cli.console import Console


def warn_of_loss(console: Console, state: str) -> None:
    """Warn where the journal does not end where it once ended: commands that write refuse such a state."""
    text = loss_warning(state)
    if text is not None:
        console.warning(text)
