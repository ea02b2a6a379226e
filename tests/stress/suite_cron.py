"""A crontab that fires the real command 1,000 times, with overlap, kills and changing data: never two at work."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from tests.stress.cron_scene import Crontab, crontab, drawn, judged
from tests.stress.figure import Figure
from tests.stress.promise import MODEL

FULL = 1000
_LANES = 2  # projects among which the firings are divided


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What the firings in one project came to."""

    broken: tuple[str, ...]
    counts: Counter[str]


def measure(count: int | None) -> Iterator[Figure]:
    """Fire `count` times, 1,000 by default."""
    yield fired(FULL if count is None else count)


def fired(count: int) -> Figure:
    """Divide the firings among some projects and add up what they came to."""
    sizes = [count // _LANES + (lane < count % _LANES) for lane in range(_LANES)]
    with ThreadPoolExecutor(_LANES) as pool:
        lanes = list(pool.map(play, sizes, range(_LANES)))
    broken = [f"lane {number}: {text}" for number, lane in enumerate(lanes) for text in lane.broken]
    counts = sum((lane.counts for lane in lanes), Counter[str]())
    told = ", ".join(f"{counts[name]} {name}" for name in ("trained", "switched", "killed", "refused"))
    return Figure(
        name="cron firings with overlap and kills",
        points=count,
        violations=len(broken),
        detail=f"{told}. {'; '.join(broken[:20])}",
    )


def play(count: int, seed: int) -> Lane:
    """Let one crontab fire, and judge it."""
    with crontab() as table:
        for firing in islice(drawn(seed), count):
            table.fire(firing)
        table.rest()
        broken = tuple(judged(table))
        return Lane(broken=broken, counts=_counts(table))


def _counts(table: Crontab) -> Counter[str]:
    service = table.project.service
    return Counter(
        trained=len(service.accepted(MODEL)),
        switched=len(service.switches(MODEL)),
        killed=sum(one.code < 0 or one.code > 128 for one in table.ended),
        refused=sum(one.code == 6 for one in table.ended),
    )
