"""Jinja's surroundings of the pages, and where its compiled templates are kept.

Compiling the templates of a report takes longer than all else that a small run does. So the result is where Python
keeps what it compiles, in the package's own `__pycache__`: written once for each installation, where that is allowed,
and believed only while template, settings and versions are the same.
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from runner import __version__

_COMPILED = Path(cache_from_source(__file__)).parent
_environment = partial(Environment, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)


class CompiledTemplates(FileSystemBytecodeCache):
    """Compiled templates as files of a folder; like Python's own they are kept only where that is allowed."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take a compiled template in, if there is a sound one of this text."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # noqa: BLE001 -- whatever is wrong with it, the template is compiled again
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template, whole or not at all."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)


def templates(
    *packages: str,
    autoescape: bool = True,
    filters: Mapping[str, Callable[..., Any]],
    compiled: Path = _COMPILED,
) -> Environment:
    """Return the surroundings of the templates of these packages, of which the first that has a name gives it."""
    edition = f"{zlib.crc32(repr((__version__, autoescape, _environment.keywords)).encode()):08x}"
    environment = _environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=autoescape,  # on for HTML; Markdown is escaped by its filters
        undefined=StrictUndefined,
        bytecode_cache=CompiledTemplates(str(compiled), f"template-%s.{sys.implementation.cache_tag}-{edition}.jinja"),
    )
    environment.filters |= filters
    return environment
