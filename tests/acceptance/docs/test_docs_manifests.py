"""Every YAML block of the documentation is what it says: manifests by the real command, others by their schema."""

import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from emulator.profile_file import read_faults, read_profile
from emulator.rules import Rules
from runner.lib.schemas import load_schema
from runner.reports.formats import openmetrics
from tests.acceptance.conftest import ROOT, Retrain
from tests.acceptance.docs.blocks import Block, blocks_of, pages
from tests.acceptance.docs.manifests import kind_of, manifest_text, value_of, workflow_text

PAGES = [*pages(), "../README.md", "../README.ja.md"]
MANIFESTS = [block for page in PAGES for block in blocks_of(page, "yaml") if kind_of(block) in ("manifest", "fragment")]
OTHERS = [block for page in PAGES for block in blocks_of(page, "yaml") if block not in MANIFESTS]
SCHEMAS = {
    "github-steps": "vendor.github-workflows",
    "github-workflow": "vendor.github-workflows",
    "gitlab-ci": "vendor.gitlab-ci",
}


def place(block: Block) -> str:
    return block.place


@pytest.mark.parametrize("block", MANIFESTS, ids=place)
def test_a_manifest_in_the_documentation_is_valid(block: Block, retrain: Retrain, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(manifest_text(block), encoding="utf-8")
    done = retrain("validate", "models.yaml", cwd=tmp_path)
    assert done.returncode == 0, f"{block.place}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("block", OTHERS, ids=place)
def test_any_other_yaml_in_the_documentation_fits_its_format(block: Block, tmp_path: Path) -> None:
    match kind_of(block):
        case "approval":
            jsonschema.Draft202012Validator(load_schema("approval")).validate(value_of(block))
        case "faults":
            (tmp_path / "faults.yaml").write_text(block.text, encoding="utf-8")
            faults = read_faults(tmp_path / "faults.yaml", ["churn"])
            assert Rules(faults).next_for(value_of(block)[0]["call"], "churn").rule is not None
        case "profile":
            (tmp_path / "profile.yaml").write_text(block.text, encoding="utf-8")
            assert read_profile(str(tmp_path / "profile.yaml"), ["churn"]).rules
        case "prometheus-rules":
            named = set(re.findall(r"\bretrain_[a-z_]+", block.text))
            assert named <= set(re.findall(r"\bretrain_[a-z_]+", Path(openmetrics.__file__).read_text("utf-8")))
        case "comment":
            assert value_of(block) is None
        case "pre-commit":
            (tmp_path / "hooks.yaml").write_text(block.text, encoding="utf-8")
            words = [sys.executable, "-m", "pre_commit", "validate-config", str(tmp_path / "hooks.yaml")]
            assert subprocess.run(words, env={"HOME": str(tmp_path)}, check=False).returncode == 0
        case kind if kind in SCHEMAS:
            text = workflow_text(block) if kind == "github-steps" else block.text
            check_by_schema(text, SCHEMAS[kind], tmp_path / "file.yaml")
        case _:
            pytest.fail(f"{block.place}: a comment `<!-- test: kind NAME -->` must say what this is")


def check_by_schema(text: str, schema: str, file: Path) -> None:
    """Check a pipeline's file by the schema that check-jsonschema carries; nothing is fetched."""
    file.write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("text", ["models: {churn: {polcy: guarded}}", "policies: {guarded: {type: threshold}}"])
def test_a_wrong_fragment_is_found(text: str, retrain: Retrain, tmp_path: Path) -> None:
    block = Block(page="page.md", line=1, language="yaml", text=text, notes=())
    (tmp_path / "models.yaml").write_text(manifest_text(block), encoding="utf-8")
    assert retrain("validate", "models.yaml", cwd=tmp_path).returncode == 3
