"""Which models a command works on."""

from collections.abc import Sequence

from runner.errors import UsageError
from runner.lib.text import nearest
from runner.manifest.model import Manifest, Model
from runner.manifest.service import TAG, matches


def select(manifest: Manifest, selectors: Sequence[str]) -> list[Model]:
    """Return the models named by `NAME` or `tag:T` selectors, in the manifest's order; all without selectors.

    Raises:
        UsageError: a selector names nothing. A run that selected no model is never a silent success.
    """
    if not selectors:
        return list(manifest.models.values())
    for selector in selectors:
        if not any(matches(model, selector) for model in manifest.models.values()):
            raise _nothing(manifest, selector)
    return [model for model in manifest.models.values() if any(matches(model, text) for text in selectors)]


def find_model(manifest: Manifest, name: str) -> Model:
    """Return one model by its name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in manifest.models:
        raise _nothing(manifest, name)
    return manifest.models[name]


def _nothing(manifest: Manifest, selector: str) -> UsageError:
    tags = sorted({f"{TAG}{tag}" for model in manifest.models.values() for tag in model.tags})
    close = nearest(selector, [*manifest.models, *tags])
    guess = f"did you mean {close}?" if close else f"models are {', '.join(list(manifest.models)[:5])}."
    return UsageError(f"No model matches {selector}.", hint=f"Select by name or by tag:NAME; {guess}")
