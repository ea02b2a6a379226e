"""Dead-man switches: a service that raises the alarm when a run is not heard of, or heard to have failed."""

from collections.abc import Iterator

from runner.credentials import read_secret
from runner.http.deadlines import Deadlines
from runner.http.request import Broken, Request, ResponseHead
from runner.http.transport import Transport
from runner.lib.secrets import Secret
from runner.manifest.model import StoredKey
from runner.notify.delivery import UndeliveredError

START = "start"
_DEADLINES = Deadlines(connect=4, silence=4, call=4)


def send_ping(source: StoredKey, word: str) -> None:
    """Ask for the URL the source holds with `/word` at the end of its path.

    Raises:
        SourceError: there is no URL.
        UndeliveredError: it is no http or https URL, or nobody answers there with a 2xx.
    """
    url = read_secret(source).reveal()
    base, mark, query = url.partition("?")
    request = Request(method="GET", url=Secret(f"{base.rstrip('/')}/{word}{mark}{query}"))
    answer = Transport(deadlines=_DEADLINES, ca_bundle=None).exchange(request, _status)
    if isinstance(answer, Broken):
        raise UndeliveredError(f"{answer.host or 'its URL'} {answer.cause}", "Check its URL.")
    if not 200 <= answer < 300:
        raise UndeliveredError(f"its service answered with {answer}", "Check its URL.")


def _status(head: ResponseHead, _blocks: Iterator[bytes]) -> int:
    return head.status
