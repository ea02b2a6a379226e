"""Data files of any size, always the same."""

import random
from collections.abc import Iterator
from pathlib import Path

_ROWS = 40_000  # in a block that is repeated
_MIB = 1 << 20


def write_plain(path: Path, mebibytes: int) -> int:
    """Write a quote-free CSV of about that size and return its bytes."""
    return _write(path, mebibytes, _plain_rows(random.Random(1)))  # noqa: S311 -- repeatable


def write_quoted(path: Path, mebibytes: int) -> int:
    """Write a CSV in which every row has a quoted text with a delimiter in it, and return its bytes."""
    rng = random.Random(2)  # noqa: S311 -- repeatable
    rows = (f'{row.rstrip()[:-1]}"{rng.randrange(10**6)}, ""so"""\n' for row in _plain_rows(rng))
    return _write(path, mebibytes, rows)


def write_windows(path: Path, mebibytes: int) -> int:
    """Write a quote-free CSV whose lines end as on Windows, and return its bytes."""
    return _write(path, mebibytes, (f"{row.rstrip()}\r\n" for row in _plain_rows(random.Random(1))))  # noqa: S311 -- repeatable


def write_shift_jis(path: Path, mebibytes: int) -> int:
    """Write a quote-free CSV with a Japanese place in each row, in Shift_JIS, and return its bytes."""
    places = str.maketrans({"n": "札幌市", "s": "東京都", "e": "大阪府"})
    rows = (row.translate(places) for row in _plain_rows(random.Random(1)))  # noqa: S311 -- repeatable
    return _write(path, mebibytes, rows, encoding="cp932")


def write_small(path: Path, rows: int = 120) -> None:
    """Write a file as small as the service takes; its content depends on its name."""
    lines = (f"{number},{number * 7 % 100},{path.stem}{number % 2}" for number in range(rows))
    path.write_text("\n".join(["id,visits,label", *lines]) + "\n", encoding="utf-8")


def _plain_rows(rng: random.Random) -> Iterator[str]:
    for number in range(_ROWS):
        visits, rate, place = rng.randrange(5000), rng.random() * 100, rng.choice(("north", "south", "east"))
        score, day, label = rng.gauss(50, 12), number % 28 + 1, number % 2
        yield f"{number},{visits},{rate:.3f},{score:.2f},{place},2026-03-{day:02},{label}\n"


def _write(path: Path, mebibytes: int, rows: Iterator[str], *, encoding: str = "utf-8") -> int:
    block = "".join(rows).encode(encoding)
    with path.open("wb") as file:
        file.write(b"id,visits,rate,score,region,day,label" + (b"\r\n" if block.endswith(b"\r\n") else b"\n"))
        for _ in range(max(mebibytes * _MIB // len(block), 1)):
            file.write(block)
        return file.tell()
