"""Round numbers and dates along the two axes of a picture. Pure."""

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext

from msgspec import Struct

from runner.reports.charts.rule_chart import EXACT, Axis
from runner.reports.table import short_number

_ROUGH = Context(prec=28)  # places are rounded to tenths
_EDGE = 1.5  # percent of the width, free on either side
_LEVELS, _DATES = 4, 3  # spaces between ticks, at most and exactly
_FEW_DAYS = timedelta(days=5)


class Tick(Struct, frozen=True, kw_only=True):
    """A label on an axis, and its status: percent of the width, or pixels from the top."""

    place: str
    label: str


class Frame(Struct, frozen=True, kw_only=True):
    """Where a picture has a moment and a value; it is 100 wide, in percent, and `height` pixels high."""

    begin: datetime
    end: datetime
    values: Axis
    height: int

    def x(self, at: datetime) -> str:
        """Return the place of a moment from the left."""
        share = (at - self.begin) / (self.end - self.begin) if self.end > self.begin else 0.5
        return f"{_EDGE + share * (100 - 2 * _EDGE):.2f}"

    def y(self, value: Decimal) -> str:
        """Return the place of a value from the top."""
        with localcontext(_ROUGH):
            return f"{(1 - self.values.share(value)) * self.height:.1f}"

    def levels(self) -> tuple[Tick, ...]:
        """Return round values on the axis: steps of 1, 2 or 5 and some power of ten."""
        with localcontext(EXACT):
            low, high = self.values.low, self.values.high
            wanted = (high - low) / _LEVELS
            power = Decimal(1).scaleb(wanted.adjusted())
            step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)
            first = int((low / step).to_integral_value(ROUND_CEILING))
            last = int((high / step).to_integral_value(ROUND_FLOOR))
            found = [number * step for number in range(first, last + 1)]
        return tuple(Tick(place=self.y(value), label=short_number(_plain(value))) for value in found)

    def dates(self) -> tuple[Tick, ...]:
        """Return days along the axis, of a short time with the time of day; of one moment, its one day."""
        length = self.end - self.begin
        form = "%Y-%m-%d" if length >= _FEW_DAYS else "%m-%d %H:%M"
        found = dict[str, Tick]()
        for part in range(_DATES + 1):
            at = self.begin + length * part / _DATES
            found.setdefault(at.strftime(form), Tick(place=self.x(at), label=at.strftime(form)))
        return tuple(found.values())


def _plain(number: Decimal) -> Decimal:
    """Return a number without the zeros at its end, and zero without a sign."""
    return number.normalize(EXACT) if number else Decimal(0)
