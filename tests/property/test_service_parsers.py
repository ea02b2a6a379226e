"""Whatever the other side says, the readers end in a value or in our own error."""

import json
from datetime import UTC

from hypothesis import example, given
from hypothesis import strategies as st

from runner.http.addresses import UnfitError, read_address
from runner.http.headers import retry_after
from runner.http.responses import Answer
from runner.providers.base import Done, Effect, ServiceError, ServiceOptions
from runner.providers.fields import Fields
from runner.providers.prediction_one.errors import switch_effect, upload_effect
from runner.providers.prediction_one.response_reading import (
    expiry,
    read_api_key,
    read_classifiers,
    read_job,
    read_models,
    read_status,
)
from runner.providers.prediction_one.responses import documented, said, store_code
from tests.fakes.prediction_one import STATUSES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["status", "metadata", "retrain_job_id", "model_id", "download_url", "message", "error"]),
            inner,
        )
    ),
    max_leaves=12,
)
ASKED = "https://service.example/v1/external/retrain_jobs/job-1"
BODIES = st.binary() | JSON.map(lambda value: json.dumps(value).encode())
ANSWERS = st.builds(
    Answer,
    host=st.just("service.example"),
    status=st.integers(200, 599),
    after=st.none(),
    body=BODIES,
    flaw=st.none() | st.just("is encoded"),
)


@given(st.text() | st.integers().map(str) | st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT")))
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Thu, 01 Jan 2026 00:00:00 +9999")
def test_retry_after_garbage_must_not_crash_or_stall(value: str) -> None:
    seconds = retry_after(value)
    assert seconds is None or 0 <= seconds <= 300


@given(st.text(), st.sampled_from(["Expires", "se", "X-Amz-Expires", "X-Goog-Date"]), st.text())
def test_an_expiry_is_aware_utc_or_unknown(path: str, name: str, value: str) -> None:
    found = expiry(f"https://store.example/{path}?X-Amz-Date=20260101T000000Z&X-Goog-Expires=9&{name}={value}")
    assert found is None or found.tzinfo is UTC


@given(st.text().map(lambda rest: f"https://store.example{rest}") | st.text())
def test_an_address_is_unfit_or_ends_with_its_own_target(url: str) -> None:
    try:
        address = read_address(url)
    except UnfitError:
        return
    assert url.endswith(address.target)
    assert address.target.isascii()


@given(BODIES)
def test_an_error_body_is_read_without_an_error(body: bytes) -> None:
    assert len(said(body)) <= 200
    assert said(body).isprintable()
    store_code(body)
    documented(body)


@given(ANSWERS)
def test_any_answer_to_a_read_is_a_value_or_our_own_error(answer: Answer) -> None:
    for read in (
        lambda: read_job(answer, Fields(), ASKED),
        lambda: read_status(answer, "job-1", Fields(), STATUSES, ASKED),
        lambda: read_api_key(answer),
        lambda: read_classifiers(answer),
        lambda: read_models(answer),
    ):
        try:
            value: object = read()
        except ServiceError as error:
            value = error
        if isinstance(value, ServiceError):
            assert value.message.isprintable()
            continue
        assert 200 <= answer.status <= 299


def switched(answer: Answer) -> Effect:
    return switch_effect(answer, "job-1", ServiceOptions(), STATUSES.busy)


@given(ANSWERS)
def test_an_effect_is_never_done_without_a_2xx(answer: Answer) -> None:
    for effect in (switched(answer), upload_effect(answer, handed_over=True)):
        assert not isinstance(effect, Done) or 200 <= answer.status <= 299
    assert not isinstance(upload_effect(answer, handed_over=False), Done)
