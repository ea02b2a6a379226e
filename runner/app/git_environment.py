"""What git sees of the environment: what it needs to find its settings, and nothing in which an API key could stand."""

import os

_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "EMAIL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "GNUPGHOME"),
        *("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DEVELOPER_DIR", "LD_LIBRARY_PATH", "SYSTEMROOT"),
        *("GIT_DIR", "GIT_WORK_TREE", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH"),
    }
)
_BEGINNINGS = ("LC_", "DYLD_", "GIT_CONFIG", "GIT_AUTHOR_", "GIT_COMMITTER_")


def git_environment(*, settings: bool = True) -> dict[str, str]:
    """Return the environment for git; without `settings`, also without git's own variables."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name in _NAMES or name.startswith(_BEGINNINGS)) and (settings or not name.startswith("GIT_"))
    }
