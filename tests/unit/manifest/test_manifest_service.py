"""How the service is spoken with, as the manifest says it."""

from pathlib import Path

import pytest

from runner.http.proxies import Proxies, Proxy
from runner.manifest.load import load, read
from runner.providers.base import ServiceOptions

MODELS = """
datasets: {d: {train: data.csv}}
policies: {p: {type: auto}}
models: {m: {api_key: {env: KEY}, dataset: d, policy: p}}
"""


def written(folder: Path, service: str) -> Path:
    path = folder / "models.yaml"
    path.write_text(f"version: 1\nservice: {service}\n{MODELS}", encoding="utf-8")
    return path


def options(folder: Path, service: str) -> ServiceOptions:
    return load([written(folder, service)]).service.options


def test_without_a_word_the_environments_proxies_and_the_documented_names_are_used(tmp_path: Path) -> None:
    assert options(tmp_path, "{quarantine: 5m}") == ServiceOptions(proxies=Proxies(choice="env"))


def test_other_names_count_before_the_documented_ones(tmp_path: Path) -> None:
    fields = options(tmp_path, "{fields: {download_url: resultFile, upload_url: [url, link]}}").fields
    assert fields.download_url == ("resultFile", "download_url", "result_url")
    assert fields.upload_url == ("url", "link", "upload_url")
    assert fields.status == ("status",)


def test_headers_proof_proxy_and_certificates_are_read(tmp_path: Path) -> None:
    found = options(
        tmp_path,
        "{upload: {headers: {X-Ms-Blob-Type: BlockBlob}}, switch_proof: body, proxy: 'http://127.0.0.1:3128', "
        "ca_bundle: ca.pem}",
    )
    assert found.upload_headers == {"x-ms-blob-type": "BlockBlob"}
    assert found.switch_proof == "body"
    assert found.proxies.choice == Proxy(host="127.0.0.1", port=3128)
    assert found.ca_bundle == tmp_path / "ca.pem"


def test_the_words_of_a_busy_service_and_the_end_of_waiting_are_read(tmp_path: Path) -> None:
    text = written(tmp_path, "{statuses: {busy: [Wird aktualisiert]}}").read_text()
    (tmp_path / "models.yaml").write_text(text.replace("policy: p}", "policy: p, wait: {give_up: 3d}}"))
    manifest = load([tmp_path / "models.yaml"])
    assert manifest.service.statuses.busy == ("wird aktualisiert",)
    assert manifest.models["m"].wait.give_up.days == 3


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("{upload: {headers: {Authorization: x}}}", "own-header"),
        ("{upload: {headers: {x-api-key: x}}}", "own-header"),
        ("{proxy: 'socks5://p.example:1'}", "bad-proxy"),
        ("{proxy: 'http://me:canary@p.example:1'}", "bad-proxy"),
        ("{switch_proof: always}", "wrong-value"),
        ("{fields: {size: x}}", "unknown-key"),
        ('{upload: {headers: {"a b": x}}}', "wrong-form"),
        ('{upload: {headers: {a: "x\\ny"}}}', "wrong-form"),
        ("{fields: {status: 3}}", "wrong-type"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, service: str, code: str) -> None:
    problems = read([written(tmp_path, service)]).problems
    assert [problem.code for problem in problems if problem.severity == "error"] == [code]
    assert "canary" not in repr([(problem.message, problem.hint) for problem in problems])
