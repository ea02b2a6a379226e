"""Templates, style and script of the site; it has the look of a run's report and shares its parts."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from msgspec import Struct

from runner.reports.formats.render import FILTERS
from runner.reports.inline_files import inline_file
from runner.reports.templating import templates
from runner.site.addresses import asset_path


class Assets(Struct, frozen=True, kw_only=True):
    """The paths of the style and the script, and their bytes by path."""

    style: str
    script: str
    files: Mapping[str, bytes]


@cache
def assets() -> Assets:
    """Return the report's style with the site's own added, and the report's script."""
    own = files("runner.site").joinpath("templates", "site.css").read_text("utf-8")
    style, script = f"{inline_file('report.css').text}\n{own}".encode(), inline_file("report.js").text.encode()
    paths = asset_path(style, "css"), asset_path(script, "js")
    return Assets(style=paths[0], script=paths[1], files={paths[0]: style, paths[1]: script})


def render(template: str, **values: Any) -> bytes:
    """Return a page as UTF-8; every value that a template shows is escaped."""
    return _environment().get_template(template).render(**values).encode()


@cache
def _environment() -> Environment:
    return templates("runner.site", "runner.reports", filters=FILTERS)
