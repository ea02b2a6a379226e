"""How models are chosen by name or tag, on the command line and in the manifest."""

from collections.abc import Iterable

from runner.manifest.model import Model

TAG = "tag:"


def selectors_of(models: Iterable[Model]) -> set[str]:
    """Return every selector that means one of the models."""
    return {selector for model in models for selector in (model.name, *(TAG + tag for tag in model.tags))}


def matches(model: Model, selector: str) -> bool:
    """Tell whether a selector, `NAME` or `tag:T`, means this model."""
    if selector.startswith(TAG):
        return selector.removeprefix(TAG) in model.tags
    return model.name == selector
