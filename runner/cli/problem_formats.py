"""The problems of a manifest as other programs read them."""

from runner import __version__
from runner.app.validate import Validation
from runner.reports.problems.for_ci import github_commands, gitlab_report, problems_json
from runner.reports.problems.sarif import sarif_log


def problems_in(form: str, found: Validation, summary: str) -> bytes:
    """Return the whole output in the form `json`, `github`, `gitlab` or `sarif`."""
    match form:
        case "json":
            return problems_json(found.problems, valid=found.valid)
        case "github":
            return "".join(f"{line}\n" for line in (*github_commands(found.problems), summary)).encode()
        case "gitlab":
            return gitlab_report(found.problems)
        case _:
            return sarif_log(found.problems, version=__version__)
