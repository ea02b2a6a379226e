"""From a manifest to hosted models: whose key counts, and what cannot be hosted."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emulator.hosting import host_models
from emulator.keys import ACCOUNT_KEY, key_digest, own_key
from runner.errors import UsageError
from runner.manifest.model import (
    EmulatorModel,
    EnvKey,
    FetchedKey,
    FileKey,
    KeySource,
    Limits,
    Manifest,
    Model,
    Place,
    Retrain,
    Wait,
)
from runner.manifest.service import standard_service
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.prediction_one import CHECKS

SETTINGS = EmulatorModel(task="regression", target="y")


def build_model(name: str, key: KeySource, emulator: EmulatorModel | None = SETTINGS) -> Model:
    return Model(
        name=name,
        api_key=key,
        dataset="d",
        policy="p",
        retrain=Retrain(),
        wait=Wait(),
        checks=CHECKS,
        tags=(),
        owner=None,
        emulator=emulator,
        place=Place(file="m.yaml", line=1, column=1),
    )


def build_manifest(*models: Model) -> Manifest:
    empty: dict[str, Any] = {}
    return Manifest(
        service=replace(standard_service(FACTS), url=None, emulator=True),
        datasets=empty,
        policies=empty,
        metrics=empty,
        models={model.name: model for model in models},
        approvals_folder=None,
        limits=Limits(),
        files=(),
        sha256="0" * 64,
    )


def test_the_users_key_counts_when_it_resolves_and_the_own_key_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_A", "canary-key")
    manifest = build_manifest(build_model("a", EnvKey(name="KEY_A")), build_model("b", EnvKey(name="NO_SUCH_KEY")))
    hosting = host_models(manifest, own_keys=False)
    assert hosting.models["a"].key_digest == key_digest("canary-key")
    assert hosting.models["a"].key_label == "key from env KEY_A"
    assert hosting.models["b"].key_digest == key_digest("emulator-b")
    own = host_models(manifest, own_keys=True)
    assert own.models["a"].key_digest == key_digest("emulator-a")
    assert "canary" not in repr(hosting) + repr(own)


def test_a_key_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("canary-key")
    file.chmod(0o644)
    manifest = build_manifest(build_model("a", FileKey(path=file)))
    assert host_models(manifest, own_keys=False).models["a"].key_digest == key_digest("emulator-a")
    file.chmod(0o600)
    assert host_models(manifest, own_keys=False).models["a"].key_digest == key_digest("canary-key")


def test_a_fetched_key_declares_the_model_id_and_the_accounts_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNT", "account-canary")
    manifest = build_manifest(build_model("a", FetchedKey(secret_key=EnvKey(name="ACCOUNT"), model_id=77)))
    hosting = host_models(manifest, own_keys=False)
    assert hosting.models["a"].declared_id == 77
    assert hosting.account_digests == {key_digest(ACCOUNT_KEY), key_digest("account-canary")}
    assert host_models(manifest, own_keys=True).account_digests == {key_digest(ACCOUNT_KEY)}


def test_a_model_without_emulator_settings_is_left_out_and_none_at_all_is_an_error() -> None:
    bare = build_model("bare", EnvKey(name="X"), emulator=None)
    hosting = host_models(build_manifest(build_model("a", EnvKey(name="X")), bare), own_keys=True)
    assert (list(hosting.models), hosting.left_out) == (["a"], ("bare",))
    with pytest.raises(UsageError, match="No model of the manifest can be emulated"):
        host_models(build_manifest(bare), own_keys=True)


def test_two_models_with_one_key_or_one_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAME", "canary-key")
    same = EnvKey(name="SAME")
    with pytest.raises(UsageError, match="The models a and b have the same API key"):
        host_models(build_manifest(build_model("a", same), build_model("b", same)), own_keys=False)
    fetched = FetchedKey(secret_key=same, model_id=7)
    with pytest.raises(UsageError, match="The models a and b have the same model_id"):
        host_models(build_manifest(build_model("a", fetched), build_model("b", fetched)), own_keys=True)


@pytest.mark.parametrize("name", ["churn", "顧客", "a%62", "a b", "a/b"])
def test_an_own_key_can_stand_in_a_header_and_differs_for_each_name(name: str) -> None:
    key = own_key(name)
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key
    assert key != own_key(name + "x")
