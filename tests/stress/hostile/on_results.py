"""A service, or who replaces it, tries to harm with a result file, or to have another model's values read."""

import gzip
import io
import os
import resource
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

from runner.results.result_file import result_metrics
from tests.fakes.result_files import archive, sheet_xml, tar_gz, workbook
from tests.stress.hostile.attack import Attack

_ROOT = Path(__file__).parents[3]
_LONGEST_S = 20.0  # of a command on a shared machine; a bomb takes minutes
_MOST_MEMORY = 1 << 30
_AUC = b"AUC,0.91\n"


def _entity_workbook(rng: Random) -> bytes:
    levels = rng.randrange(5, 20)
    entities = "".join(f"<!ENTITY e{level} '{f'&e{level - 1};' * 10}'>" for level in range(1, levels))
    foreign = "<!ENTITY x SYSTEM 'file:///etc/passwd'>"
    prolog = f"<!DOCTYPE w [<!ENTITY e0 'aaaaaaaaaa'>{entities}{foreign}]>"
    sheet = sheet_xml([["AUC", "here"]]).replace("here", rng.choice((f"&e{levels - 1};", "&x;")))
    return workbook({"Sheet1": prolog + sheet})


def _nested_zips(rng: Random) -> bytes:
    content = bytes(rng.randrange(1 << 20, 15 << 20))
    for level in range(rng.randrange(2, 8)):
        content = archive({f"{level}-{number}.zip": content for number in range(8)})
    return content


def _many_in_many(rng: Random) -> bytes:
    inner = archive({f"{number}.csv": b"id\n" for number in range(rng.randrange(200, 1000))})
    return archive({f"{number}.zip": inner for number in range(20)})


def _escaping(rng: Random) -> bytes:
    name = rng.choice(("../../victim.csv", "/tmp/victim.csv", "..\\..\\victim.csv", "C:\\victim.csv"))  # noqa: S108 -- a name to refuse
    return rng.choice((archive, tar_gz))({name: _AUC, f"x/{name}": b"AUC,0.5\n"})


def _links(_chance: Random) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        link = tarfile.TarInfo("metrics.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "victim"
        file.addfile(link)
        member = tarfile.TarInfo("metrics.csv/x.csv")
        member.size = len(_AUC)
        file.addfile(member, io.BytesIO(_AUC))
    return stream.getvalue()


_FORMS: tuple[Callable[[Random], bytes], ...] = (
    _entity_workbook,
    _nested_zips,
    _many_in_many,
    _escaping,
    _links,
    lambda rng: gzip.compress(bytes(rng.randrange(32 << 20, 256 << 20)), 1),
    lambda rng: tar_gz({"metrics.csv": bytes(rng.randrange(1 << 20, 64 << 20))}),
    lambda rng: b"\x80\x04\x95" + b"cos\nsystem\n(S'touch victim'\ntR." * rng.randrange(1, 5),
)


def _harm(folder: Path, rng: Random) -> Iterator[str]:
    """Have the real command look into a file that wants to fill memory, run forever, or reach other files."""
    scene = folder / "a" / "b"
    scene.mkdir(parents=True)
    (folder / "victim").write_bytes(b"kept")
    (scene / "victim").write_bytes(b"kept")
    (scene / "result").write_bytes(rng.choice(_FORMS)(rng))
    before = _files(folder)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "runner", "inspect", "./result"],
        cwd=scene,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY)),
        capture_output=True,
        text=True,
        check=False,
    )
    if "form:" not in done.stdout and done.returncode != 2:
        yield f"the command ended with {done.returncode}: {done.stderr[-200:]}"
    if "root:" in done.stdout or "a" * 1000 in done.stdout:
        yield "an entity was expanded"
    if time.monotonic() - began > _LONGEST_S:
        yield f"the command took {time.monotonic() - began:.0f} s"
    if _files(folder) != before:
        yield "a file came, went or changed"


def _files(folder: Path) -> Mapping[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "result"}


def _confuse(_folder: Path, rng: Random) -> Iterator[str]:
    """Put a second set of metrics somewhere, better than the candidate's."""
    good, bad = b"AUC,0.99\n", b"AUC,0.51\n"
    names = rng.sample(("a.csv", "z.csv", "out/summary.csv", "in.zip/m.csv", "deep/er/x.csv"), 2)
    members = {name: content for name, content in zip(names, (bad, good), strict=True) if ".zip/" not in name}
    for name, content in zip(names, (bad, good), strict=True):
        if ".zip/" in name:
            members[name.partition("/")[0]] = archive({name.partition("/")[2]: content})
    read = result_metrics(io.BytesIO(rng.choice((archive, tar_gz))(members)), {})
    if read.metrics or read.unread is None or not all(name in read.unread for name in names):
        yield f"of two places one was read: {read.place} ({read.unread})"
    alone = result_metrics(io.BytesIO(archive({names[0].replace(".zip", ""): good})), {}, "elsewhere.csv")
    if alone.metrics or "elsewhere.csv" not in (alone.unread or ""):
        yield f"another place than before was read: {alone.place}"
    before = rng.choice(("previous", "旧モデル", "train", "old_model", "前回"))
    left = result_metrics(io.BytesIO(archive({f"{before}/m.csv": good, f"{before}_metrics.csv": good})), {})
    if left.metrics:
        yield f"the values of {before} were read"
    if not zipfile.is_zipfile(io.BytesIO(archive(members))):
        raise LookupError("the scene did not come about")


ATTACKS = (
    Attack(name="a result file that wants to harm", sentence="R2", play=_harm),
    Attack(name="a second set of metrics in a result", sentence="R3", play=_confuse),
)
