"""Manifests of any number of models."""

from collections.abc import Mapping
from pathlib import Path

from tests.bench.csv_files import write_small

_ONE = """\
version: 1
service: {{url: "{url}"}}
datasets: {{d: {{train: train.csv}}}}
policies: {{p: {{type: threshold, rules: [{{metric: auc, min: 0.8}}]}}}}
models:
  m: {{api_key: {{env: BENCH_KEY}}, dataset: d, policy: p, checks: {{rows: {{max: 100000000}}}}}}
"""
_PACKED = """\
version: 1
service: {url: "https://service.test"}
datasets: {d: {train: train.csv, eval: eval.csv}}
policies: {p: {type: auto}}
models:
  m: {api_key: {env: BENCH_KEY}, dataset: d, policy: p, checks: {rows: {max: 100000000}}}
"""
_MANY = """\
version: 1
service: {{url: "{url}"}}
limits: {{parallel: {parallel}, switches_per_run: {models}, stop_after_failures: {models}}}
policies:
  guarded:
    type: threshold
    rules: [{{metric: auc, min: 0.8}}, {{metric: auc, against: incumbent, max_drop: 0.05, any_eval: true}}]
"""
_MODEL = """\
  model_{number}:
    api_key: {{env: BENCH_KEY_{number}}}
    dataset: data_{number}
    policy: guarded
    retrain: {{when: changed, min_interval: 1s, max_age: 30d, attempts: 2}}
    wait: {{timeout: 6h, poll: adaptive}}
    checks: {{rows: {{min: 100}}, on_fail: stop}}
    tags: [daily, marketing]
    owner: growth-team
"""


def write_one(folder: Path, url: str) -> Path:
    """Write the manifest of a single model whose data is `train.csv` beside it."""
    return _written(folder, _ONE.format(url=url))


def write_packed(folder: Path) -> Path:
    """Write the manifest of a single model whose data is `train.csv` and `eval.csv` beside it."""
    return _written(folder, _PACKED)


def write_many(folder: Path, models: int, *, url: str = "https://service.test", parallel: int = 8) -> Path:
    """Write a manifest of so many models, each with a key and a dataset of its own; data files are not made."""
    numbers = range(1, models + 1)
    data = "".join(f"  data_{number}: {{train: data/{number}.csv}}\n" for number in numbers)
    entries = "".join(_MODEL.format(number=number) for number in numbers)
    head = _MANY.format(url=url, models=models, parallel=parallel)
    return _written(folder, f"{head}datasets:\n{data}models:\n{entries}")


def write_data(folder: Path, models: int) -> None:
    """Write the small data files that `write_many` names."""
    (folder / "data").mkdir(exist_ok=True)
    for number in range(1, models + 1):
        write_small(folder / "data" / f"{number}.csv")


def keys(models: int) -> Mapping[str, str]:
    """Return the environment with the models' API keys."""
    return {"BENCH_KEY": "bench-key"} | {
        f"BENCH_KEY_{number}": f"bench-key-{number}" for number in range(1, models + 1)
    }


def _written(folder: Path, text: str) -> Path:
    path = folder / "models.yaml"
    path.write_text(text, encoding="utf-8")
    return path
