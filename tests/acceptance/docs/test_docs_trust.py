"""The trust model: each of its sentences has a test that plays the attacker, and each such test has its sentence."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.stress.hostile.attacks import ATTACKS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "explanation" / "trust.md"
_SENTENCE = re.compile(r"^- \*\*([A-Z]\d+)\.\*\* ", re.MULTILINE)


def test_each_sentence_of_the_trust_model_is_played_by_an_attacker() -> None:
    sentences = _SENTENCE.findall(PAGE.read_text())
    assert sentences
    assert len(sentences) == len(set(sentences))
    assert {attack.sentence for attack in ATTACKS} | set(_marked()) == set(sentences)


def _marked() -> Iterator[str]:
    """Yield the sentences that tests name in `pytest.mark.plays`."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.plays":
                yield from (
                    arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                )
