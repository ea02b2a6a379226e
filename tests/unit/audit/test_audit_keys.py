"""Key files: which are taken, which are refused, and that a secret one is never shown or overwritten."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from runner.app.audit.key_files import make_key, signing_key, trusted_keys
from runner.audit.envelope import NotAKeyError, new_key, read_public_key, read_signing_key
from runner.cli.main import group
from runner.errors import UsageError

ROOT = Path(__file__).parents[3]


def ssh_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def test_a_new_key_is_two_files_that_belong_together_and_only_the_owner_reads_the_secret_one(tmp_path: Path) -> None:
    made, public = make_key(tmp_path / "keys" / "audit.key")
    assert public == tmp_path / "keys" / "audit.key.pub"
    assert stat.S_IMODE((tmp_path / "keys" / "audit.key").stat().st_mode) == 0o600
    read = signing_key(tmp_path / "keys" / "audit.key")
    assert read.key_id == made.key_id
    [(key_id, key)] = trusted_keys([public]).items()
    assert key_id == made.key_id
    assert key.made(read.sign(b"x"), b"x")
    assert not key.made(read.sign(b"x"), b"y")


@pytest.mark.parametrize("name", ["audit.key", "audit.key.pub"])
def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        make_key(tmp_path / "audit.key")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_secret_key_shows_in_no_representation() -> None:
    key = new_key()
    shown = f"{key!r} {key}"
    assert repr(key.seed) not in shown
    assert key.seed.hex() not in shown


def test_openssh_keys_are_taken_and_have_the_same_id_as_their_pem_form() -> None:
    key = ssh_key()
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.OpenSSH, forms.NoEncryption())
    public = key.public_key().public_bytes(forms.Encoding.OpenSSH, forms.PublicFormat.OpenSSH)
    pem = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    assert read_signing_key(private).key_id == read_public_key(public + b" ann@desk\n").key_id
    assert read_public_key(public).key_id == read_public_key(pem).key_id


def test_other_and_encrypted_keys_are_refused_in_words() -> None:
    other = rsa.generate_private_key(65537, 2048)
    pkcs8 = other.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    locked = ssh_key().private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"word")
    )
    public = other.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    for content, why in ((pkcs8, "another kind"), (locked, "encrypted"), (b"", "form"), (b"\xff" * 99, "form")):
        with pytest.raises(NotAKeyError, match=why):
            read_signing_key(content)
    for content, why in (
        (public, "another kind"),
        (pkcs8, "private key"),
        (b"ssh-ed25519 AAAA", "form"),
        (b"", "form"),
    ):
        with pytest.raises(NotAKeyError, match=why):
            read_public_key(content)


def test_a_key_that_others_may_read_does_not_sign(tmp_path: Path) -> None:
    make_key(tmp_path / "audit.key")
    (tmp_path / "audit.key").chmod(0o640)
    with pytest.raises(UsageError, match="Others may read"):
        signing_key(tmp_path / "audit.key")


def test_a_folder_of_public_keys_is_trusted_as_a_whole_and_an_empty_one_is_a_mistake(tmp_path: Path) -> None:
    keys = {make_key(tmp_path / name)[0].key_id for name in ("a", "b")}
    folder = tmp_path / "trusted"
    folder.mkdir()
    with pytest.raises(UsageError, match="holds no"):
        trusted_keys([folder])
    for name in ("a", "b"):
        (folder / f"{name}.pub").write_bytes((tmp_path / f"{name}.pub").read_bytes())
    assert set(trusted_keys([folder])) == keys


def test_the_public_half_is_as_readable_as_the_umask_says_and_the_key_its_owners_alone(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        make_key(tmp_path / "key")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "key.pub").stat().st_mode) == 0o644


def test_without_the_extra_a_signature_command_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['cryptography'] = None; from runner.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "audit", "keygen", str(tmp_path / "key")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install '.[sign]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_audit_commands_load_no_cryptography_before_a_key_is_used() -> None:
    program = "import sys, runner.cli.commands.audit, runner.cli.commands.verify; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(("name", "warns"), [("signing", True), ("audit.key", False), ("id_ed25519", False)])
def test_a_key_in_a_checkout_that_gitignore_does_not_cover_is_warned_of(name: str, warns: bool, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    done = CliRunner().invoke(group, ["audit", "keygen", str(tmp_path / name)])
    assert ("is in a git checkout; name it *.key" in done.stderr) is warns
