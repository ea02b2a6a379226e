"""Which models a command works on."""

from collections.abc import Sequence

from runner.errors import UsageError
from runner.lib.text import choice, did_you_mean, shown
from runner.manifest.model import Manifest, Model
from runner.manifest.service import TAG, matches

_MOST_NAMED = 5  # models of a manifest, in a hint


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
        hint = did_you_mean(name, manifest.models, otherwise=_known(manifest))
        raise UsageError(f"The manifest has no model {shown(name)}.", hint=hint)
    return manifest.models[name]


def _nothing(manifest: Manifest, selector: str) -> UsageError:
    tags = sorted({f"{TAG}{tag}" for model in manifest.models.values() for tag in model.tags})
    hint = did_you_mean(selector, [*manifest.models, *tags], otherwise=_known(manifest))
    return UsageError(f"No model matches {shown(selector)}.", hint=f"{hint} Select by name or by `tag:NAME`.")


def _known(manifest: Manifest) -> str:
    return f"Models are {choice(list(manifest.models)[:_MOST_NAMED], 'and')}."
