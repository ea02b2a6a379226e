"""Keys go to the vendor's hosts, to this machine, and to hosts that the caller approved; to no other."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import responses

from runner.errors import UsageError
from runner.lib.secrets import Secret
from runner.providers.prediction_one.client import Client


@pytest.mark.parametrize(
    "url",
    [
        "https://developer-api.predictionone.sony.biz",
        "https://DEVELOPER-api.easy-predictive-analytics.sony.com:443/gate",
        "http://localhost:1",
        "http://127.9.9.9",
        "https://[::1]:1",
        "https://trusted.test",
        "https://Trusted.test:8443",
    ],
)
@responses.activate
def test_a_key_is_sent_to_a_known_or_approved_host(make_client: Callable[..., Client], key: Secret, url: str) -> None:
    responses.get(re.compile(".*"), json={"status": "training"})
    make_client(url, trusted_hosts={"trusted.test"}).status(key, "job-1")
    (sent,) = [call.request for call in responses.calls]
    assert urlsplit(sent.url).hostname == urlsplit(url).hostname
    assert key.reveal() in sent.headers.values()


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test",
        "https://developer-api.predictionone.sony.biz.evil.test",
        "https://sub.trusted.test",
        "https://trusted.test.",
        "https://127.0.0.1.evil.test",
        "https://localhost.evil.test",
        "https://0.0.0.0",
        "https://[::2]",
        "http://trusted.test",
        "http://developer-api.predictionone.sony.biz",
    ],
)
def test_a_client_of_another_host_is_refused(make_client: Callable[..., Client], url: str) -> None:
    with pytest.raises(UsageError, match="API keys are not sent to"):
        make_client(url, trusted_hosts={"trusted.test"})
