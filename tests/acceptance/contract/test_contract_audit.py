"""The audit's commands: heads, signatures and bundles, each checked from outside, and tampering that must show."""

import base64
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # its package does not list what it gives

from runner.app.audit.evidence import state_evidence
from runner.app.audit.verify import Demands, verify
from runner.audit.bundle_layout import ATTESTATION, INDEX, JOURNAL, bytes_member, pack
from runner.cli.errors import failure_code
from runner.cli.main import group
from runner.errors import StateError
from runner.journal.chain import Link
from runner.journal.events import Draft, ReportWritten, RunStarted, SwitchIntended
from runner.journal.folder import StateFolder
from runner.journal.store import open_store
from runner.reports.formats.render import render_files
from runner.reports.run_history import read_history
from tests.acceptance.contract.contract_project import KEY_CANARY, ROOT, Finished, Project, judged, rows, threshold
from tests.fakes import preloaded
from tests.fakes.cut_journal import cut, rewind
from tests.fakes.result_files import result
from tests.fakes.two_port_service import TwoPortService

AUC = {"metric": "auc", "min": 0.8}
SSH_NAMESPACE = "retrain-runner"


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a project after two runs; the first was signed, the second switched again. Tests leave it as it is."""
    service = TwoPortService()
    project = Project(folder=tmp_path_factory.mktemp("audit") / "project", service=service)
    project.add("churn", policy=threshold(AUC), results=[result(AUC="0.9"), result(AUC="0.91")])
    project.add("held", policy=threshold(AUC), results=[result(AUC="0.1")])
    try:
        assert project.run().code == 4
        assert command(project, "audit", "keygen", "audit.key").code == 0
        assert command(project, "audit", "keygen", "stranger.key").code == 0
        assert command(project, "audit", "sign", "--key", "audit.key").code == 0
        assert command(project, "audit", "bundle", "--out", "evidence.zip").code == 0
        project.write_data("churn", rows(seed=1))
        assert project.run().code in (0, 4)
        yield project
    finally:
        service.close()


def command(project: Project, *words: str) -> Finished:
    """Run a command in the project's folder, within this process: starting one takes longer than most of them."""
    with TextIOWrapper(BytesIO()) as out, TextIOWrapper(BytesIO()) as err:
        with chdir(project.folder), redirect_stdout(out), redirect_stderr(err):
            code = _code(words if "--state" in words else (*words, "--state", str(project.state)))
        printed = []
        for stream in (out, err):
            stream.flush()
            stream.seek(0)
            printed.append(stream.read())
    return Finished(code=code, out=printed[0], err=printed[1])


def _code(words: Sequence[str]) -> int:
    try:
        return int(group.main(list(words), prog_name="retrain", standalone_mode=False) or 0)
    except Exception as error:  # noqa: BLE001 -- as the command's own handler
        return failure_code(error)


def first_run(project: Project) -> Path:
    return min((project.state / "runs").glob("2*"), key=started_at)


def started_at(run: Path) -> str:
    """Return when a run began; the names of two runs within one second are in no order."""
    moment: str = json.loads((run / "report.json").read_bytes())["started_at"]
    return moment


def head_of(project: Project) -> tuple[int, str]:
    events, sha256 = command(project, "audit", "head").out.split()
    return int(events), sha256


def elsewhere(tmp_path: Path, *words: str, **environment: str) -> Finished:
    """Run the command where there is no state, no manifest and no key."""
    return judged(preloaded.retrain(words, folder=tmp_path, environment={"HOME": str(tmp_path), **environment}))


def copied(project: Project, tmp_path: Path) -> Path:
    """Return a copy of the state that a test may damage."""
    return Path(shutil.copytree(project.state, tmp_path / "state", symlinks=True))


def findings(where: str, run: str | None = None, **demands: Any) -> list[str]:
    found = verify(where, run, Demands(**demands)).findings
    return [f"{one.where} {one.what}" for one in found]


def test_verify_says_that_nothing_outside_holds_the_journal(audited: Project) -> None:
    done = command(audited, "verify")
    assert done.code == 0, done.out
    assert "not anchored: whoever can write the state can rewrite all of it" in done.out


def test_a_head_kept_elsewhere_anchors_the_journal_as_far_as_it_goes(audited: Project, tmp_path: Path) -> None:
    events, sha256 = head_of(audited)
    (tmp_path / "kept").write_text(command(audited, "audit", "head").out, encoding="utf-8")
    report = Path(shutil.copy(first_run(audited) / "report.json", tmp_path))
    early = json.loads(report.read_bytes())["journal"]["events"]
    for head, reach in ((sha256, events), (f"{sha256}@{events}", events), (tmp_path / "kept", events), (report, early)):
        done = command(audited, "verify", "--head", str(head))
        assert done.code == 0, done.out
        assert f"anchored up to event {reach} of {events}" in done.out


def test_a_journal_that_was_cut_behind_a_kept_head_is_found(audited: Project, tmp_path: Path) -> None:
    """The chain of the cut journal is sound, and neither a folder nor the checkpoint tells of the lost run."""
    events, sha256 = head_of(audited)
    state, first = copied(audited, tmp_path), first_run(audited).name
    with closing(sqlite3.connect(state / "journal.sqlite3")) as connection:
        [(end,)] = connection.execute("SELECT MAX(seq) FROM events WHERE instr(body, ?)", (first.encode(),))
    cut(state, end)
    rewind(state)
    for path in (state / "runs").iterdir():
        if path.name != first:
            path.unlink() if path.is_symlink() else shutil.rmtree(path)
    shutil.rmtree(state / "checkpoint")
    assert findings(str(state)) == []
    [found] = findings(str(state), head=f"{sha256}@{events}")
    assert "does not contain the head" in found


def test_a_head_and_a_key_of_the_state_itself_vouch_for_nothing(audited: Project, tmp_path: Path) -> None:
    done = command(audited, "verify", "--head", str(first_run(audited) / "report.json"))
    assert done.code == 0, done.out
    assert "is in the state that is verified and vouches for itself" in done.out
    assert "not anchored" in done.out
    state = copied(audited, tmp_path)
    shutil.copy(audited.folder / "audit.key.pub", state)
    refused = command(audited, "verify", "--key", str(state / "audit.key.pub"), "--state", str(state))
    assert (refused.code, "it cannot vouch for it" in refused.err) == (2, True)


def test_a_head_that_is_none_is_wrong_usage(audited: Project) -> None:
    for head in ("nothing", "models.yaml", "."):
        done = command(audited, "verify", "--head", head)
        assert done.code == 2, done.out
        assert "hint:" in done.err


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_head_as_a_git_note_anchors_the_journal(audited: Project, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        return subprocess.run(
            ["git", *identity, *words], cwd=audited.folder, capture_output=True, text=True, check=True
        ).stdout

    assert "not a git repository" in command(audited, "audit", "head", "--git-note").err
    try:
        git("init", "--quiet")
        assert command(audited, "verify", "--head", "git").code == 2
        git("config", "user.name", "Ann")
        git("config", "user.email", "ann@example.org")
        (audited.folder / ".git" / "hooks" / "post-rewrite").write_text("#!/bin/sh\ntouch ../ran\n", encoding="utf-8")
        git("add", "models.yaml")
        git("commit", "--quiet", "-m", "models")
        for _ in range(2):
            assert command(audited, "audit", "head", "--git-note").code == 0
        assert git("notes", "--ref=retrain", "show").count("retrain-journal ") == 1
        events, _ = head_of(audited)
        assert (
            f"anchored up to event {events} of {events} by a git note"
            in command(audited, "verify", "--head", "git").out
        )
        assert command(audited, "verify", "evidence.zip", "--head", "git").code == 7
        named = elsewhere(tmp_path, "verify", "--head", f"git:{audited.folder}@retrain", "--state", str(audited.state))
        assert f"refs/notes/retrain of {audited.folder}" in named.out, named.err
        assert command(audited, "verify", "--head", f"git:{tmp_path}").code == 2
        assert command(audited, "verify", "--head", "git@other").code == 2
        other = copied(audited, tmp_path)
        with closing(sqlite3.connect(other / "journal.sqlite3")) as connection:
            connection.execute("DELETE FROM events")
            connection.commit()
        assert command(audited, "verify", "--head", "git", "--state", str(other)).code == 7
    finally:
        shutil.rmtree(audited.folder / ".git", ignore_errors=True)


def test_a_signature_of_a_trusted_key_anchors_and_covers_earlier_events(audited: Project) -> None:
    name = first_run(audited).name
    done = command(audited, "verify", name, "--key", "audit.key.pub")
    assert done.code == 0, done.out
    assert "by a signature of key " in done.out
    assert "unproven" in command(audited, "verify", name).out
    [newer] = findings(str(audited.state), keys=[audited.folder / "audit.key.pub"])
    assert "is covered by no signature of a trusted key" in newer
    assert name not in newer


def test_a_key_that_did_not_sign_makes_verify_fail(audited: Project) -> None:
    done = command(audited, "verify", first_run(audited).name, "--key", "stranger.key.pub")
    assert done.code == 7
    assert "covered by no signature" in done.out


def test_a_later_runs_signature_covers_the_earlier_ones(audited: Project, tmp_path: Path) -> None:
    state = copied(audited, tmp_path)
    (state / "runs" / first_run(audited).name / ATTESTATION).unlink()
    assert command(audited, "audit", "sign", "--state", str(state), "--key", "audit.key").code == 0
    assert findings(str(state), keys=[audited.folder / "audit.key.pub"]) == []
    assert findings(str(state), first_run(audited).name, keys=[audited.folder / "audit.key.pub"]) == []


def test_without_a_name_the_last_run_is_signed_whatever_command_it_was(audited: Project, tmp_path: Path) -> None:
    state, key = copied(audited, tmp_path), ["--key", "audit.key"]
    assert command(audited, "reject", "held", "--reason", "poor", "--yes", "--state", str(state)).code == 0
    partly = command(audited, "audit", "sign", "latest", "--state", str(state), *key)
    assert "later events not covered; `retrain audit sign --key audit.key" in partly.err
    assert (
        "is covered by no signature" in command(audited, "verify", "--state", str(state), "--key", "audit.key.pub").out
    )
    whole = command(audited, "audit", "sign", "--state", str(state), *key)
    assert "not covered" not in whole.err
    assert command(audited, "verify", "--state", str(state), "--key", "audit.key.pub").code == 0


def test_an_independent_implementation_verifies_what_the_command_signed(audited: Project) -> None:
    content = json.loads((first_run(audited) / ATTESTATION).read_bytes())
    pem = (audited.folder / "audit.key.pub").read_bytes()
    keyid = content["signatures"][0]["keyid"]
    envelope = Envelope.from_dict(content)
    envelope.verify([SSlibKey.from_crypto(load_pem_public_key(pem), keyid=keyid)], 1)
    statement = json.loads(envelope.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    digests = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    folder = first_run(audited)
    for name in ("report.json", "results/churn/result.zip"):
        assert digests[f"runs/{folder.name}/{name}"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    manifest = (audited.folder / "models.yaml").read_bytes()
    assert digests["manifest:models.yaml"] == hashlib.sha256(manifest).hexdigest()
    decisions = {decision["model"]: decision["action"] for decision in statement["predicate"]["decisions"]}
    assert decisions == {"churn": "switch", "held": "hold"}
    assert [switch["model"] for switch in statement["predicate"]["switches"]] == ["churn"]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_ssh_keygen_signs_and_verifies_the_statement_and_its_keys_work_here(audited: Project, tmp_path: Path) -> None:
    def ssh(*words: str, given: bytes = b"") -> int:
        return subprocess.run(
            ["ssh-keygen", *words], cwd=tmp_path, input=given, capture_output=True, check=False
        ).returncode

    name, state = first_run(audited).name, copied(audited, tmp_path)
    statement = command(audited, "audit", "statement", name).out.encode()
    (tmp_path / "statement.json").write_bytes(statement)
    assert ssh("-q", "-t", "ed25519", "-N", "", "-f", "key") == 0
    assert ssh("-Y", "sign", "-n", SSH_NAMESPACE, "-f", "key", "statement.json") == 0
    public = (tmp_path / "key.pub").read_text(encoding="utf-8")
    (tmp_path / "allowed").write_text(f"ann@example.org {public}", encoding="utf-8")
    check = ("-Y", "verify", "-f", "allowed", "-I", "ann@example.org", "-n", SSH_NAMESPACE, "-s", "statement.json.sig")
    with zipfile.ZipFile(audited.folder / "evidence.zip") as archive:
        bundled = archive.read("statement.json")
    assert ssh(*check, given=bundled) == 0
    assert ssh(*check, given=bundled + b" ") != 0
    assert command(audited, "audit", "sign", name, "--state", str(state), "--key", str(tmp_path / "key")).code == 0
    for key in (tmp_path / "key.pub", audited.folder / "audit.key.pub"):
        assert findings(str(state), name, keys=[key]) == []


@pytest.mark.parametrize("place", ["payload", "sig", "keyid", "junk", "empty"])
def test_a_changed_attestation_is_found(audited: Project, tmp_path: Path, place: str) -> None:
    state, name = copied(audited, tmp_path), first_run(audited).name
    path = state / "runs" / name / ATTESTATION
    content = json.loads(path.read_bytes())
    if place == "payload":
        content["payload"] = base64.b64encode(base64.b64decode(content["payload"]).replace(b"hold", b"sold")).decode()
    elif place == "sig":
        content["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    elif place == "keyid":
        content["signatures"][0] |= {"keyid": "00" * 32, "sig": base64.b64encode(bytes(64)).decode()}
    path.write_bytes({"junk": b"junk", "empty": b""}.get(place, json.dumps(content).encode()))
    found = findings(str(state), name, keys=[audited.folder / "audit.key.pub"])
    assert found
    if place in ("payload", "junk", "empty"):
        assert any(ATTESTATION in finding for finding in findings(str(state)))


def test_a_planted_file_beside_the_attestation_is_still_a_stranger(audited: Project, tmp_path: Path) -> None:
    state = copied(audited, tmp_path)
    (state / "runs" / first_run(audited).name / f"{ATTESTATION}.old").write_bytes(b"x")
    [found] = findings(str(state))
    assert "was never recorded" in found


def test_a_run_that_does_not_verify_is_neither_signed_nor_bundled(audited: Project, tmp_path: Path) -> None:
    state, name = copied(audited, tmp_path), first_run(audited).name
    (state / "runs" / name / "report.html").write_bytes(b"nice")
    for words in (("sign", name, "--key", "audit.key"), ("bundle", name, "--out", str(tmp_path / "b.zip"))):
        done = command(audited, "audit", *words, "--state", str(state))
        assert done.code == 7, done.err
        assert "report.html" in done.err
    assert not (tmp_path / "b.zip").exists()


def test_a_rewritten_chain_with_a_report_that_does_not_follow_from_it_is_found(
    audited: Project, tmp_path: Path
) -> None:
    """Whoever rewrites a report, its recorded digest and the chain behind it still has to render what is recorded."""
    forged = _forged(audited, tmp_path, lambda content: content.replace(b'"held": 1', b'"held": 9'))
    found = findings(str(forged.root))
    assert found
    assert all("report.json is not what retrain" in one for one in found)


def test_a_bundle_verifies_on_another_machine_with_nothing_but_the_tool(audited: Project, tmp_path: Path) -> None:
    shutil.copy(audited.folder / "evidence.zip", tmp_path / "b.zip")
    shutil.copy(audited.folder / "audit.key.pub", tmp_path / "ann.pub")
    events, sha256 = head_of(audited)
    done = elsewhere(tmp_path, "verify", "b.zip", "--trusted-keys", ".")
    assert done.code == 0, done.out + done.err
    assert "2 decisions computed again" in done.out
    assert "anchored up to event" in done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ann.pub", "b.zip"]
    later = elsewhere(tmp_path, "verify", "b.zip", "--head", f"{sha256}@{events}")
    assert later.code == 7
    report = first_run(audited) / "report.json"
    early = elsewhere(tmp_path, "verify", "b.zip", "--head", str(report), "--format", "json")
    assert early.code == 0
    form = json.loads(early.out)
    assert (form["runs"], form["decisions"], form["findings"]) == (1, 2, [])


def test_a_bundle_of_a_later_run_carries_the_journal_from_its_start(audited: Project, tmp_path: Path) -> None:
    done = command(audited, "audit", "bundle", "latest", "--out", str(tmp_path / "b.zip"))
    assert done.code == 0, done.err
    assert findings("", str(tmp_path / "b.zip")) == []


def test_bundles_statements_and_reports_are_the_same_bytes_in_any_locale_time_zone_and_hash_seed(
    audited: Project, tmp_path: Path
) -> None:
    name, made = first_run(audited).name, set()
    for number, environment in enumerate(
        (
            {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
            {"PYTHONHASHSEED": "2", "TZ": "America/Lima", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"},
        )
    ):
        out = tmp_path / f"{number}.zip"
        words = ("--state", str(audited.state))
        run = subprocess.run(
            [sys.executable, "-m", "runner", "audit", "bundle", name, *words, "--out", str(out)],
            cwd=audited.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **environment},
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        made.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert made == {hashlib.sha256((audited.folder / "evidence.zip").read_bytes()).hexdigest()}


def test_a_flipped_bit_anywhere_in_a_bundle_is_found(audited: Project, tmp_path: Path) -> None:
    """Two places in each member, and a sample of the zip's own structure."""
    content, path = (audited.folder / "evidence.zip").read_bytes(), tmp_path / "b.zip"
    rng = random.Random(7)  # noqa: S311 -- any place will do
    with zipfile.ZipFile(BytesIO(content)) as archive:
        infos = archive.infolist()
        start = archive.start_dir
    places = [info.header_offset + rng.randrange(30) for info in infos[::4]]
    places += [rng.randrange(start, len(content)) for _ in range(5)]
    for info in infos:
        data = info.header_offset + 30 + len(info.filename.encode())
        places += [data + rng.randrange(info.file_size) for _ in range(2)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        assert _complaint(path), place


def _complaint(path: Path) -> str:
    try:
        return "\n".join(findings("", str(path)))
    except StateError as error:
        return str(error)


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _packed(path: Path, members: dict[str, bytes]) -> Path:
    with path.open("wb") as stream:
        pack(stream, [bytes_member(name, content) for name, content in members.items()])
    return path


@pytest.mark.parametrize("change", ["result", "report", "manifest", "journal tail", "stranger", "gone", "readme"])
def test_a_bundle_packed_anew_with_another_content_is_found_and_named(
    audited: Project, tmp_path: Path, change: str
) -> None:
    members = _members(audited.folder / "evidence.zip")
    results = [name for name in members if "/results/" in name]
    named = {
        "result": results[0],
        "report": next(name for name in members if name.endswith("report.json")),
        "manifest": "manifest/1.yaml",
        "journal tail": JOURNAL,
        "stranger": "runs/../../escape",
        "gone": results[1],
        "readme": "README.txt",
    }[change]
    if change == "gone":
        del members[named]
    elif change == "journal tail":
        members[named] = b"".join(members[named].splitlines(keepends=True)[:-1])
    else:
        members[named] = members.get(named, b"") + b" "
    told = _complaint(_packed(tmp_path / "b.zip", members))
    assert ("journal" if change == "journal tail" else named) in told


def test_a_state_made_up_to_be_sound_is_found_by_a_kept_head_and_by_a_key(audited: Project, tmp_path: Path) -> None:
    """Chain, digests and reports all made again with another actor: only what is kept elsewhere can tell."""
    forged = _forged(audited, tmp_path, lambda content: content)
    assert findings(str(forged.root)) == []
    [by_head] = findings(str(forged.root), head=head_of(audited)[1])
    assert "does not contain the head" in by_head
    by_key = findings(str(forged.root), keys=[audited.folder / "audit.key.pub"])
    assert len(by_key) == 2
    shutil.copy(first_run(audited) / ATTESTATION, forged.runs / first_run(audited).name)
    assert any("is not about the run as the journal has it" in finding for finding in findings(str(forged.root)))


def _forged(project: Project, tmp_path: Path, tamper: Callable[[bytes], bytes]) -> StateFolder:
    """Return a state with the same history under another actor: chain, files and digests as they would then be."""
    folder, links, made = StateFolder(tmp_path / "forged"), state_evidence(str(project.state)).links(), list[Link]()
    store = open_store(folder)
    shutil.copytree(project.state / "runs", folder.runs, symlinks=True)
    (folder.runs / first_run(project).name / ATTESTATION).unlink()
    for _ in store.read():
        pass
    for link in links:
        event, fact = link.event, link.event.fact
        if isinstance(fact, RunStarted):
            fact = msgspec.structs.replace(fact, actor="somebody@else")
        elif isinstance(fact, SwitchIntended):
            decision = made[next(at for at, old in enumerate(links) if old.sha256 == fact.decision_sha256)]
            fact = msgspec.structs.replace(fact, decision_sha256=decision.sha256)
        elif isinstance(fact, ReportWritten):
            fact = _rendered_anew(folder, made, event.run_id, tamper)
        draft = Draft(at=event.at, run_id=event.run_id, model=event.model, guard=event.guard, fact=fact)
        made += store.append([draft])
    store.close()
    return folder


def _rendered_anew(
    folder: StateFolder, made: Sequence[Link], run_id: str, tamper: Callable[[bytes], bytes]
) -> ReportWritten:
    files = {name: tamper(content) for name, content in render_files(read_history(made, run_id)).items()}
    for name, content in files.items():
        (folder.run_folder(run_id) / name).write_bytes(content)
    return ReportWritten(files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


def test_no_key_and_no_signature_of_the_service_is_in_a_bundle(audited: Project) -> None:
    content = (audited.folder / "evidence.zip").read_bytes()
    for secret in (KEY_CANARY, "X-Amz-Signature", "signature="):
        for form in (secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")):
            assert form not in content
    assert (audited.folder / "audit.key").read_bytes().splitlines()[1] not in content


def test_manifest_files_that_changed_are_named_by_their_digest_only(audited: Project, tmp_path: Path) -> None:
    manifest = audited.folder / "models.yaml"
    original = manifest.read_bytes()
    manifest.write_bytes(original + b"# later\n")
    try:
        done = command(audited, "audit", "bundle", "latest", "--out", str(tmp_path / "b.zip"))
    finally:
        manifest.write_bytes(original)
    assert done.code == 0, done.err
    assert "models.yaml is gone or changed" in done.err
    assert json.loads(_members(tmp_path / "b.zip")[INDEX])["manifest"][0]["member"] is None
    assert findings("", str(tmp_path / "b.zip")) == []


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"no zip at all"])
def test_what_is_not_a_bundle_is_refused_in_words(audited: Project, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(content)
    done = command(audited, "verify", str(tmp_path / "b.zip"))
    assert done.code == 7
    assert "is not a bundle of a run" in done.err
    assert command(audited, "verify", str(tmp_path / "none.zip")).code == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"verdict":', '"verdikt":'),
        ('"metrics":{"auc":"0.9"}', '"metrics":{"auc":"many"}'),
        ('"rules":[', '"rules":[7,'),
        ('"files":[{"path"', '"files":[{"pfad"'),
        ('"files":[{', '"files":[3,{'),
        ('"verdict":', '"large":9007199254740999,"verdict":'),
    ],
)
def test_a_bundle_whose_sound_chain_holds_nonsense_is_refused_in_words(
    audited: Project, tmp_path: Path, old: str, new: str
) -> None:
    members = _members(audited.folder / "evidence.zip")
    body, prev = b"", "0" * 64
    for line in members[JOURNAL].splitlines():
        event = json.loads(line)
        changed = line.replace(event["prev"].encode(), prev.encode()).replace(old.encode(), new.encode())
        prev, body = hashlib.sha256(changed).hexdigest(), body + changed + b"\n"
    assert new.encode() in body
    members[JOURNAL] = body
    done = command(audited, "verify", str(_packed(tmp_path / "b.zip", members)))
    assert done.code == 7, done.out + done.err


def test_audit_commands_without_a_run_say_what_to_do(audited: Project, tmp_path: Path) -> None:
    nowhere = ("--state", str(tmp_path / "none"))
    for words in (("head",), ("statement",), ("bundle",), ("sign", "--key", "audit.key"), ("sign", "--key", "none")):
        done = command(audited, "audit", *words, *nowhere)
        assert done.code == 2, words
        assert "hint:" in done.err
    assert list(tmp_path.iterdir()) == []
    for name, run in (("statement", "20200101T000000Z-000000"), ("bundle", "evidence.zip")):
        assert command(audited, "audit", name, run).code == 2
