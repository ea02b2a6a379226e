"""Whoever answers for the service chooses each word of it: none costs a minute, ends in a bug or shows a key."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from runner.errors import RetrainError
from runner.lib.checksums import Checksum
from runner.lib.secrets import Redactor, Secret
from runner.providers.prediction_one.client import Client
from runner.providers.prediction_one.facts import FACTS
from tests.fakes.local_files import local
from tests.stress.hostile.attack import Attack

_KEY = "CANARY-key-of-forty-characters-0123456789"
_PIECE = 8  # characters of a key that nobody takes for a word of the message
_MOST_WORK = 1.0  # seconds of a core for one answer; it takes a few hundredths
_SIZE = 900_000  # bytes, below the most that is read of an answer
_PAGES = ("<head", "<style>", "<script x", "<head></head", "http://", "https://a", "<Code>", "httphttp…", "<a", "[{")


def _answered(body: str, status: int, ask: Callable[[Client], object]) -> tuple[object, bool, float]:
    """Let a client ask a service that answers so; return what came, whether it was asked, and the seconds of work."""
    redactor, asked = Redactor(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        answer = body.replace("BASE", url).encode()
        head = f"HTTP/1.1 {status} Word\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
        speaker = threading.Thread(target=_speak, args=(listener, head.encode() + answer, asked), daemon=True)
        speaker.start()
        with closing(Client(base_url=url, statuses=FACTS.statuses, redactor=redactor)) as client:
            redactor.learn(Secret("https://store.test/a/b?X-Amz-Signature=0123456789abcdef0123456789"))
            began = time.thread_time()
            try:
                came = ask(client)
            except RetrainError as error:
                came = error
            worked = time.thread_time() - began
        speaker.join(10)
    return came, asked.is_set(), worked


def _speak(listener: socket.socket, answer: bytes, asked: threading.Event) -> None:
    peer, _ = listener.accept()
    with peer:
        if peer.recv(65536):
            asked.set()
        peer.sendall(answer)


def _slow_page(_folder: Path, random: Random) -> Iterator[str]:
    """Refuse with a page whose every part begins something that never ends."""
    piece = random.choice(_PAGES)
    page = piece * (_SIZE // len(piece))
    came, asked, worked = _answered(page, random.choice((400, 500)), lambda client: client.take_job(Secret(_KEY), "d"))
    if not (asked and isinstance(came, RetrainError)):
        raise AssertionError(came)
    if worked > _MOST_WORK:
        yield f"a page of {piece!r} keeps a core busy for {worked:.1f} s"


def _odd_words(folder: Path, random: Random) -> Iterator[str]:
    """Answer a job or a key with a text that cannot be what it should be, though it is JSON."""
    hosts = ("%61%0d%0a", "%", "a%zz", "a%00b", "a..b", "[::1%25%0a]", "a\\b", "-", "a" * 300, "*", "<b>")
    places = (*(f"http://{host}/up?sig=x" for host in hosts), "\x01//[", "\x00//[]/up", "\x02//\u2100", "?\x00//[")
    url = json.dumps({"retrain_job_id": "j", "upload_url": random.choice(places)})
    keys = ("\ud800abcdef", "a" * _SIZE, "\u00e9abcdef", "\x00abcdef", " abcdef\n")
    key = json.dumps({"api_key": random.choice(keys), "end_date": "\udfff"})
    body, ask = random.choice(
        ((url, lambda client: _upload(client, folder)), (key, lambda client: _fetch(client, Secret(_KEY))))
    )
    try:
        came, asked, worked = _answered(body, 200, ask)
    except Exception as error:  # noqa: BLE001 -- whatever it is, a user would see it as a bug
        yield f"{body[:80]} ends in {type(error).__name__}"
        return
    if not asked:
        raise AssertionError(came)
    if worked > _MOST_WORK:
        yield f"{body[:80]} keeps a core busy for {worked:.1f} s"


def _upload(client: Client, folder: Path) -> object:
    """Send a file to where the answered job says."""
    file = folder / "d.csv"
    content = b"a\n1\n"
    file.write_bytes(content)
    known = Checksum(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    job = client.take_job(Secret(_KEY), "d.csv")
    return client.upload(job.upload_url, local(file), content=known)


def _fetch(client: Client, account: Secret) -> object:
    """Fetch a key."""
    return client.fetch_api_key(account, 1)


def _cut_key(_folder: Path, random: Random) -> Iterator[str]:
    """Repeat the key in a form that shows when it is parsed, where our own limits on lengths cut it."""
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in _KEY)
    before = random.choice(("\\u0000", " ", "\\n")) * (4000 - random.randrange(_PIECE, len(_KEY)))
    forms = (escaped, "".join(f"\\u{ord(letter):04X}" for letter in _KEY.swapcase()))
    body = f'{{"message": "{before}{random.choice(forms)}"}}'
    came, asked, _ = _answered(body, 400, lambda client: client.take_job(Secret(_KEY), "d"))
    if not (asked and isinstance(came, RetrainError)):
        raise AssertionError(came)
    if _KEY[:_PIECE].casefold() in f"{came.message} {came.hint}".casefold():
        yield f"a key that is cut by our own limit is shown: {came.message}"


ATTACKS = (
    Attack(name="a page that takes long to read", sentence="R4", play=_slow_page),
    Attack(name="words that cannot be used", sentence="R5", play=_odd_words),
    Attack(name="a key at the end of what is read", sentence="R6", play=_cut_key),
)
