"""Every form a run's report can be rendered in. Pure: the journal's events in, bytes out.

A format is a function of one of these two kinds in a module of its own, and its line in `FORMATS`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from runner.reports.build import build_report
from runner.reports.formats.junit import render_junit
from runner.reports.formats.openmetrics import render_openmetrics
from runner.reports.formats.render import render_html, render_markdown, render_report
from runner.reports.model import Report
from runner.reports.run_history import RunHistory

Render = Callable[[RunHistory], bytes]


def of_report(render: Callable[[Report], bytes]) -> Render:
    """Return a format that needs the report alone, and not the history it is made from."""
    return lambda history: render(build_report(history))


FORMATS: Mapping[str, Render] = MappingProxyType(
    {
        "html": render_html,
        "markdown": render_markdown,
        "json": lambda history: b"".join(render_report(history)),
        "junit": of_report(render_junit),
        "openmetrics": of_report(render_openmetrics),
    }
)
