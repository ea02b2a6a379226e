"""Key files: the ones a person trusts, and the one that signs."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from runner.app.audit.anchors import lies_in
from runner.audit.envelope import NotAKeyError, PublicKey, SigningKey, new_key, read_public_key, read_signing_key
from runner.errors import UsageError
from runner.lib.atomic_files import open_file, remove_unfinished, user_file_mode, write_new

_PUBLIC_SUFFIX = ".pub"
_LARGEST = 64 * 1024  # bytes


def trusted_keys(paths: Sequence[Path], *, foreign_to: Path | None = None) -> dict[str, PublicKey]:
    """Return the public keys in these files, and in the `*.pub` and `*.pem` files of these folders, by key id.

    `foreign_to` is the state folder that is verified: a key in it is not trusted.

    Raises:
        UsageError: a path cannot be read, holds no such key, is in the state, or the extra `sign` is not installed.
    """
    files = [file for path in paths for file in _files(path)]
    if foreign_to is not None:
        _refuse_keys_of(foreign_to, files)
    keys = [_public(file) for file in files]
    return {key.key_id: key for key in keys}


def _refuse_keys_of(state: Path, files: Sequence[Path]) -> None:
    for file in files:
        if lies_in(file, state):
            raise UsageError(
                f"The key {file} is in the state folder {state}: it cannot vouch for it.",
                hint="Give the key as you got it from the signer, kept outside the state.",
            )


def signing_key(path: Path) -> SigningKey:
    """Return the private key in a file that nobody else may read.

    Raises:
        UsageError: it cannot be read, others may read it, or it holds no such key.
    """
    content = _content(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UsageError(f"Others may read the key {path}.", hint=f"Run `chmod 600 {path}`, or make a new key.")
    try:
        return read_signing_key(content)
    except NotAKeyError as error:
        raise UsageError(
            f"{path} holds no Ed25519 key that can sign: {error}.",
            hint="Make one (`retrain audit keygen --help`), or give an unencrypted OpenSSH key of type ed25519.",
        ) from None


def make_key(path: Path) -> tuple[SigningKey, Path]:
    """Write a fresh key and, beside it, its public half; return the key and the public file.

    Raises:
        UsageError: one of the files exists already or cannot be written.
    """
    public = path.with_name(path.name + _PUBLIC_SUFFIX)
    key = new_key()
    for target in (path, public):
        if os.path.lexists(target):
            raise _exists(target)
    try:
        remove_unfinished(path)
        remove_unfinished(public)
        write_new(path, key.pem())
        write_new(public, key.public.pem(), mode=user_file_mode())
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise UsageError(
            f"The key {path} cannot be written: {error.strerror}.", hint="Give a file in a folder you may write to."
        ) from error
    return key, public


def _exists(path: Path) -> UsageError:
    return UsageError(f"{path} exists already; a key is never overwritten.", hint="Give another file name.")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in (_PUBLIC_SUFFIX, ".pem"))
    if not found:
        raise UsageError(f"{path} holds no *.pub or *.pem file.", hint="Give a folder of public keys, or a key's file.")
    return found


def _public(path: Path) -> PublicKey:
    try:
        return read_public_key(_content(path))
    except NotAKeyError as error:
        raise UsageError(
            f"{path} holds no Ed25519 public key: {error}.", hint="Give the .pub file that keygen wrote."
        ) from None


def _content(path: Path) -> bytes:
    try:
        with open_file(path) as stream:
            return stream.read(_LARGEST)
    except OSError as error:
        raise UsageError(f"The key {path} cannot be read: {error.strerror}.", hint="Check the file's name.") from None
