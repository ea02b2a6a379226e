"""What is told to the user about answers the contract does not document."""

from msgspec import Struct

from runner.errors import Kind
from runner.http.request import Broken, RequestStage
from runner.http.response_body import Answer
from runner.providers.prediction_one.responses import said

_KEY_STATUSES = frozenset({401, 403})


class Explained(Struct, frozen=True, kw_only=True):
    """Kind, message and hint of an error that is yet to be made."""

    kind: Kind
    message: str
    hint: str


def explain_broken(broken: Broken) -> Explained:
    """Explain an exchange that brought no answer."""
    if broken.stage is RequestStage.UNFIT_KEY:
        return Explained(
            kind=Kind.CREDENTIALS,
            message=f"Nothing was sent: {broken.cause}.",
            hint="Look for line ends, quotes or spaces in the secret that `api_key` names.",
        )
    if broken.stage is RequestStage.UNFIT_URL:
        return Explained(
            kind=Kind.SERVICE,
            message=f"Nothing was sent: the URL to ask {broken.cause}.",
            hint="Check `service.url`; if it is right, report this to the service's support.",
        )
    return Explained(
        kind=Kind.NETWORK,
        message=f"{broken.host} {broken.cause}.",
        hint="Check the network and `service.url`, then run again.",
    )


def explain_status(answer: Answer) -> Explained:
    """Explain an HTTP status other than 2xx without a documented message."""
    words = said(answer.body).rstrip(" .")
    message = f"{answer.host} answered {answer.status}{f': {words}' if words else ''}."
    if answer.status in _KEY_STATUSES:
        hint = "Check the secret that `api_key` names, and whether a gateway in between asks for more."
        return Explained(kind=Kind.CREDENTIALS, message=message, hint=hint)
    if 300 <= answer.status <= 399:
        hint = "Redirects are not followed, because the key would travel along: set `service.url` to the final host."
        return Explained(kind=Kind.CONFIG, message=message, hint=hint)
    if answer.status == 429 or answer.status >= 500:
        hint = "Run again later; lower `limits.parallel` if this happens often."
        return Explained(kind=Kind.SERVICE, message=message, hint=hint)
    hint = "Check that `service.url` is the service's host and that the retrain job belongs to this model's key."
    return Explained(kind=Kind.SERVICE, message=message, hint=hint)
