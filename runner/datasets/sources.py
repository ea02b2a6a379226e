"""The sources of data by the scheme of an address; a path has none. `manifest/datasets.py` lists the schemes."""

import re

from runner.datasets.local_source import LocalSource
from runner.datasets.source import DataSource
from runner.errors import Kind, ModelError

SOURCES: dict[str, DataSource] = {"": LocalSource()}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def source_of(pattern: str) -> DataSource:
    """Return the source that finds what a manifest names.

    Raises:
        ModelError: of kind `data`: no source knows the scheme.
    """
    scheme = _SCHEME.match(pattern)
    found = SOURCES.get(scheme[1].lower() if scheme else "")
    if found is None:
        raise ModelError(
            Kind.DATA,
            f"{pattern.split('?', maxsplit=1)[0]} is a URL, and only local files can be read.",
            hint="Fetch the file in a step before this one and name its local path.",
        )
    return found
