"""The wire itself: what is never sent where, what is never logged, and that nothing leaks."""

import base64
import gc
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runner.errors import UsageError
from runner.http.proxies import Proxies, read_proxy
from runner.lib.checksums import Checksum
from runner.lib.secrets import Secret
from runner.providers.base import Done, NeverSent, ServiceError, ServiceOptions, Unknown
from runner.providers.prediction_one.client import Client
from tests.fakes.local_files import local

Serve = Callable[..., Any]
MakeClient = Callable[..., Client]
CANARIES = ("key-canary-4711", "signature-canary", "fetched-canary")


def training(peer: Any) -> None:
    peer.request()
    peer.answer(200, {"status": "training"})


@pytest.mark.plays("R1")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_so_the_key_does_not_travel(
    serve: Serve, make_client: MakeClient, key: Secret, status: int
) -> None:
    elsewhere = serve(training)

    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(status, Location=elsewhere.url + "/v1/external/retrain_jobs/job-1")

    client = make_client(serve(behave).url)
    with pytest.raises(ServiceError):
        client.status(key, "job-1")
    assert isinstance(client.switch(key, "job-1"), Unknown)
    assert not elsewhere.peers


def test_netrc_proxies_and_cookies_play_no_part(
    serve: Serve, make_client: MakeClient, key: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def behave(peer: Any) -> None:
        peer.request()
        peer.answer(200, {"status": "training"}, Set_Cookie="session=cookie-canary; Path=/")

    proxy = serve(training)
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrc-canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server = serve(behave)
    client = make_client(server.url)
    client.status(key, "job-1")
    client.status(key, "job-1")
    assert not proxy.peers
    for received in server.received:
        head = received.decode().lower()
        assert "authorization" not in head
        assert "cookie" not in head
        assert base64.b64encode(b"me:netrc-canary").decode().lower() not in head


def test_the_logs_at_debug_hold_no_secret(
    serve: Serve,
    make_client: MakeClient,
    key: Secret,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also at the root's DEBUG level, and where a head is malformed, which urllib3 warns about with the URL."""

    def behave(peer: Any) -> None:
        peer.request()
        peer.say("HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 5\r\n\r\nhello")

    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        caplog.set_level(logging.DEBUG, name)
    server = serve(behave)
    client = make_client(server.url)
    file = tmp_path / "train.csv"
    file.write_bytes(b"hello")
    client.upload(
        Secret(server.url + "/a?sig=signature-canary"),
        local(file),
        content=Checksum(bytes=5, sha256="0" * 64),
    )
    for call in (
        lambda: client.download(Secret(server.url + "/b?sig=signature-canary"), tmp_path / "r", limit=3),
        lambda: client.download(Secret("http://127.0.0.1:1/b?sig=signature-canary"), tmp_path / "r", limit=10),
        lambda: client.status(key, "job-1"),
    ):
        with pytest.raises(ServiceError) as caught:
            call()
        assert caught.value.__cause__ is None
        assert not any(canary in repr(caught.value) for canary in CANARIES)
    client.switch(key, "job-1")
    assert [record.name for record in caplog.records].count("runner.http.transport") >= 4
    assert not any(canary in caplog.text for canary in CANARIES)


def test_a_ca_bundle_that_cannot_be_read_is_told_at_once(make_client: MakeClient, tmp_path: Path) -> None:
    empty = tmp_path / "bundle.pem"
    empty.touch()
    for bundle in (empty, tmp_path / "absent.pem"):
        with pytest.raises(UsageError, match="CA bundle"):
            make_client(ca_bundle=bundle)


def test_reads_over_tls_with_a_given_ca_bundle_work_and_a_drip_is_ended(
    serve: Serve, make_client: MakeClient, key: Secret, tls: Any, certificate: Path
) -> None:
    def drip(peer: Any) -> None:
        peer.request()
        peer.drip("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: " + "x" * 900, pause=0.02)

    assert make_client(serve(training, tls).url, ca_bundle=certificate).status(key, "job-1").value == "training"
    began = time.monotonic()
    with pytest.raises(ServiceError, match="in the time it had"):
        make_client(serve(drip, tls).url, ca_bundle=certificate, call=0.5).status(key, "job-1")
    assert time.monotonic() - began < 10


def test_many_threads_share_a_client_without_warnings_or_leaks(
    serve: Serve, make_client: MakeClient, key: Secret, caplog: pytest.LogCaptureFixture
) -> None:
    def behave(peer: Any) -> None:
        line = peer.request().split()[1]
        job = line.rsplit("/", 1)[1]
        peer.answer(200, {"status": f"going-{job}", "metadata": {"retrain_job_id": job}})

    client = make_client(serve(behave).url)
    with ThreadPoolExecutor(60) as pool:
        words = list(pool.map(lambda number: client.status(key, f"job-{number}").value, range(300)))
    assert words == [f"going-job-{number}" for number in range(300)]
    gc.collect()
    assert not caplog.records
    open_sockets = [link for link in Path("/proc/self/fd").iterdir() if _leads_to_socket(link)]
    assert len(open_sockets) < 300


def _leads_to_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except OSError:
        return False


def test_no_file_and_no_thread_stay_behind_an_upload_that_broke(
    serve: Serve, make_client: MakeClient, tmp_path: Path
) -> None:
    def behave(peer: Any) -> None:
        peer.head()
        peer.reset()

    file = tmp_path / "train.csv"
    file.write_bytes(b"x" * (20 << 20))
    client = make_client()
    url = Secret(serve(behave).url + "/a?b")
    assert not isinstance(
        client.upload(url, local(file), content=Checksum(bytes=20 << 20, sha256="0" * 64)),
        Done,
    )
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("upload-digest")]
    assert str(file) not in [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()]


class ForwardProxy:
    """A proxy of this machine: tunnels to whatever port is asked for, and keeps the heads it was sent."""

    def __init__(self, serve: Serve, answer: str = "200 Connection established") -> None:
        self.heads: list[str] = []
        self._answer = answer
        self.server = serve(self._behave)

    @property
    def url(self) -> str:
        return str(self.server.url)

    def _behave(self, peer: Any) -> None:
        head = peer.head()
        self.heads.append(head)
        if not self._answer.startswith("200"):
            peer.say(f"HTTP/1.1 {self._answer}\r\nContent-Length: 0\r\n\r\n")
            return
        port = int(head.split(" ")[1].rpartition(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as far:
            if head.startswith("CONNECT "):
                peer.say("HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far.sendall(head.encode() + b"\r\n\r\n")
            there = threading.Thread(target=_pump, args=(peer.sock, far), daemon=True)
            there.start()
            _pump(far, peer.sock)
            there.join(5)


def _pump(source: Any, target: Any) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def test_what_is_encrypted_goes_through_a_tunnel_and_the_proxy_sees_no_key(
    serve: Serve, make_client: MakeClient, key: Secret, certificate: Path, tls: ssl.SSLContext
) -> None:
    proxy, server = ForwardProxy(serve), serve(training, tls)
    named = read_proxy(proxy.url.replace("http://", "http://me:proxy-canary@"), "service.proxy")
    client = make_client(server.url, certificate, options=ServiceOptions(proxies=Proxies(choice=named)))
    assert client.status(key, "job-1").value == "training"
    port = server.url.rpartition(":")[2]
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT 127.0.0.1:{port} ")
    assert f"proxy-authorization: basic {base64.b64encode(b'me:proxy-canary').decode().lower()}" in head.lower()
    assert "x-api-key" not in head
    assert b"proxy" not in server.received[0]


def test_a_service_of_this_machine_is_asked_through_a_proxy_of_this_machine(
    serve: Serve, make_client: MakeClient, key: Secret
) -> None:
    proxy, server = ForwardProxy(serve), serve(training)
    options = ServiceOptions(proxies=Proxies(choice=read_proxy(proxy.url, "service.proxy")))
    assert make_client(server.url, options=options).status(key, "job-1").value == "training"
    assert proxy.heads[0].startswith(f"GET {server.url}/v1/external/retrain_jobs/job-1 HTTP/1.1\r\n")


@pytest.mark.parametrize("answer", ["407 Proxy Authentication Required", "503 Service Unavailable"])
def test_a_tunnel_that_is_refused_means_that_nothing_was_sent(
    *, serve: Serve, make_client: MakeClient, key: Secret, certificate: Path, tls: ssl.SSLContext, answer: str
) -> None:
    proxy, server = ForwardProxy(serve, answer), serve(training, tls)
    options = ServiceOptions(proxies=Proxies(choice=read_proxy(proxy.url, "service.proxy")))
    client = make_client(server.url, certificate, options=options)
    effect = client.switch(key, "job-1")
    assert isinstance(effect, NeverSent)
    assert f"cannot be reached through the proxy, which answered {answer[:3]}" in effect.message
    assert "proxy: none" in effect.hint
    assert not server.peers
