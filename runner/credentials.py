"""API keys from where the manifest says they are, as `Secret`; no message holds a key or a command's output."""

import json
import os
import stat
import subprocess
from typing import Any, NoReturn

from runner.errors import Kind, ModelError
from runner.manifest.model import CommandKey, EnvKey, FileKey, KeyringKey, StoredKey
from runner.secret import Secret

COMMAND_SECONDS = 30
_LONGEST_KEY = 8192  # bytes; servers refuse longer headers
_OTHERS = 0o077
_FIRST_PRINTABLE, _DELETE, _LAST_CONTROL, _LAST_LATIN = 0x21, 0x7F, 0xA0, 0xFF


def resolve(source: StoredKey, *, model: str) -> Secret:
    """Return the key of a model.

    Raises:
        ModelError: of the kind `credentials`: the key is absent, not private, or cannot be sent in a header.
    """
    key = _read(source, model)
    if not key:
        _fail(model, "its source gave an empty key", "Store the key there.")
    if len(key) > _LONGEST_KEY or not all(map(_fits_header, key)):
        _fail(
            model,
            "its key holds spaces, line breaks or other characters that no key has, or is too long",
            "Store the key alone, on one line, without quotes.",
        )
    return Secret(key)


def _read(source: StoredKey, model: str) -> str:
    match source:
        case EnvKey():
            return _from_environment(source, model)
        case FileKey():
            return _from_file(source, model)
        case CommandKey():
            return _from_command(source, model)
        case KeyringKey():
            return _from_keyring(source, model)


def _fits_header(letter: str) -> bool:
    return _FIRST_PRINTABLE <= ord(letter) < _DELETE or _LAST_CONTROL < ord(letter) <= _LAST_LATIN


def _fail(model: str, reason: str, hint: str) -> NoReturn:
    raise ModelError(Kind.CREDENTIALS, f"The model `{model}` has no usable key: {reason}.", hint=hint) from None


def _from_environment(source: EnvKey, model: str) -> str:
    key = os.environ.get(source.name, "")
    if not key:
        state = "empty" if source.name in os.environ else "not set"
        _fail(model, f"the environment variable {source.name} is {state}", f"Set {source.name} to the API key.")
    return key


def _from_file(source: FileKey, model: str) -> str:
    try:
        with open(source.path, "rb", opener=_open_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LONGEST_KEY + 2) if stat.S_ISREG(mode) else b""
    except OSError as error:
        _fail(model, f"the file {source.path} cannot be read ({error.strerror})", "Check the path in the manifest.")
    if not stat.S_ISREG(mode):
        _fail(model, f"{source.path} is not a file", "Name a file that holds the key and nothing else.")
    if mode & _OTHERS:
        _fail(model, f"others can open the file {source.path}", f"Run `chmod 600 {source.path}`.")
    return _without_newline(_decode(content, model))


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _decode(content: bytes, model: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        _fail(model, "its source gave bytes that are no text", "Store the key as plain text.")


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _from_command(source: CommandKey, model: str) -> str:
    program = source.argv[0]
    try:
        done = subprocess.run(  # noqa: S603 - the manifest's owner names the command; there is no shell
            source.argv,
            cwd=source.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        hint = "Call it by hand; it must not wait for input."
        _fail(model, f"the command `{program}` did not end within {COMMAND_SECONDS} seconds", hint)
    except OSError as error:
        _fail(model, f"the command `{program}` cannot be started ({error.strerror})", "Install it, or check its name.")
    if done.returncode != 0:
        hint = "Call it by hand to see why; its output is not shown here, as it may hold the key."
        _fail(model, f"the command `{program}` ended with the exit code {done.returncode}", hint)
    return _key_in(_without_newline(_decode(done.stdout, model)), program, model)


def _key_in(output: str, program: str, model: str) -> str:
    """Return the key from a command's output: an object with `api_key`, a JSON string, or the plain key."""
    if not output.lstrip().startswith(("{", '"')):
        return output
    try:
        value: Any = json.loads(output)
    except (ValueError, RecursionError):
        value = None
    key = value.get("api_key") if isinstance(value, dict) else value
    if not isinstance(key, str):
        hint = 'Let it print the key alone, or `{"api_key": "..."}`.'
        _fail(model, f"the command `{program}` printed JSON without a key in it", hint)
    return key


def _from_keyring(source: KeyringKey, model: str) -> str:
    try:
        import keyring  # noqa: PLC0415 - an extra, needed only here
        from keyring.errors import KeyringError  # noqa: PLC0415 - as above
    except ImportError:
        _fail(
            model,
            "the package keyring is not installed",
            "Install the extra `keyring`: `pip install '.[keyring]'` in a checkout of retrain-runner.",
        )
    entry = f"of {source.username} at {source.service}"
    try:
        key = keyring.get_password(source.service, source.username)
    except KeyringError as error:
        _fail(model, f"the keyring cannot be opened ({type(error).__name__})", "Unlock it, or use another source.")
    if key is None:
        hint = f"Run `keyring set {source.service} {source.username}`."
        _fail(model, f"the keyring has no entry {entry}", hint)
    return str(key)
