"""The arithmetic of one rule, exact, the line that shows it with its numbers, and the sentence on what came of it."""

from decimal import Context, Decimal, localcontext

from msgspec import Struct

from runner.manifest.model import Direction, Rule
from runner.results.number import number_text, quotient_text, rounded, rounded_apart, short_text

# A number has at most 100 digits and an exponent of at most 307 (runner.results.number), so that sums and products of
# three of them have far fewer digits than this: nothing is ever rounded, and the verdict does not hang on a last digit.
_EXACT = Context(prec=5000)
_ROUNDED = Context(prec=40)
_UNKNOWN = "?"


class Aim(Struct, frozen=True, kw_only=True):
    """Which way a metric gets better; `target` is set for `nearest`."""

    direction: Direction
    target: Decimal | None


class Comparison(Struct, frozen=True, kw_only=True):
    """The value of a rule and its limit, written so that the rule asks for `value >= limit`.

    Both are multiplied by `scale`, a positive number: relative rules are compared without a division.
    """

    value: Decimal
    limit: Decimal
    scale: Decimal

    def holds(self) -> bool:
        """Return whether the value reaches the limit."""
        return self.value >= self.limit

    def margin_text(self) -> str:
        """Return the room left, in the unit of the rule's limit; negative when the rule is missed."""
        with localcontext(_EXACT):
            room = self.value - self.limit
        return short_text(room) if self.scale == 1 else quotient_text(room, self.scale)

    def value_text(self) -> str:
        """Return the value in the unit of the rule's limit."""
        return short_text(self.value) if self.scale == 1 else quotient_text(self.value, self.scale)


def compare_bound(rule: Rule, observed: Decimal) -> Comparison:
    """Return the comparison of a `min` or `max` rule."""
    one = Decimal(1)
    if rule.kind == "min":
        return Comparison(value=observed, limit=rule.limit, scale=one)
    return Comparison(value=observed.copy_negate(), limit=rule.limit.copy_negate(), scale=one)


def compare_change(rule: Rule, aim: Aim, observed: Decimal, baseline: Decimal) -> Comparison:
    """Return the comparison of a change rule; the baseline of a relative one is not zero."""
    with localcontext(_EXACT):
        change = gain(aim, observed, baseline)
        limit = _smallest_gain(rule)
        if not is_relative(rule):
            return Comparison(value=change, limit=limit, scale=Decimal(1))
        return Comparison(value=change * 100, limit=limit * abs(baseline), scale=abs(baseline))


def is_relative(rule: Rule) -> bool:
    """Return whether the rule's limit is in percent of the baseline."""
    return rule.kind.endswith("_pct")


def _smallest_gain(rule: Rule) -> Decimal:
    """A rule that allows a drop asks for a gain of at least minus that drop."""
    return rule.limit.copy_negate() if rule.kind.startswith("max_drop") else rule.limit


def gain(aim: Aim, observed: Decimal, baseline: Decimal) -> Decimal:
    """Return the change in the metric's good direction."""
    if aim.target is not None:
        return abs(baseline - aim.target) - abs(observed - aim.target)
    return observed - baseline if aim.direction == "higher" else baseline - observed


def bound_line(rule: Rule, observed: Decimal | None) -> str:
    """Return a bound with its numbers, e.g. `auc 0.912 >= 0.80`; `?` stands for a value that is not known."""
    sign = ">=" if rule.kind == "min" else "<="
    return f"{rule.metric} {_text(observed)} {sign} {number_text(rule.limit)}"


def change_line(rule: Rule, aim: Aim, *, observed: Decimal | None, baseline: Decimal | None, source: str) -> str:
    """Return a change with its numbers, e.g. `auc 0.912 - 0.920 = -0.008 >= -0.01 (incumbent, max_drop 0.01)`."""
    difference = _difference(aim, _text(observed), _text(baseline))
    unit = "%" if is_relative(rule) else ""
    if unit:
        difference = f"({difference}) / |{_text(baseline)}|"
    notes = ", ".join([source, f"{rule.kind} {number_text(rule.limit)}", *_better(aim)])
    value = "" if observed is None or baseline is None else f" = {_value_text(rule, aim, observed, baseline)}{unit}"
    return f"{rule.metric} {difference}{value} >= {number_text(_smallest_gain(rule))}{unit} ({notes})"


def bound_sentence(rule: Rule, observed: Decimal) -> str:
    """Return what a bound comes to as a sentence, e.g. `auc is 0.912, below the minimum 0.95`."""
    bound = "minimum" if rule.kind == "min" else "maximum"
    if observed == rule.limit:
        return f"{rule.metric} is {rounded(observed)}, exactly the {bound}."
    value, limit = rounded_apart(observed, rule.limit)
    return f"{rule.metric} is {value}, {'above' if observed > rule.limit else 'below'} the {bound} {limit}."


def change_sentence(rule: Rule, aim: Aim, observed: Decimal, baseline: Decimal) -> str:
    """Return what a change comes to, e.g. `auc fell from 0.954 to 0.939 (-0.015); at most -0.010 is allowed`."""
    compared = compare_change(rule, aim, observed, baseline)
    with localcontext(_EXACT):
        better = compared.value if compared.scale == 1 else _ROUNDED.divide(compared.value, compared.scale)
    least = _smallest_gain(rule)
    if aim.target is not None:
        return _nearness(rule, aim.target, (observed, baseline), better, least)
    up = 1 if aim.direction == "higher" else -1
    unit = " %" if is_relative(rule) else ""
    change, limit = rounded_apart(up * better, up * least)
    if observed == baseline:
        found = f"{rule.metric} is {rounded(observed)} as before"
    else:
        now, before = rounded_apart(observed, baseline)
        verb = "rose" if observed > baseline else "fell"
        found = f"{rule.metric} {verb} from {before} to {now} ({_signed(change)}{unit})"
    if not least:
        return f"{found}; no {'drop' if up > 0 else 'rise'} is allowed."
    told = "at most {} is allowed" if least < 0 else "at least {} is required"
    return f"{found}; {told.format(f'{_signed(limit)}{unit}')}."


def _signed(number: str) -> str:
    return number if number.startswith("-") else f"+{number}"


def _nearness(rule: Rule, target: Decimal, values: tuple[Decimal, Decimal], better: Decimal, least: Decimal) -> str:
    now, before = rounded_apart(*values)
    unit = " %" if is_relative(rule) else ""
    change, limit = (number.removeprefix("-") for number in rounded_apart(better, least))
    moved = f"{change}{unit} {'nearer to' if better > 0 else 'further from'}" if better else "as near to"
    found = f"{rule.metric} went from {before} to {now}, {moved} {number_text(target)}"
    if not least:
        return f"{found}; it may not get further."
    told = f"at most {limit}{unit} further is allowed" if least < 0 else f"at least {limit}{unit} nearer is required"
    return f"{found}; {told}."


def _value_text(rule: Rule, aim: Aim, observed: Decimal, baseline: Decimal) -> str:
    if is_relative(rule) and not baseline:
        return _UNKNOWN
    return compare_change(rule, aim, observed, baseline).value_text()


def _difference(aim: Aim, observed: str, baseline: str) -> str:
    if aim.target is not None:
        target = number_text(aim.target)
        return f"|{baseline} - {target}| - |{observed} - {target}|"
    return f"{observed} - {baseline}" if aim.direction == "higher" else f"{baseline} - {observed}"


def _better(aim: Aim) -> list[str]:
    if aim.target is not None:
        return [f"nearest to {number_text(aim.target)} is better"]
    return [] if aim.direction == "higher" else ["lower is better"]


def _text(value: Decimal | None) -> str:
    return _UNKNOWN if value is None else number_text(value)
