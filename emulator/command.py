"""What `retrain emulator serve` does."""

import sys
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from emulator.extra import require_extra
from runner.errors import UsageError
from runner.manifest.model import Manifest


def serve_manifest(  # noqa: PLR0913 # one keyword for each option of the command
    manifest: Manifest,
    *,
    host: str,
    port: int,
    data: Path,
    profile: str,
    faults: Path | None,
    own_keys: bool,
    until_stdin_closes: bool,
    say: Callable[[str], None],
) -> None:
    """Serve the manifest's models until Ctrl-C, or until standard input closes.

    `say` gets one line a model, then `listening on URL`, and nothing after that.

    Raises:
        UsageError: the extra is not installed, the manifest, the profile or the faults file cannot be used, the data
            folder or the address is taken.
    """
    require_extra()
    # Only now: these modules need the extra.
    from emulator.hosting import host_models  # noqa: PLC0415 # see above
    from emulator.profile_file import read_faults, read_profile  # noqa: PLC0415 # see above
    from emulator.serve import serve  # noqa: PLC0415 # see above

    hosting = host_models(manifest, own_keys=own_keys)
    played = read_profile(profile, [*hosting.models])
    if faults is not None:
        played = replace(played, rules=(*read_faults(faults, [*hosting.models]), *played.rules))
    if until_stdin_closes and sys.stdin is None:
        raise UsageError("There is no standard input to wait for.", hint="Leave out --until-stdin-closes.")
    for model in hosting.models.values():
        say(f"{model.name}: {model.task} of {model.target}, {model.key_label}")
    for name in hosting.left_out:
        say(f"{name}: not served, its manifest entry has no `emulator:`")
    serve(
        hosting,
        host=host,
        port=port,
        data=data,
        profile=played,
        ready=lambda url: say(f"listening on {url}"),
        wait_for_end=sys.stdin.buffer.read if until_stdin_closes else None,
    )
