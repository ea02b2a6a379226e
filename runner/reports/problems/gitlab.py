"""Problems of manifests as a GitLab Code Quality report.

Source: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from collections.abc import Sequence

from runner.manifest.problems import Problem
from runner.reports.json_text import render_json
from runner.reports.problems.fingerprint import with_fingerprints
from runner.reports.text import inline

_SEVERITIES = {"error": "major", "warning": "minor"}


def gitlab_report(problems: Sequence[Problem]) -> bytes:
    """Return a JSON array with an object a problem; GitLab wants it also when it is empty."""
    return render_json(
        [
            {
                "description": inline(f"{one.message} {one.hint}"),
                "check_name": one.code,
                "fingerprint": fingerprint,
                "severity": _SEVERITIES[one.severity],
                "location": {"path": one.file, "lines": {"begin": one.line}},
            }
            for one, fingerprint in with_fingerprints(problems)
        ]
    )
