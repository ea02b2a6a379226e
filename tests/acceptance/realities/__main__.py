"""`python3 dev realities [ID ...]`: play each reality as a person would, and print one table."""

import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.acceptance.realities.parts import part_of
from tests.acceptance.realities.person import Ending, Person, Played
from tests.acceptance.realities.scene import realities, staged

KNOWN = Path(__file__).with_name("known_stuck.txt")
"""The realities that are not got past yet, one a line; the list may only shrink."""

_GOOD = (Ending.AT_ONCE, Ending.PAST)


def play(reality: str) -> Played:
    """Play one reality in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, staged(reality, Path(folder) / "project") as scene:
        return Person(scene=scene, part=part_of(reality, scene.profile)).play()


def known_stuck() -> set[str]:
    """Return the realities that are expected to be stuck."""
    return {line.split("#")[0].strip() for line in KNOWN.read_text(encoding="utf-8").splitlines()} - {""}


def main(words: list[str]) -> int:
    """Play the named realities, or all; 1 when one is stuck that is not listed, or is right and still listed."""
    wanted = [word for word in words if word != "-v"] or realities()
    known, counts, unexpected = known_stuck(), Counter[Ending](), 0
    with ThreadPoolExecutor(2) as pool:
        for name, played in zip(wanted, pool.map(play, wanted), strict=True):
            counts[played.ending] += 1
            note = _note(name, played, known)
            unexpected += bool(note)
            said = "".join(f"$ retrain {said.command}  -> {said.code}\n{said.text}\n" for said in played.said)
            _print(f"{name:6} {played.ending:23} {played.why[:160]}{note}\n{said if '-v' in words else ''}")
    _print("  ".join(f"{ending}: {counts[ending]}" for ending in Ending) + "\n")
    return 1 if unexpected else 0


def _note(name: str, played: Played, known: set[str]) -> str:
    if played.ending in _GOOD and name in known:
        return "  <- stuck no longer: remove it from known_stuck.txt"
    return "" if played.ending in _GOOD or name in known else "  <- not expected"


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
