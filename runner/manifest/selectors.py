"""How models are chosen by name or tag, on the command line and in the manifest."""

from runner.manifest.model import Model

TAG = "tag:"


def matches(model: Model, selector: str) -> bool:
    """Tell whether a selector, `NAME` or `tag:T`, means this model."""
    if selector.startswith(TAG):
        return selector.removeprefix(TAG) in model.tags
    return model.name == selector
