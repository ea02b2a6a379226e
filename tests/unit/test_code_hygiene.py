"""What no line of the runner may do, whatever a comment says: the linter's rules can be switched off line by line."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / "runner"
EMULATOR = RUNNER.parent / "emulator"
SOURCES = sorted([*RUNNER.rglob("*.py"), *EMULATOR.rglob("*.py")])

_CODE_FROM_DATA = {"pickle", "_pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle", "code", "multiprocessing"}
_CODE_FROM_TEXT = {"eval", "exec", "__import__", "unsafe_load", "full_load", "extractall", "unpack_archive"}
_STARTS = {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
_SHELLS = {"system", "popen", "startfile"}
_REMOVES = {"rmtree", "unlink", "remove", "rmdir", "removedirs"}

# Where files are removed, and why it is right there.
REMOVING = {
    "app/audit/bundle.py": "the half-written bundle of this command",
    "app/run/execution.py": "the empty recording that this command has just made to try it",
    "app/run/run.py": "the id of an earlier run, in the file that the user names for it",
    "app/site.py": "pages that the site's own list names",
    "app/state/prune.py": "results that are recorded as removed, reached through real folders",
    "lib/atomic_files.py": "the unfinished file beside the target; the files of one folder of ours, by real_files",
    "emulator/store.py": "the upload that was not accepted",
    "execute/evaluation.py": "downloads of the model's own job",
    "journal/folder.py": "the link to the last run, and what a killed writer left beside it",
    "journal/lock.py": "the note of who holds the lock, by its holder",
    "journal/object_cache.py": "this machine's own copy of a journal that is elsewhere",
    "journal/store.py": "the unfinished journal beside the new one",
}
# Who sees the whole environment, and why.
SEEING_ALL = {
    "lib/programs.py": "makes the allow-list of it",
    "cli/terminal/stdio.py": "reads four names of it",
    "cli/terminal/capabilities.py": "reads six names of it",
    "http/objects/client.py": "tells by the credentials in it whether a client can be used again",
    "cli/options.py": "hands it to cli/terminal/capabilities.py",
}


def faults(source: str) -> Iterator[str]:
    """Yield what a module may not do."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.split(".")[0] in _CODE_FROM_DATA)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in _CODE_FROM_DATA:
                yield module
            case ast.ImportFrom(module="subprocess" | "os" as module, names=names):
                yield from (f"{module}.{one.name} by a name of its own" for one in names)
            case ast.Call():
                yield from _call_faults(node)


def _call_faults(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    owner, _, last = name.rpartition(".")
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if last in _CODE_FROM_TEXT or (owner == "yaml" and last in {"load", "load_all"}):
        yield name
    if "allow_pickle" in given or given.get("shell", "False") != "False":
        yield f"{name} with allow_pickle or a shell"
    if owner == "os" and (last in _SHELLS or last.startswith(("exec", "spawn", "posix_spawn"))):
        yield name
    if owner == "subprocess" and last in _STARTS and "env" not in given:
        yield f"{name} without an environment"


def removals(source: str) -> list[str]:
    """Return the calls that remove files."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    owned = [one for one in calls if isinstance(one, ast.Attribute) and one.attr in _REMOVES]
    return [ast.unparse(one) for one in owned if one.attr != "remove" or ast.unparse(one.value) == "os"]


def sees_all(source: str) -> bool:
    """Return whether a module takes hold of the environment as a whole, and not of a variable by its name."""
    tree = ast.parse(source)
    by_name = {
        id(held)
        for node in ast.walk(tree)
        for held in (
            [node.value] if isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr == "get")
            else node.comparators if isinstance(node, ast.Compare)
            else []
        )
    }  # fmt: skip
    return any(ast.unparse(n) == "os.environ" and id(n) not in by_name for n in ast.walk(tree) if hasattr(n, "lineno"))


def _named(file: Path) -> str:
    return file.relative_to(RUNNER if file.is_relative_to(RUNNER) else EMULATOR.parent).as_posix()


def test_no_line_makes_code_of_data_or_starts_a_program_without_an_environment() -> None:
    found = {_named(file): [*faults(file.read_text(encoding="utf-8"))] for file in SOURCES}
    assert len(found) > 100
    assert {name: said for name, said in found.items() if said} == {}


def test_files_are_removed_only_where_it_is_said_why() -> None:
    found = {_named(file) for file in SOURCES if removals(file.read_text(encoding="utf-8"))}
    assert found == set(REMOVING)


def test_the_whole_environment_is_seen_only_where_it_is_said_why() -> None:
    found = {_named(file) for file in SOURCES if sees_all(file.read_text(encoding="utf-8"))}
    assert found == set(SEEING_ALL)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import joblib.externals",
        "from subprocess import run",
        "from os import system",
        "eval(text)",
        "exec(text)",
        "yaml.load(text, Loader=x)",
        "yaml.unsafe_load(text)",
        "np.load(file, allow_pickle=True)",
        "archive.extractall(folder)",
        "os.system(text)",
        "os.execv(program, words)",
        "subprocess.run(words)",
        "subprocess.run(words, env=environment, shell=True)",
    ],
)
def test_each_kind_is_found(line: str) -> None:
    assert [*faults(f"def f():\n    {line}  # noqa")]


@pytest.mark.parametrize("line", ["shutil.rmtree(x)", "path.unlink()", "os.remove(x)", "Path(x).rmdir()"])
def test_each_removal_is_found(line: str) -> None:
    assert removals(line)
    assert not removals("names.remove(x)")


@pytest.mark.parametrize("line", ["{**os.environ}", "dict(os.environ)", "os.environ.copy()", "f(os.environ)"])
def test_each_use_of_the_whole_environment_is_found(line: str) -> None:
    assert sees_all(line)


def test_a_variable_by_its_name_is_not_a_use_of_the_whole() -> None:
    assert not sees_all("os.environ['A'], os.environ.get('A'), 'A' in os.environ")
