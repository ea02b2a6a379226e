"""A character that only looks like one of YAML's is named with its place, before what follows from it."""

from pathlib import Path

import pytest

from runner.manifest.load import read

MANIFEST = """version: 1
service: {url: "https://developer-api.predictionone.sony.biz"}
datasets:
  d: {train: train.csv}
policies:
  p:
    type: threshold
    rules:
      - {metric: auc, min: 0.8}
models:
  m:
    api_key: {env: KEY}
    dataset: d
    policy: p
"""


def problems(folder: Path, text: str) -> list[str]:
    (folder / "m.yaml").write_text(text, "utf-8")
    return [problem.line_text().partition("m.yaml:")[2] for problem in read([folder / "m.yaml"]).problems]


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("    dataset: d", "\u3000\u3000dataset: d", "13:1: odd-character: U+3000 IDEOGRAPHIC SPACE is used"),
        ("    dataset: d", "\u00a0\u00a0\u00a0\u00a0dataset: d", "13:1: odd-character: U+00A0 NO-BREAK SPACE is used"),
        ("    dataset: d", "    dataset\uff1a d", "13:12: odd-character: \uff1a (U+FF1A FULLWIDTH COLON) is used"),
        ("    policy: p", "    policy\uff1ap", "14:11: odd-character: \uff1a (U+FF1A FULLWIDTH COLON) is used"),
        ("    policy: p", "    policy:\u00a0p", "14:12: odd-character: U+00A0 NO-BREAK SPACE is used"),
        ("models:", "models\uff1a", "10:7: odd-character: \uff1a (U+FF1A FULLWIDTH COLON) is used"),
        ("{metric: auc,", "{metric\uff1a auc,", "9:16: odd-character: \uff1a (U+FF1A FULLWIDTH COLON) is used"),
        ("auc, min", "auc\uff0c min", "9:21: odd-character: \uff0c (U+FF0C FULLWIDTH COMMA) is used"),
        ("      - {", "      \uff0d {", "9:7: odd-character: \uff0d (U+FF0D FULLWIDTH HYPHEN-MINUS) is used"),
        (
            "{env: KEY}",
            "\uff5benv: KEY}",
            "12:14: odd-character: \uff5b (U+FF5B FULLWIDTH LEFT CURLY BRACKET)",
        ),
        ("threshold", "\u201cthreshold\u201d", "7:11: odd-character: \u201c (U+201C LEFT DOUBLE QUOTATION MARK)"),
        ("    dataset: d", "\t\tdataset: d", "13:1: tab: A tab is used for indentation."),
    ],
)
def test_the_character_and_its_place_come_first(tmp_path: Path, good: str, bad: str, told: str) -> None:
    assert MANIFEST.count(good) == 1
    assert problems(tmp_path, MANIFEST.replace(good, bad))[0].startswith(told)


def test_the_same_characters_in_values_and_comments_are_nobodys_business(tmp_path: Path) -> None:
    fine = MANIFEST.replace(
        "    policy: p",
        "    policy: p  # \u3000\u540d\u524d\uff1a\u5024\n    owner: \u5c71\u7530\u3000\u592a\u90ce\uff0cA",
    )
    assert problems(tmp_path, fine) == []
    wrong = fine.replace("type: threshold", "type: treshold")
    assert not any("odd-character" in problem for problem in problems(tmp_path, wrong))
