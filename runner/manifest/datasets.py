"""The section `datasets`: where the data of a training comes from."""

import re

from runner.manifest.document import YamlMap
from runner.manifest.merge import Combined
from runner.manifest.model import Dataset, Source
from runner.manifest.problems import Findings

SCHEMES: set[str] = set()  # of addresses that `runner.datasets.sources` finds data at, beside paths
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_GLOB = re.compile(r"[*?\[]")


def read_dataset(section: YamlMap, name: str, combined: Combined) -> Dataset:
    """Return one dataset; its paths start at the folder of the file they stand in."""
    dataset: YamlMap = section[name]
    pins: YamlMap = dataset.get("sha256", YamlMap())
    if "eval" in pins and "eval" not in dataset:
        combined.findings.error(
            pins.key_place("eval"),
            "misplaced-key",
            "`sha256` pins evaluation data that the dataset does not have.",
            hint="Add `eval`, or remove the pin.",
        )
    return Dataset(
        name=name,
        train=read_source(dataset, "train", combined),
        eval=read_source(dataset, "eval", combined) if "eval" in dataset else None,
        train_sha256=_read_pin(pins, "train"),
        eval_sha256=_read_pin(pins, "eval"),
        place=section.key_place(name),
    )


def _read_pin(pins: YamlMap, key: str) -> str | None:
    return pins[key].strip().lower() if key in pins else None


def read_source(dataset: YamlMap, key: str, combined: Combined) -> Source:
    """Return where a data file comes from; its path starts at the folder of the file it is written in."""
    value = dataset[key]
    if isinstance(value, str):
        _refuse_url(dataset, key, combined.findings)
        if _GLOB.search(value) and not _URL.match(value):
            combined.findings.error(
                dataset.value_place(key),
                "glob-without-pick",
                f"`{key}` is a pattern, but it does not say which of the files to take.",
                hint="Write `{glob: ..., pick: latest}` or `{glob: ..., pick: all}`.",
            )
        place = dataset.value_place(key)
        return Source(pattern=value, folder=combined.folder(dataset, key), pick=None, place=place)
    _refuse_url(value, "glob", combined.findings)
    return Source(
        pattern=value["glob"],
        folder=combined.folder(value, "glob"),
        pick=value.get("pick", "latest"),
        place=value.value_place("glob"),
    )


def _refuse_url(owner: YamlMap, key: str, findings: Findings) -> None:
    url = _URL.match(owner[key])
    if url is not None and url[1].lower() not in SCHEMES:
        findings.error(
            owner.value_place(key),
            "not-available-yet",
            "Remote dataset URLs are not available yet.",
            hint="Copy the data to a file beside the manifest before the run, and name its path.",
        )
