"""The one way in which a result file is refused."""

from runner.errors import Kind, ModelError

_HINT = "`retrain inspect FILE` shows what a result file holds."


def refusal(message: str, *, hint: str = _HINT) -> ModelError:
    """Return the error for a result file that cannot be read; `message` is one sentence."""
    return ModelError(Kind.RESULT, message, hint=hint)
