"""Which proxy a request goes through: that of the environment, none, or the manifest's."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.http.addresses import Address, read_address
from runner.http.proxies import CaBundle, Proxies, Proxy, ca_bundle, read_proxy
from runner.http.request import Broken, Deadlines, Request
from runner.http.transport import Transport
from runner.lib.secrets import Secret

SERVICE = read_address("https://service.example/v1")
LOCAL = read_address("http://127.0.0.1:8765/v1")
ENVIRONMENT = Proxies(choice="env")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_environment_names_a_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://user:p%40ss@proxy.example:3128")
    proxy = ENVIRONMENT.proxy_for(SERVICE)
    assert proxy is not None
    assert (proxy.url, proxy.credentials and proxy.credentials.reveal()) == ("http://proxy.example:3128", "user:p@ss")
    assert "p@ss" not in repr(proxy)
    assert Proxies().proxy_for(SERVICE) is None


@pytest.mark.parametrize("address", [LOCAL, read_address("https://localhost/"), read_address("https://[::1]:1/")])
def test_the_environments_proxy_is_not_asked_for_this_machine(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    assert ENVIRONMENT.proxy_for(address) is None


@pytest.mark.parametrize("exempt", [".example", "example", "other.test, service.example", "*", "SERVICE.EXAMPLE"])
def test_no_proxy_is_obeyed(exempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert ENVIRONMENT.proxy_for(SERVICE) is None
    monkeypatch.setenv("NO_PROXY", "vice.example,10.0.0.0/8")
    assert ENVIRONMENT.proxy_for(SERVICE) is not None
    assert ENVIRONMENT.proxy_for(read_address("https://10.1.2.3/")) is None


@pytest.mark.parametrize(
    "text", ["socks5://p.example:1080", "https://user:canary@p.example", "http://", "http://p:x", ""]
)
def test_what_is_not_an_http_proxy_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_proxy(text, "HTTPS_PROXY")
    assert "canary" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.plays("R8")
def test_what_is_not_encrypted_goes_through_a_proxy_of_this_machine_only() -> None:
    far, near = Proxy(host="proxy.example", port=1), Proxy(host="127.0.0.1", port=1)
    assert [Proxies(choice=proxy).proxy_for(LOCAL) for proxy in (far, near)] == [None, near]
    assert Proxies(choice=far).proxy_for(SERVICE) == far


def test_the_certificates_are_the_manifests_else_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert ca_bundle(None) is None
    monkeypatch.setenv("SSL_CERT_FILE", "/b.pem")
    assert ca_bundle(None) == CaBundle(path=Path("/b.pem"), source="SSL_CERT_FILE")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/a.pem")
    assert ca_bundle(None) == CaBundle(path=Path("/a.pem"), source="REQUESTS_CA_BUNDLE")
    assert ca_bundle(Path("/m.pem")) == CaBundle(path=Path("/m.pem"), source="service.ca_bundle")


class CountingProxies(Proxies, frozen=True):
    """No proxies, which note for what hosts they were asked."""

    asked: list[str]

    def proxy_for(self, address: Address) -> Proxy | None:
        self.asked.append(address.host)
        return None


def test_the_environment_is_read_once_for_a_host() -> None:
    """It holds a key for each model, and to read it for each request took more time than all requests of a fleet."""
    proxies = CountingProxies(asked=[])
    transport = Transport(deadlines=Deadlines(call=1, slowest=1024), proxies=proxies)
    for path in ("a", "b", "c"):
        request = Request(method="GET", url=Secret(f"http://127.0.0.1:1/{path}"))
        assert isinstance(transport.exchange(request, lambda _head, _blocks: None), Broken)
    assert proxies.asked == ["127.0.0.1"]
