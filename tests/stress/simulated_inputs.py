"""What all histories share and is made once: data files, the manifest they vary, and digests."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from runner.app.planning.data_checks import digests
from runner.datasets.file_cache import FileCache
from runner.datasets.metadata import DatasetDigest, UnreadDataset
from runner.errors import ModelError
from runner.manifest.load import load
from runner.manifest.model import Dataset, Manifest, NameChange

VERSIONS = 4
POLICIES = ("auto", "limit", "against", "let_in", "ask", "strict")
_MANIFEST = """
version: 1
service: {url: "https://service.test"}
defaults: {checks: {rows: {min: 2}}, policy: auto}
datasets:
  a: {train: a-1.csv}
  b: {train: b-1.csv}
  c: {train: c-1.csv}
  d: {train: d-1.csv}
  e: {train: e-1.csv}
  f: {train: f-1.csv}
policies:
  auto: {type: auto}
  limit: {type: threshold, rules: [{metric: auc, min: 0.8}]}
  against: {type: threshold, rules: [{metric: auc, against: incumbent, max_drop: 0.01, any_eval: true}]}
  let_in:
    {type: threshold, rules: [{metric: auc, against: incumbent, max_drop: 0.01, any_eval: true}], first_run: pass}
  ask: {type: manual, expires: 14d}
  strict: {type: threshold, rules: [{metric: auc, min: 0.91}], on_fail: ask}
models:
  a: {api_key: {env: A}, dataset: a}
  b: {api_key: {env: B}, dataset: b}
  c: {api_key: {env: C}, dataset: c}
  d: {api_key: {env: D}, dataset: d}
  e: {api_key: {env: E}, dataset: e}
  f: {api_key: {env: F}, dataset: f}
"""


class SimulatedInputs:
    """A folder with a manifest and a few versions of each dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "models.yaml").exists():  # written last: another process may be reading it all by now
            for name in "abcdef":
                for version in range(1, VERSIONS + 1):
                    (folder / f"{name}-{version}.csv").write_text(f"id,label\n1,{name}\n{version},z\n3,y\n")
            (folder / "models.yaml").write_text(_MANIFEST)
        self._manifest = load([folder / "models.yaml"])
        self._digests: dict[str, DatasetDigest | UnreadDataset | ModelError] = {}

    def manifest(
        self,
        quarantine_s: float,
        url_s: float,
        models: Mapping[str, Mapping[str, Any]],
        *,
        called: Mapping[str, str],
        moved: Sequence[NameChange],
    ) -> Manifest:
        """Return the manifest with these models; `version` chooses a model's data, other keys are its settings.

        `called` has each model's name of now, and `moved` how the names changed.
        """
        base = self._manifest
        datasets = {
            name: replace(
                base.datasets[name], train=replace(base.datasets[name].train, pattern=f"{name}-{model['version']}.csv")
            )
            for name, model in models.items()
        }
        chosen = {
            called[name]: replace(
                base.models[name], name=called[name], **{key: value for key, value in model.items() if key != "version"}
            )
            for name, model in models.items()
        }
        quarantine, lifetime = timedelta(seconds=quarantine_s), timedelta(seconds=url_s)
        service = replace(base.service, quarantine=quarantine, url_lifetime=lifetime)
        return replace(base, service=service, datasets=datasets, models=chosen, moved=tuple(moved))

    def digest(self, dataset: Dataset) -> DatasetDigest | UnreadDataset | ModelError:
        """Return what a plan knows of the dataset; each version is read once."""
        pattern = dataset.train.pattern
        if pattern not in self._digests:
            manifest = replace(self._manifest, datasets={dataset.name: dataset})
            found = digests(manifest, [self._model(dataset)], FileCache())
            self._digests[pattern] = found[dataset.name]
        return self._digests[pattern]

    def _model(self, dataset: Dataset) -> Any:
        return next(model for model in self._manifest.models.values() if model.dataset == dataset.name)
