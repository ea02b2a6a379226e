"""`retrain emulator serve`."""

from collections.abc import Sequence
from pathlib import Path

import click

from emulator.command import serve_manifest
from runner.app.state.open_state import require_trusted
from runner.cli import options
from runner.cli.command_group import CommandGroup
from runner.cli.console import Console
from runner.errors import ExitCode
from runner.manifest.load import load


@click.group("emulator", cls=CommandGroup)
def command() -> None:
    """Run the emulator of the service on this machine."""


@command.command("serve", epilog="Example: retrain emulator serve models.yaml --port 8765")
@options.paths
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder for its data; by default `emulator` in the state folder."
)
@click.option(
    "--profile",
    default="documented",
    show_default=True,
    metavar="documented|cautious|FILE",
    help="How the service behaves where its manual is silent; a YAML file or a cassette.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="YAML file of faults to rehearse.")
@click.option("--own-keys", is_flag=True, help="Accept keys named emulator-MODEL only; read none of the manifest's.")
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input ends.")
@options.trust_state
@options.stateless
def serve(  # noqa: PLR0913 -- one argument an option
    *,
    paths: Sequence[Path],
    host: str,
    port: int,
    data: Path | None,
    profile: str,
    faults: Path | None,
    own_keys: bool,
    until_stdin_closes: bool,
    trust_state: bool,
    state: str,
    console: Console,
) -> int:
    """Serve the manifest's models over HTTP until Ctrl-C."""
    console.name_manifest(paths, emulator=True)
    if data is None:
        require_trusted(state, accepted=trust_state)
    serve_manifest(
        load(paths),
        host=host,
        port=port,
        data=data or Path(state) / "emulator",
        profile=profile,
        faults=faults,
        own_keys=own_keys,
        until_stdin_closes=until_stdin_closes,
        say=console.result,
    )
    return ExitCode.OK
