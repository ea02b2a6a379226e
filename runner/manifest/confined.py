"""Whether a file is where its path says: a link of a checkout may lead to any file of the machine."""

import os
from pathlib import Path


def leads_out(path: Path) -> bool:
    """Tell whether links take a path out of the checkout that it is in, or without git out of its own folder.

    Links within it are followed, as a mounted ConfigMap of Kubernetes has them. Impossible paths do not lead out.
    """
    try:
        named = Path(os.path.abspath(path))  # noqa: PTH100 -- unlike Path.resolve it follows no link
        top = next((one for one in named.parents if os.path.lexists(one / ".git")), named.parent)
        return not named.resolve().is_relative_to(top.resolve())
    except (OSError, RuntimeError, ValueError):
        return False
