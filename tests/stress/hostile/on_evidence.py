"""Whoever hands over a state or a bundle tries to be the one who vouches for it."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from random import Random

from runner.app.audit.bundle import bundle, sign
from runner.app.audit.evidence import Note, head
from runner.app.audit.key_files import make_key
from runner.app.audit.verify import Demands, Verification, verify
from runner.cli.main import group
from runner.errors import UsageError
from tests.stress.hostile.attack import Attack
from tests.stress.hostile.repositories import checkout, git, operator
from tests.stress.hostile.states import made_state

_WRITER = {"EMAIL": "ann@example.com", "GIT_AUTHOR_NAME": "Ann", "GIT_COMMITTER_NAME": "Ann"}


def _vouching_repository(folder: Path, rng: Random) -> Iterator[str]:
    """Hand over a state with a repository in it that has notes of its head."""
    with operator(folder / "home", **_WRITER):
        state, inner, here = folder / "state", folder / "state" / "runs" / "source", folder / "here"
        commit = checkout(folder / "forged")
        checkout(here)
        made_state(state, [commit], manifest=str(inner / "models.yaml"))
        shutil.move(folder / "forged", inner)
        _note(inner, state)
        shutil.copytree(inner, folder / "copy")
        if _vouched(folder / "copy", str(state), None, Demands(head="git")) is None:
            raise AssertionError("the notes are not such that they would vouch")
        (here / "link").symlink_to(inner)
        pointing = folder / "pointing"
        pointing.mkdir()
        (pointing / ".git").write_text(f"gitdir: {inner}/.git\n", encoding="utf-8")
        ways = {
            "the journal names it": (here, "git"),
            "the verifier is in it": (inner, "git"),
            "the verifier names it": (folder, f"git:{inner}"),
            "a link leads to it": (here, "git:link@retrain"),
            "a file .git leads to it": (pointing, "git"),
        }
        for way in rng.sample(sorted(ways), len(ways)):
            place, wanted = ways[way]
            if (found := _vouched(place, str(state), None, Demands(head=wanted))) is not None:
                yield f"{way}: a repository of the state vouched for it: {found}"


def _note(repository: Path, state: Path) -> None:
    """Note the state's head as git's own user does it: the command would refuse."""
    first, events, sha256 = _ends(state)
    git(repository, "notes", "--ref=retrain", "add", "-f", "-m", f"retrain-journal {first} {events} {sha256}")


def _ends(state: Path) -> tuple[str, int, str]:
    found = head(str(state))
    line = (state / "runs" / "20260301T000000Z-abcdef" / "journal.jsonl").read_bytes().splitlines()
    return json.loads(line[1])["prev"], found.events, found.head_sha256


def _vouched(here: Path, state: str, run: str | None, demands: Demands) -> str | None:
    """Return who vouches for it, as verify says here; None where nobody does."""
    with chdir(here):
        try:
            found = verify(state, run, demands)
        except UsageError:
            return None
    return found.anchors[0].by if found.anchors else None


def _vouching_bundle(folder: Path, rng: Random) -> Iterator[str]:
    """Hand over a bundle whose journal names a repository beside it, which has notes of its head."""
    with operator(folder / "home", **_WRITER):
        here, other = folder / "here", folder / "other"
        checkout(here)
        state, commit = folder / "state", checkout(other, "version: 2\n")
        path = other / rng.choice(("models.yaml", "approvals/a.yaml"))
        made_state(state, [commit], manifest=str(path))
        _note(other, state)
        bundle(str(state), None, folder / "evidence.zip")
        honest = _vouched(other, "", str(folder / "evidence.zip"), Demands(head="git"))
        if honest is None or str(other) not in honest:
            raise AssertionError("the verifier's own repository does not vouch for the bundle")
        found = _vouched(here, "", str(folder / "evidence.zip"), Demands(head="git"))
        if found is not None:
            yield f"a bundle's own repository vouched for it: {found}"


def _own_head(folder: Path, rng: Random) -> Iterator[str]:
    """Compare the state with a head that is in it."""
    state = folder / "state"
    made_state(state, [None, None])
    report = state / "runs" / "20260301T000001Z-abcdef" / "report.json"
    (state / "runs" / "latest").symlink_to(report.parent.name)
    (folder / "outside.json").symlink_to(report)
    (folder / "lnk").symlink_to(state)
    kept = folder / "kept.json"
    kept.write_bytes(report.read_bytes())
    if _vouched(folder, str(state), None, Demands(head=str(kept))) is None:
        raise AssertionError("a head that is kept elsewhere does not vouch")
    ways = (report, state / "runs" / "latest" / "report.json", folder / "outside.json", folder / "lnk" / "runs")
    for way in rng.sample(ways, len(ways)):
        path = way / report.parent.name / "report.json" if way.is_dir() else way
        found = verify(str(state), None, Demands(head=str(path)))
        if found.anchors or not any("vouches for itself" in one.what for one in found.notes):
            yield f"{path.relative_to(folder)}: a head of the state itself vouched for it: {found.anchors}"


def _own_key(folder: Path, rng: Random) -> Iterator[str]:
    """Trust a key that is in the state, which its maker signed."""
    state, key = folder / "state", folder / "key"
    made_state(state, [None])
    make_key(key)
    sign(str(state), None, key)
    public = folder / "key.pub"
    if _vouched(folder, str(state), None, Demands(keys=[public])) is None:
        raise AssertionError("a key that is kept elsewhere does not vouch")
    place = state / rng.choice(("keys", "runs/20260301T000000Z-abcdef"))
    place.mkdir(exist_ok=True)
    shutil.copy(public, place)
    outside = folder / "outside.pub"
    outside.symlink_to(place / "key.pub")
    for way in (place, place / "key.pub", outside):
        found = _vouched(folder, str(state), None, Demands(keys=[way]))
        if found is not None:
            yield f"{way.name}: a key that is in the state vouched for it: {found}"


def _other_commit(folder: Path, rng: Random) -> Iterator[str]:
    """Record that a run was of another commit than the one on which its head is noted."""
    with operator(folder / "home", **_WRITER):
        here, state = folder / "here", folder / "state"
        first = checkout(here)
        git(here, "commit", "-q", "--allow-empty", "-m", "what was reviewed")
        second = git(here, "rev-parse", "HEAD")
        recorded, noted = rng.choice(((first, second), (second, first), ("f" * 40, second)))
        made_state(state, [recorded])
        git(here, "checkout", "-q", noted)
        _note(here, state)
        with chdir(here):
            found = verify(str(state), None, Demands(head="git"))
        if found.anchors or not found.findings:
            yield f"a note on {noted[:7]} vouched for a run of {recorded[:7]}: {found.anchors}"
        if not any(noted[:12] in one.where and recorded[:12] in one.what for one in found.notes):
            yield "verify does not say that note and run are of different commits"


def _who_vouches(folder: Path, rng: Random) -> Iterator[str]:
    """Continue a journal after its head was noted, under a remote whose URL has a token and a control character."""
    with operator(folder / "home", **_WRITER):
        here, state = folder / "here", folder / "state"
        commit = checkout(here)
        forms = ("https://", "//", "helper::https://", "")
        url = f"{rng.choice(forms)}ann:TOKEN@git.example/x\x1b[31m"
        git(here, "config", "remote.origin.url", url)
        made_state(state, [commit])
        with chdir(here):
            head(str(state), note=Note(name="retrain"))
        shutil.rmtree(state)
        made_state(state, [commit, commit])
        with chdir(here):
            found = verify(str(state), None, Demands(head="git"))
            text = _printed("verify", "--head", "git", "--state", str(state))
            form = json.loads(_printed("verify", "--head", "git", "--format", "json", "--state", str(state)))
        yield from _untold(text, form, found, here, commit)


def _untold(text: str, form: dict[str, object], found: Verification, here: Path, commit: str) -> Iterator[str]:
    for part in ("anchored up to event 3 of 6", commit[:12], "refs/notes/retrain", str(here), "git.example/x"):
        if part not in text:
            yield f"verify does not say {part!r}: {text}"
    if "not anchored: the events after 3; nothing vouches for them" not in text:
        yield "verify does not say for which events nobody vouches"
    if "TOKEN" in text or "\x1b" in text:
        yield "verify shows a token or a control character of the remote's URL"
    if (form["events"], form["anchored_events"]) != (6, 3):
        yield "the JSON form does not say for how many events somebody vouches"
    anchors = form["anchors"]
    wanted = {"kind": "git_note", "events": 3, "repository": str(here), "ref": "refs/notes/retrain", "commit": commit}
    if not isinstance(anchors, list) or any(anchors[0].get(key) != value for key, value in wanted.items()):
        yield f"the JSON form does not say who vouches: {anchors}"
    if "TOKEN" in str(found.anchors):
        yield "the JSON form has a token"


def _printed(*words: str) -> str:
    with TextIOWrapper(BytesIO(), encoding="utf-8") as out:
        with redirect_stdout(out), redirect_stderr(out):
            group.main(list(words), prog_name="retrain", standalone_mode=False)
        out.flush()
        out.seek(0)
        return out.read()


def _named_repository(folder: Path, rng: Random) -> Iterator[str]:
    """Let the journal name a repository into which the operator's note would go."""
    with operator(folder / "home", **_WRITER):
        here, other, state = folder / "here", folder / "other", folder / "state"
        commit = checkout(here)
        checkout(other)
        made_state(state, [commit], manifest=str(other / "models.yaml"))
        if rng.random() < 0.5:
            os.environ["GIT_DIR"] = str(other / ".git")
        with chdir(here):
            head(str(state), note=Note(name="retrain"))
        os.environ.pop("GIT_DIR", None)
        if "refs/notes/retrain" not in git(here, "for-each-ref"):
            raise AssertionError("the note is not in the operator's repository")
        if "refs/notes/retrain" in git(other, "for-each-ref"):
            yield "the note went into a repository that the journal named"


ATTACKS = (
    Attack(name="a state brings its repository", sentence="E1", play=_vouching_repository),
    Attack(name="a bundle brings its repository", sentence="E1", play=_vouching_bundle),
    Attack(name="a state brings its head", sentence="E2", play=_own_head),
    Attack(name="a state brings its key", sentence="E2", play=_own_key),
    Attack(name="a run is of another commit than its note", sentence="E3", play=_other_commit),
    Attack(name="a journal continues after its anchor", sentence="E4", play=_who_vouches),
    Attack(name="a journal names the repository of the note", sentence="E5", play=_named_repository),
)
