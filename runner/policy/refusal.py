"""The one way in which a result file is refused."""

from runner.errors import Kind, ModelError

_HINT = "Look at the stored result file; a new download may be whole, and another form must first be made known here."


def refusal(message: str, *, hint: str = _HINT) -> ModelError:
    """Return the error for a result file that cannot be read; `message` is one sentence."""
    return ModelError(Kind.RESULT, message, hint=hint)
