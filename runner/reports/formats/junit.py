"""A run as JUnit XML, which CI systems show as test results: one suite a run, one case a model.

Source of the form: https://github.com/testmoapp/junitxml. docs/how-to/formats.md says what happens to each outcome.
"""

from xml.etree import ElementTree as ET

from runner.errors import ExitCode
from runner.journal.outcomes import OUTCOMES
from runner.policy.types import unread_clause
from runner.reports.model import ModelReport, Report
from runner.reports.text import exit_meaning, inline

_BAD = ("failure", "error")


def render_junit(report: Report) -> bytes:
    """Return the report as UTF-8 XML.

    A held candidate is a failure in the run that judged it, unless that run's exit code 0 says it is none.
    """
    cases = [_case(model, report) for model in report.models]
    suite = ET.Element(
        "testsuite",
        {
            "name": inline(f"retrain {report.run_id}"),
            "tests": str(len(cases)),
            **_counts(cases),
            "time": _seconds(sum(model.timings.total for model in report.models)),
            "timestamp": f"{report.started_at[:19]}Z",
        },
    )
    _add_properties(suite, report)
    suite.extend(cases)
    suites = ET.Element("testsuites", {key: value for key, value in suite.items() if key != "timestamp"})
    suites.append(suite)
    ET.indent(suites)
    return b"".join([ET.tostring(suites, encoding="utf-8", xml_declaration=True), b"\n"])


def _counts(cases: list[ET.Element]) -> dict[str, str]:
    tags = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in tags.items()}


def _add_properties(suite: ET.Element, report: Report) -> None:
    git = report.manifest.git
    values = {
        "run_id": report.run_id,
        "command": report.command,
        "service": report.service,
        "exit_code": f"{report.exit_code} ({exit_meaning(report.exit_code)})",
        "stopped": report.stopped,
        "version": report.tool.version,
        "manifest_sha256": report.manifest.sha256,
        "commit": git.commit if git else None,
        "head_sha256": report.journal.head_sha256,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in values.items():
        if value is not None:
            ET.SubElement(properties, "property", {"name": name, "value": inline(value)})


def _case(model: ModelReport, report: Report) -> ET.Element:
    attributes = {
        "classname": inline(model.policy or "retrain"),
        "name": inline(model.name),
        "time": _seconds(model.timings.total),
    }
    case = ET.Element("testcase", attributes)
    outcome, reason = model.outcome, inline(model.reason)
    tag = _tag(model, report.exit_code)
    if tag in _BAD:
        kind = model.error.kind if outcome == "failed" and model.error else outcome
        ET.SubElement(case, tag, {"type": inline(kind), "message": reason}).text = _details(model)
        return case
    if tag:
        ET.SubElement(case, tag, {"message": f"{outcome}: {reason}"})
    ET.SubElement(case, "system-out").text = _details(model)
    return case


def _tag(model: ModelReport, exit_code: int) -> str | None:
    """Return the element that says how the case ended; a passed one has none."""
    outcome = model.outcome
    if model.still_held or (outcome == "held" and exit_code == ExitCode.OK):
        return "skipped"
    return OUTCOMES[outcome].junit


def _details(model: ModelReport) -> str:
    """Return everything that explains the outcome, a line each."""
    lines = [
        f"{model.outcome}: {model.reason}",
        *([unread_clause(model.unread)] if model.unread else []),
        *(f"{rule.level} {rule.verdict}: {rule.formula}" for rule in model.rules),
        *([f"job {model.retrain_job_id}"] if model.retrain_job_id else []),
        *(f"warning: {warning}" for warning in model.warnings),
    ]
    return "\n".join(inline(line) for line in lines)


def _seconds(value: float) -> str:
    return f"{value:.3f}"
