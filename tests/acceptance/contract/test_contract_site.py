"""`retrain site` as a person uses it: after runs of the real command, on a state with real reports."""

import html
import re
import shlex
from pathlib import Path

import pytest

from tests.acceptance.contract.contract_project import KEY_CANARY, Project, rows, threshold
from tests.fakes.result_files import result


def files(site: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file's bytes and when it was written."""
    found = (path for path in site.rglob("*") if path.is_file())
    return {path.relative_to(site).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


@pytest.fixture
def site(project: Project) -> Path:
    """Return the site after a run that switched one model and asks about the other."""
    project.add("churn", policy=threshold({"metric": "auc", "min": 0.80}), results=[result(AUC="0.9")])
    project.add("demand", policy={"type": "manual"})
    assert project.run().code == 0
    assert project.retrain("site", str(project.folder / "public")).code == 0
    return project.folder / "public"


def test_the_site_shows_each_model_and_the_command_that_settles_what_waits(project: Project, site: Path) -> None:
    index = (site / "index.html").read_text("utf-8")
    assert "1 of 2 models needs a person." in index
    [run] = [path for path in (project.state / "runs").iterdir() if not path.is_symlink()]
    shown = (site / "runs" / run.name / "index.html").read_bytes()
    report = (run / "report.html").read_bytes()
    no_file = re.sub(rb' href="../../runs/[^"]*"', b"", report)  # the site has no result files
    assert b' href="../../runs/' in report
    links = re.findall(
        rb' <a class="soft" href="../../(models/[^"]+)" aria-label="history of [^"]+">history</a>', shown
    )
    assert [(site / link.decode()).is_file() for link in links] == [True, True]
    assert re.sub(rb"<nav.*</nav>\n| <a class=.soft. href=[^>]*>history</a>", b"", shown) == no_file
    [line] = [line for line in index.splitlines() if "<code>retrain approve demand --job " in line]
    command = shlex.split(html.unescape(line.split("<code>retrain ")[1].split("</code>")[0]))
    assert project.retrain(*command, "--yes").code == 2  # its dots are no reason
    command[command.index("...")] = "seen by the team"
    assert project.retrain(*command, "--yes").code == 0
    done = project.retrain("site", str(site))
    assert done.code == 0
    assert done.out.startswith(f"{site}/index.html: 2 models, 2 runs; 4 files written, ")
    assert "No model needs a person." in (site / "index.html").read_text("utf-8")


def test_a_second_build_after_one_models_run_leaves_the_others_pages(project: Project, site: Path) -> None:
    before = files(site)
    project.write_data("churn", rows(seed=1))
    assert project.run("--select", "churn").code == 0
    assert project.retrain("site", str(site)).code == 0
    changed = {path.split("-")[0] for path, file in files(site).items() if before.get(path) != file}
    [run] = {path.split("-")[0] for path in files(site).keys() - before.keys()}
    assert changed == {"index.html", "runs/index.html", "models/churn", ".retrain", run}


def test_no_key_and_no_signed_address_is_in_the_site(site: Path) -> None:
    for path, (content, _) in files(site).items():
        assert KEY_CANARY.encode() not in content, path
        assert b"X-Amz-Signature" not in content, path
        assert b"http://127.0.0.1" not in content, path


def test_a_folder_of_others_is_refused_with_a_sentence(project: Project, site: Path) -> None:
    done = project.retrain("site", str(project.folder))
    assert done.code == 2
    assert "is not a site that was built before" in done.err
    assert "Traceback" not in done.err
    assert site.is_dir()
