"""The page of a pipeline's job, as the environment says it; anything but a plain address is left out."""

import pytest

from runner.app.provenance import ci_job

GITHUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "team/models", "GITHUB_RUN_ID": "42"}


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, None),
        (GITHUB, "https://github.com/team/models/actions/runs/42"),
        ({**GITHUB, "GITHUB_RUN_ID": "42?x=1"}, None),
        ({"CI_JOB_URL": "https://gitlab.example:8443/t/m/-/jobs/7"}, "https://gitlab.example:8443/t/m/-/jobs/7"),
        ({"CI_JOB_URL": "javascript:alert(1)"}, None),
        ({"CI_JOB_URL": "https://ann:secret@gitlab.example/jobs/7"}, None),
        ({"CI_JOB_URL": 'https://gitlab.example/"onclick=x'}, None),
        ({"CI_JOB_URL": f"https://gitlab.example/{'a' * 2000}"}, None),
    ],
)
def test_the_address_of_the_pipelines_job(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str | None
) -> None:
    for name in (*GITHUB, "CI_JOB_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ci_job() == address
