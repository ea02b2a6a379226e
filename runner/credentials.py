"""API keys and other secrets from where the manifest says they are; no message holds one, or a command's output."""

import json
import os
import re
import shlex
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from runner.errors import Kind, ModelError
from runner.http.headers import read_date
from runner.lib.programs import COMMAND_VARIABLES, CommandTimeoutError, TooMuchOutputError, run_command
from runner.lib.secrets import Secret
from runner.lib.text import character_name, is_hidden
from runner.manifest.model import CommandKey, EnvKey, FileKey, KeyringKey, StoredKey

COMMAND_SECONDS = 30
ENDS_SOON = timedelta(days=7)  # from then on the end of a fetched key is warned of
_LONGEST_KEY = 8192  # bytes; servers refuse longer headers
_MOST_OUTPUT = 64 * 1024  # bytes of a command; a key in JSON with all that may stand around it is shorter
_NUMBER = re.compile(r"[0-9]{10}|[0-9]{13}")  # seconds or milliseconds since 1970
_OTHERS, _OTHERS_OF_ROOT = 0o077, 0o037
_QUOTES = {('"', '"'), ("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u2018", "\u2019")}
_FIRST_PRINTABLE, _DELETE, _LAST_CONTROL, _LAST_LATIN = 0x21, 0x7F, 0xA0, 0xFF


class SourceError(Exception):
    """A source gave nothing usable. `reason` is the end of a sentence, `hint` a sentence of its own."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def resolve(source: StoredKey, *, model: str) -> Secret:
    """Return the key of a model.

    Raises:
        ModelError: of the kind `credentials`: the key is absent, not private, or cannot be sent in a header.
    """
    try:
        return read_secret(source)
    except SourceError as error:
        message = f"The model `{model}` has no usable key: {error.reason}."
        raise ModelError(Kind.CREDENTIALS, message, hint=error.hint) from None


def read_secret(source: StoredKey) -> Secret:
    """Return what the source holds.

    Raises:
        SourceError: it is absent, not private, or more than one line of visible characters.
    """
    text, place = _without_newline(_read(source)), _place(source)
    if not text:
        _fail(f"{place} is empty", "Store it there.")
    if len(text) > 1 and (text[0], text[-1]) in _QUOTES:
        hint = "Remove the quotes: what reads a file of variables, as `docker run --env-file` does, may keep them."
        _fail(f"{place} holds a key in quotes", hint)
    if len(text) > _LONGEST_KEY:
        _fail(f"{place} holds more than {_LONGEST_KEY} characters", "Store the key alone.")
    odd = next((letter for letter in text if not _fits_header(letter)), None)
    if odd is not None:
        what = character_name(odd) if is_hidden(odd) or odd == " " else "a letter that is not Latin"
        _fail(f"{place} holds {what}, which no key has", "Store the key alone, on one line.")
    return Secret(text)


def _place(source: StoredKey) -> str:
    match source:
        case EnvKey():
            return f"the environment variable {source.name}"
        case FileKey():
            return f"the file {source.path}"
        case CommandKey():
            return f"the output of the command `{source.argv[0]}`"
        case KeyringKey():
            return f"the keyring's entry of {source.username} at {source.service}"


def _read(source: StoredKey) -> str:
    match source:
        case EnvKey():
            return _from_environment(source)
        case FileKey():
            return _from_file(source)
        case CommandKey():
            return _from_command(source)
        case KeyringKey():
            return _from_keyring(source)


def _fits_header(letter: str) -> bool:
    return _FIRST_PRINTABLE <= ord(letter) < _DELETE or _LAST_CONTROL < ord(letter) <= _LAST_LATIN


def _fail(reason: str, hint: str) -> NoReturn:
    raise SourceError(reason, hint) from None


def _from_environment(source: EnvKey) -> str:
    key = os.environ.get(source.name, "")
    if not key:
        state = "empty" if source.name in os.environ else "not set"
        _fail(f"the environment variable {source.name} is {state}", f"Set {source.name}.")
    return key


def _from_file(source: FileKey) -> str:
    try:
        with open(source.path, "rb", opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            content = file.read(_LONGEST_KEY + 3) if stat.S_ISREG(found.st_mode) else b""
    except OSError as error:
        _fail(f"the file {source.path} cannot be read ({error.strerror})", "Check the path in the manifest.")
    if not stat.S_ISREG(found.st_mode):
        _fail(f"{source.path} is not a file", "Name a file that holds it and nothing else.")
    # PostgreSQL's rule for its keys: the group may read a file of root, as Kubernetes mounts it; nobody else any file.
    if found.st_mode & (_OTHERS_OF_ROOT if found.st_uid == 0 else _OTHERS):
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        _fail(f"others can open the file {source.path}, whose mode is {mode}", _how_to_close(source.path, found))
    return _decode(content)


def _how_to_close(path: Path, found: os.stat_result) -> str:
    """Return what makes a key file private; of a mounted secret nobody can change the mode where it is read."""
    if found.st_uid == os.geteuid() and os.access(path, os.W_OK) and not _is_mounted(path):
        return f"Run `chmod 600 {shlex.quote(str(path))}`."
    quoted = json.dumps(str(path), ensure_ascii=False)
    return (
        "Mount it with the mode 0400, or 0440 where root owns it (`defaultMode` in Kubernetes, `mode` of a secret in "
        f"Docker), or let a command read it: `api_key: {{command: [cat, {quoted}]}}`."
    )


def _is_mounted(path: Path) -> bool:
    """Return whether something is mounted at the path or at its folder, as secrets are."""
    return any(os.path.ismount(place) for place in (path, path.parent) if place != Path("/"))


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        _fail("its source gave bytes that are not text", "Store it as plain text.")


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _from_command(source: CommandKey) -> str:
    program, output = source.argv[0], bytearray()
    try:
        code = run_command(source.argv, source.folder, seconds=COMMAND_SECONDS, most=_MOST_OUTPUT, take=output.extend)
    except CommandTimeoutError:
        hint = "Call it by hand; it must not wait for input."
        _fail(f"the command `{program}` did not end within {COMMAND_SECONDS} seconds", hint)
    except OSError as error:
        _fail(f"the command `{program}` cannot be started ({error.strerror})", "Install it, or check its name.")
    except TooMuchOutputError:
        hint = "Let it print the key and nothing else."
        _fail(f"the command `{program}` printed more than {_MOST_OUTPUT // 1024} KiB and was stopped", hint)
    if code != 0:
        hint = (
            "Call it by hand to see why; its output is not shown here, as it may hold the secret. Name the variables "
            f"that it needs in {COMMAND_VARIABLES}: it sees few others."
        )
        _fail(f"the command `{program}` ended with the exit code {code}", hint)
    return _key_in(_decode(bytes(output)), program)


def _key_in(output: str, program: str) -> str:
    """Return the key from a command's output: an object with `api_key`, a JSON string, or the plain key."""
    if not output.lstrip().startswith(("{", '"')):
        return output
    try:
        value: object = json.loads(output)
    except (ValueError, RecursionError):
        value = None
    key = value.get("api_key") if isinstance(value, dict) else value
    if not isinstance(key, str):
        hint = 'Let it print the key alone, or `{"api_key": "..."}`.'
        _fail(f"the command `{program}` printed JSON without a key in it", hint)
    return key


def _from_keyring(source: KeyringKey) -> str:
    try:
        import keyring  # noqa: PLC0415 - an extra, needed only here
        from keyring.errors import KeyringError  # noqa: PLC0415 - as above
    except ImportError:
        _fail(
            "the package keyring is not installed",
            "Install the extra `keyring`: `pip install '.[keyring]'` in a checkout of retrain-runner.",
        )
    entry = f"of {source.username} at {source.service}"
    try:
        key = keyring.get_password(source.service, source.username)
    except KeyringError as error:
        _fail(f"the keyring cannot be opened ({type(error).__name__})", "Unlock it, or use another source.")
    if key is None:
        hint = f"Run `keyring set {source.service} {source.username}`."
        _fail(f"the keyring has no entry {entry}", hint)
    return str(key)


def read_end(text: str) -> datetime | None:
    """Return the aware UTC moment that an `end_date` means, None where it is none; its form is not published.

    Without a zone it is taken for UTC.
    """
    plain = text.strip().replace("/", "-")
    try:
        end = (
            datetime.fromtimestamp(int(plain[:10]), UTC) if _NUMBER.fullmatch(plain) else datetime.fromisoformat(plain)
        )
        return end.replace(tzinfo=end.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return read_date(text)
