import io
import json
import unicodedata
import zipfile
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from runner.errors import ModelError
from runner.lib.canonical_json import canonical_bytes
from runner.manifest.built_in_metrics import BUILT_IN_METRICS
from runner.manifest.model import (
    AutoPolicy,
    Direction,
    ManualPolicy,
    MetricDefinition,
    Place,
    Rule,
    RuleKind,
    ThresholdPolicy,
    Unit,
)
from runner.policy.decide import Inputs, evaluate, inputs_from_json, inputs_to_json
from runner.policy.evaluation import Baseline, Verdict
from runner.policy.judge import judge
from runner.results.members import rows_of
from runner.results.metrics import BUILT_IN_NAMES, Metric, ResultMetrics
from runner.results.number import NotANumber, number_from_text, number_text
from runner.results.result_file import read_result
from runner.results.table import read_table

UNHURRIED = settings(deadline=timedelta(seconds=2))  # a slow machine is not a failure, a hang is
SCALE: dict[Verdict, int] = {"failed": 0, "inconclusive": 1, "passed": 2}
DEFINITIONS = {
    "profit": MetricDefinition(name="profit", file=None, select="/a/0", direction="higher", target=None, unit=None),
    "loss": MetricDefinition(
        name="loss", file="metrics.json", select="Log loss", direction="lower", target=None, unit=None
    ),
}

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=6)
wide_decimals = st.builds(
    lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=60).map(tuple),
    st.integers(-240, 240),
)
places = st.builds(Place, file=names, line=st.integers(1, 10**6), column=st.integers(1, 10**6))
digests = st.none() | st.sampled_from(["a" * 64, "b" * 64])
durations = st.none() | st.timedeltas(min_value=timedelta(0))
rules = st.builds(
    Rule,
    metric=st.sampled_from(BUILT_IN_NAMES),
    kind=st.sampled_from(get_args(RuleKind)),
    limit=wide_decimals,
    against=st.sampled_from(["incumbent", None]),
    level=st.sampled_from(["decide", "warn"]),
    any_eval=st.booleans(),
)
thresholds = st.builds(
    ThresholdPolicy,
    name=names,
    rules=st.lists(rules, max_size=4).map(tuple),
    on_pass=st.sampled_from(["switch", "ask"]),
    on_fail=st.sampled_from(["hold", "ask"]),
    on_inconclusive=st.sampled_from(["hold", "ask"]),
    first_run=st.sampled_from(["pass", "hold", "ask"]),
    expires=durations,
    place=places,
)
policies = st.one_of(
    st.builds(AutoPolicy, name=names, place=places),
    st.builds(ManualPolicy, name=names, expires=durations, place=places),
    thresholds,
)
definitions = st.dictionaries(
    names,
    st.builds(
        MetricDefinition,
        name=names,
        file=st.none() | names,
        select=names,
        direction=st.sampled_from(get_args(Direction)),
        target=st.none() | wide_decimals,
        unit=st.none() | st.sampled_from(get_args(Unit)),
    ),
    max_size=3,
)
baselines = st.none() | st.builds(
    Baseline,
    retrain_job_id=st.none() | names,
    source=st.sampled_from(["measured", "stated", "result_file"]),
    metrics=st.dictionaries(st.sampled_from(BUILT_IN_NAMES), wide_decimals.map(str)),
    eval_sha256=digests,
)
inputs = st.builds(Inputs, policy=policies, definitions=definitions, baseline=baselines, eval_sha256=digests)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "metrics", "name", "AUC"]), inner)
    ),
)
cells = st.sampled_from(["AUC", "metric", "値", "current", "前回", "0.9", "9%", "", '"', "\n", ",", "\t", "x", "NaN"])


def packed(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}


def is_metrics_or_plain_refusal(told: ResultMetrics | ModelError) -> bool:
    """Return whether a refusal is one line without controls with a hint, and every metric is a decimal or nothing.

    Letters that this Python's Unicode tables do not know yet are not controls; `isprintable` refuses them.
    """
    if isinstance(told, ModelError):
        return not _CONTROLS & {*map(unicodedata.category, told.message)} and bool(told.hint)
    return {type(metric.value) for metric in told.metrics.values()} <= {Decimal, type(None)}


def outcome_of(content: bytes) -> ResultMetrics | ModelError:
    try:
        return read_result(io.BytesIO(content), DEFINITIONS)
    except ModelError as refusal:
        return refusal


@UNHURRIED
@given(st.binary(max_size=2000))
@example(b"PK\x03\x04")
@example(b"PK\x05\x06" + bytes(18))
def test_any_bytes_give_metrics_or_one_plain_refusal(content: bytes) -> None:
    assert is_metrics_or_plain_refusal(outcome_of(content))
    assert is_metrics_or_plain_refusal(outcome_of(b"PK\x03\x04" + content))


@UNHURRIED
@given(st.lists(cells, max_size=40).map("".join), st.sampled_from(["utf-8", "utf-8-sig", "cp932"]))
def test_any_table_gives_metrics_or_one_plain_refusal(text: str, encoding: str) -> None:
    assert is_metrics_or_plain_refusal(outcome_of(text.encode(encoding)))
    assert is_metrics_or_plain_refusal(outcome_of(packed({"metrics_comparison.csv": text.encode(encoding)})))


@UNHURRIED
@given(
    st.sampled_from(["metric,value\n", "metric,value,\n", "metric,note,value\n", "metric,current,previous\n", ""]),
    st.lists(st.sampled_from(["1", "0.9", "", "x"]), max_size=3),
    st.lists(st.sampled_from(["234.5", "", "5", "y"]), min_size=1, max_size=3),
    st.booleans(),
)
def test_no_extra_field_can_change_a_number(header: str, fields: list[str], extra: list[str], compared: bool) -> None:
    """A row with more fields than the table has columns gives the number it gave without them, or none."""
    columns = header.rstrip(",\n").count(",") if header else 1
    whole = ["RMSE", *fields[:columns], *[""] * (columns - len(fields))]
    found = [
        read_table(
            rows_of(f"{header}{','.join(row)}\nAUC,0.9\n"), known={"RMSE", "AUC"}.__contains__, comparison=compared
        )
        for row in (whole, whole + extra)
    ]
    for before, after in ((found[0].current, found[1].current), (found[0].previous, found[1].previous)):
        numbers = {metric.name: metric.value for metric in before}
        assert all(metric.value in (None, numbers.get(metric.name)) for metric in after)


@UNHURRIED
@given(json_values)
@example({"metrics": [{"name": "\U0001239a", "metrics": None}]})  # a letter of Unicode 16
def test_any_json_gives_metrics_or_one_plain_refusal(value: Any) -> None:
    content = json.dumps(value).encode()
    assert is_metrics_or_plain_refusal(outcome_of(content))
    assert is_metrics_or_plain_refusal(outcome_of(packed({"x/metrics.json": content})))


@UNHURRIED
@given(st.data())
def test_any_damage_to_an_archive_gives_metrics_or_one_plain_refusal(data: st.DataObject) -> None:
    content = bytearray(packed({"a/metrics.csv": b"AUC,0.9\nRecall,0.8\n", "b": b"x" * 50}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert is_metrics_or_plain_refusal(outcome_of(bytes(content)))


@UNHURRIED
@given(st.text(max_size=30) | st.text("0123456789.eE+-%,", max_size=12))
def test_any_text_is_a_finite_number_or_says_why_not(text: str) -> None:
    number = number_from_text(text)
    if isinstance(number, NotANumber):
        assert number.why.startswith(("is ", "has "))
    else:
        assert number.is_finite()


@UNHURRIED
@given(wide_decimals)
def test_the_text_of_a_number_gives_the_number_again(value: Decimal) -> None:
    assert number_from_text(number_text(value)) == value


@UNHURRIED
@given(inputs)
def test_inputs_come_back_from_json_as_they_were(value: Inputs) -> None:
    assert inputs_from_json(json.loads(canonical_bytes(inputs_to_json(value)))) == value


@UNHURRIED
@given(inputs, st.dictionaries(st.sampled_from(BUILT_IN_NAMES), wide_decimals | st.just("x"), min_size=1))
def test_a_replay_from_the_record_gives_the_same_bytes(value: Inputs, found: dict[str, Decimal | str]) -> None:
    """`verify` recomputes each decision from the stored result file and gets the same bytes."""
    content = "".join(f"{name},{number}\n" for name, number in found.items()).encode()
    back = inputs_from_json(json.loads(canonical_bytes(inputs_to_json(value))))
    once, again = (
        canonical_bytes(to_builtins(evaluate(given_inputs, io.BytesIO(content)))) for given_inputs in (value, back)
    )
    assert once == again


def policy_of(rule: Rule) -> ThresholdPolicy:
    return ThresholdPolicy(
        name="p",
        rules=(rule,),
        on_pass="switch",
        on_fail="hold",
        on_inconclusive="hold",
        first_run="pass",
        expires=None,
        place=Place(file="retrain.yaml", line=1, column=1),
    )


def verdict(rule: Rule, observed: Decimal | None, before: Decimal) -> Verdict:
    problem = None if observed is not None else "is not finite"
    metric = Metric(name=rule.metric, text="", value=observed, problem=problem)
    metrics = ResultMetrics(metrics={rule.metric: metric}, previous={}, found=())
    baseline = Baseline(
        retrain_job_id="j", source="measured", metrics={rule.metric: number_text(before)}, eval_sha256="e"
    )
    return judge(policy_of(rule), metrics, definitions={}, baseline=baseline, eval_sha256="e").verdict


CHANGES = ("max_drop", "min_gain", "max_drop_pct", "min_gain_pct")


def changes_of(metric: str) -> st.SearchStrategy[Rule]:
    return st.builds(
        Rule,
        metric=st.just(metric),
        kind=st.sampled_from(CHANGES),
        limit=decimals,
        against=st.just("incumbent"),
        level=st.just("decide"),
        any_eval=st.booleans(),
    )


def values_of(metric: str) -> st.SearchStrategy[Decimal]:
    """Return values that the metric can have."""
    built_in = BUILT_IN_METRICS[metric]
    lowest, highest = built_in.lowest, built_in.highest
    return st.decimals(
        allow_nan=False,
        allow_infinity=False,
        min_value=-1000 if lowest is None else lowest,
        max_value=1000 if highest is None else highest,
        places=6,
    )


def distance(metric: str) -> Callable[[Decimal], Decimal]:
    """Return how far a value is from the best, independently of the code under test."""
    return {"auc": lambda x: -x, "rmse": lambda x: x, "coverage_rate": lambda x: abs(x - Decimal("0.9"))}[metric]


@pytest.mark.parametrize("metric", ["auc", "rmse", "coverage_rate"])
@UNHURRIED
@given(data=st.data())
def test_a_better_value_never_gets_a_worse_verdict(metric: str, data: st.DataObject) -> None:
    possible = values_of(metric)
    rule, before = data.draw(changes_of(metric)), data.draw(possible)
    worse, better = sorted([data.draw(possible), data.draw(possible)], key=distance(metric), reverse=True)
    assert SCALE[verdict(rule, better, before)] >= SCALE[verdict(rule, worse, before)]


@pytest.mark.parametrize("metric", ["auc", "rmse", "coverage_rate"])
@UNHURRIED
@given(data=st.data())
def test_a_better_incumbent_never_makes_an_absolute_change_easier(metric: str, data: st.DataObject) -> None:
    rule = data.draw(changes_of(metric).filter(lambda rule: not rule.kind.endswith("_pct")))
    possible = values_of(metric)
    observed = data.draw(possible)
    worse, better = sorted([data.draw(possible), data.draw(possible)], key=distance(metric), reverse=True)
    assert SCALE[verdict(rule, observed, better)] <= SCALE[verdict(rule, observed, worse)]


@UNHURRIED
@given(rules.filter(lambda rule: rule.level == "decide"), decimals)
def test_a_metric_without_a_value_never_passes(rule: Rule, before: Decimal) -> None:
    assert verdict(rule, None, before) == "inconclusive"


@UNHURRIED
@given(wide_decimals, wide_decimals, st.booleans())
def test_a_bound_agrees_with_plain_comparison(observed: Decimal, limit: Decimal, lower: bool) -> None:
    kind: RuleKind = "min" if lower else "max"
    rule = Rule(metric="auc", kind=kind, limit=limit, against=None, level="decide", any_eval=False)
    holds = observed >= limit if lower else observed <= limit
    assert verdict(rule, observed, Decimal(0)) == ("passed" if holds else "failed")


def written(value: Decimal) -> st.SearchStrategy[bytes]:
    """Return results that say the metric `{}` has the value: tables, JSON, a comparison in an archive."""
    text = str(value)
    member = f"Metric,New,Previous\n{{}},{text},0.5\n"
    forms = (
        *(f"{{}},{text}\n", f"Metric,Value\n{{}},{text}\n", f"{{}}\n{text}\n", f"指標\t値\n{{}}\t{text}\n"),
        *(f'{{{{"{{}}": {text}}}}}', f'{{{{"metrics": [{{{{"name": "{{}}", "value": {text}}}}}]}}}}', member),
    )
    return st.sampled_from([form.encode() for form in forms])


@UNHURRIED
@given(data=st.data())
def test_no_value_outside_its_range_ever_passes_a_rule(data: st.DataObject) -> None:
    """As candidate, as the incumbent's value and as the previous model's, whatever the rule asks."""
    metric = BUILT_IN_METRICS[data.draw(st.sampled_from(BUILT_IN_NAMES))]
    value = data.draw(wide_decimals.filter(lambda value: not metric.can_be(value)))
    rule = data.draw(rules.filter(lambda rule: rule.level == "decide"))
    asked = msgspec.structs.replace(rule, metric=metric.name, any_eval=True)
    content = data.draw(written(value)).decode().format(metric.name).encode()
    good, baseline = f"Metric,New,Previous\n{metric.name},0.5,{value}\n".encode(), recorded(metric.name, value)
    for result, before in ((content, None), (content, recorded(metric.name, Decimal("0.5")))):
        assert judged_of(asked, result, before) == "inconclusive"
    if asked.kind not in ("min", "max"):
        assert judged_of(asked, good, baseline) == judged_of(asked, good, None) == "inconclusive"


def recorded(metric: str, value: Decimal) -> Baseline:
    return Baseline(retrain_job_id="j", source="measured", metrics={metric: str(value)}, eval_sha256="e")


def judged_of(rule: Rule, content: bytes, baseline: Baseline | None) -> Verdict:
    value = Inputs(policy=policy_of(rule), definitions={}, baseline=baseline, eval_sha256="e")
    verdict: Verdict = evaluate(value, io.BytesIO(content)).verdict
    return verdict
