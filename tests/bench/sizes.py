"""How much each line of the bench measures; the table states what was used."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes of everything, with the defaults that the targets speak of.

    `data` and `packed` are MiB of CSV; `rounds` are those that count; `fleet` and `crowd` are models run side by side;
    `models` are in one manifest; `events` in one journal, `history` in a long one; `growth` are the numbers of models
    whose costs are compared, of which `retrain run` itself does those up to `driven`.
    """

    data: int = 1024
    packed: int = 256
    rounds: int = 5
    fleet: int = 300
    crowd: int = 1000
    models: int = 10_000
    events: int = 100_000
    history: int = 1_000_000
    growth: tuple[int, ...] = (10, 100, 1000, 10_000)
    driven: int = 1000


QUICK = Sizes(
    data=64,
    packed=16,
    rounds=1,
    fleet=20,
    crowd=40,
    models=300,
    events=3000,
    history=20_000,
    growth=(5, 10, 20, 40),
    driven=20,
)
