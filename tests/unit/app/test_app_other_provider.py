"""A second provider is a package of its own, an entry of the registry and a value of the schema's enum."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cli.main import group
from runner.errors import UsageError
from runner.lib.schemas import fit, load_schema
from runner.manifest import schema_errors as misfits
from runner.manifest.document import ManifestError
from runner.manifest.load import load
from runner.providers.registry import PROVIDERS
from tests.fakes.other_provider import OTHER, OtherService, serving

MANIFEST = """
version: 1
service: {{provider: {provider}{more}}}
datasets: {{d: {{train: {data}{eval}}}}}
policies: {{p: {{type: threshold, rules: [{{metric: auc, min: 0.9}}], first_run: hold}}}}
models: {{m: {{api_key: {{env: OTHER_KEY}}, dataset: d, policy: p, wait: {{poll: 500ms}}}}}}
"""


@pytest.fixture(autouse=True)
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Enter the provider into the registry and the schema's enum, and work in a fresh folder."""
    monkeypatch.setitem(PROVIDERS, "other", OTHER)
    monkeypatch.setenv("OTHER_KEY", "a-key-of-the-other")
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("id;label\n" + "1;a\n2;b\n" * 20)
    values = load_schema("manifest")["properties"]["service"]["properties"]["provider"]["enum"]
    values.append("other")
    _forget_compiled()
    yield
    values.remove("other")
    _forget_compiled()


def _forget_compiled() -> None:
    fit.cache_clear()
    misfits._validator.cache_clear()


def retrain(*words: str) -> int:
    """Run the command in this process, and return its exit code; an error of ours is raised."""
    return int(group.main(words, prog_name="retrain", standalone_mode=False))


def write(provider: str = "other", *, more: str = "", evaluation: str = "", data: str = "data.csv") -> None:
    Path("models.yaml").write_text(MANIFEST.format(provider=provider, more=more, eval=evaluation, data=data))


def test_the_schema_names_the_providers_of_the_registry() -> None:
    enum = load_schema("manifest")["properties"]["service"]["properties"]["provider"]["enum"]
    assert enum == [*PROVIDERS]


def test_the_real_command_trains_judges_and_switches_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    service = OtherService()
    with serving(service) as url:
        write(more=f", url: {url}/api")
        code = retrain("run", "models.yaml", "--state", "state", "--format", "json")
    assert code == 0
    assert json.loads(capsys.readouterr().out)["summary"]["switched"] == 1
    assert service.data == {"t-1": Path("data.csv").read_bytes()}  # no zip
    calls = [call for call in service.log if not call.endswith("/live")]
    assert calls[:3] == ["POST /api/trainings", "GET /api/trainings/t-1", "PUT /api/uploads/t-1"]
    assert calls[-2:] == ["GET /api/trainings/t-1/scores", "POST /api/live/t-1"]
    assert service.live == 7


def test_its_facts_are_the_manifests_defaults() -> None:
    write()
    manifest = load([Path("models.yaml")])
    assert manifest.service.url == "https://api.other.example"
    assert manifest.service.statuses.finished == ("succeeded",)
    checks = manifest.models["m"].checks
    assert (checks.rows.min, checks.rows.max, checks.columns.max, checks.labels) == (10, 5_000, 50, 3)


def test_its_data_limits_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    write(more=", url: 'http://127.0.0.1:9'")
    Path("data.csv").write_text("id;label\n1;a\n2;b\n")
    retrain("plan", "models.yaml", "--state", "state")
    assert "fewer than the 10 it needs" in " ".join(capsys.readouterr().out.split())


def columnar(rows: int) -> str:
    return json.dumps({"id": [str(number) for number in range(rows)], "label": ["a", "b"] * (rows // 2)})


def planned(capsys: pytest.CaptureFixture[str]) -> str:
    retrain("plan", "models.yaml", "--state", "state")
    return " ".join(capsys.readouterr().out.split())


def test_a_format_of_its_own_is_checked_as_text_and_sent_as_it_is() -> None:
    service = OtherService()
    Path("data.columns").write_text(columnar(40))
    with serving(service) as url:
        write(more=f", url: {url}/api", data="data.columns")
        code = retrain("run", "models.yaml", "--state", "state", "--format", "json")
    assert code == 0
    assert service.data == {"t-1": Path("data.columns").read_bytes()}


def test_parquet_is_checked_and_sent_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    duckdb, service = pytest.importorskip("duckdb", reason="needs the extra `parquet`"), OtherService()
    with serving(service) as url:
        for rows in (4, 40):
            write(more=f", url: {url}/api", data="data.parquet")
            with duckdb.connect() as database:
                table = database.sql("SELECT i AS id, if(i % 2 = 0, 'a', 'b') AS label FROM range(40) AS rows (i)")
                table.limit(rows).write_parquet("data.parquet")
            assert ("data.parquet: has 4 rows, fewer than the 10 it needs" in planned(capsys)) == (rows == 4)
        assert retrain("run", "models.yaml", "--state", "state", "--format", "json") == 0
    assert service.data == {"t-1": Path("data.parquet").read_bytes()}


def test_the_data_is_checked_whatever_format_it_is_in(capsys: pytest.CaptureFixture[str]) -> None:
    write(more=", url: 'http://127.0.0.1:9'", data="data.columns")
    Path("data.columns").write_text(columnar(4))
    assert "data.columns: has 4 rows, fewer than the 10 it needs" in planned(capsys)
    Path("data.columns").write_text("id,label\n")
    assert "data.columns cannot be read: it is not a table by columns" in planned(capsys)
    Path("data.columns").write_text(columnar(400))
    assert "more than the 2,000 that the provider takes" in planned(capsys)
    write(more=", url: 'http://127.0.0.1:9'", data="data.tsv")
    Path("data.tsv").write_text("id\tlabel\n")
    assert "data.tsv does not end in .csv or .columns or .parquet" in planned(capsys)


def test_only_the_encodings_that_it_reads_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    write(more=", url: 'http://127.0.0.1:9'")
    Path("data.csv").write_text("id;label\n" + "1;あ\n2;い\n" * 20, encoding="cp932")
    assert "is cp932, and the provider reads utf-8; save it as that" in planned(capsys)


def test_what_it_cannot_do_is_said_by_the_manifest() -> None:
    write(evaluation=", eval: data.csv")
    with pytest.raises(ManifestError) as caught:
        load([Path("models.yaml")])
    assert "takes training data only" in caught.value.problems[0].message
    write(more=", emulator: true")
    with pytest.raises(ManifestError) as caught:
        load([Path("models.yaml")])
    assert "no emulator of the provider other" in caught.value.problems[0].message


def test_keys_go_to_its_own_host_and_not_to_another_providers() -> None:
    write(more=", url: 'https://developer-api.predictionone.sony.biz'")
    with pytest.raises(UsageError, match="API keys are not sent to developer-api"):
        retrain("run", "models.yaml", "--state", "state")
