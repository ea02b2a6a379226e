"""Every form a run's report can be rendered in. Pure: the journal's events in, bytes out."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from runner.report.build import RunHistory, build_report, outline
from runner.report.junit import render_junit
from runner.report.openmetrics import render_openmetrics
from runner.report.render import render_html, render_markdown, render_report

FORMATS: Mapping[str, Callable[[RunHistory], bytes]] = MappingProxyType(
    {
        "html": render_html,
        "markdown": lambda history: render_markdown(outline(history)),
        "json": lambda history: b"".join(render_report(history)),
        "junit": lambda history: render_junit(build_report(history)),
        "openmetrics": lambda history: render_openmetrics(build_report(history)),
    }
)
