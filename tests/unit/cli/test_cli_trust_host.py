"""Hosts that the operator trusts come from the option and from the environment together."""

import click
import pytest
from click.testing import CliRunner

from runner.cli import options


@click.command()
@options.trust_host
def command(trusted_hosts: frozenset[str]) -> None:
    """Print the hosts."""
    click.echo(" ".join(sorted(trusted_hosts)))


def invoke(environment: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, arguments, env={"RETRAIN_TRUSTED_HOSTS": environment})
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("environment", "arguments", "hosts"),
    [
        ("", [], ""),
        ("a.test,B.test  c.test,\n", [], "a.test b.test c.test"),
        ("a.test", ["--trust-host", "b.test", "--trust-host", "A.test"], "a.test b.test"),
        ("", ["--trust-host", "[2001:DB8::1]", "--trust-host", "192.0.2.7"], "192.0.2.7 2001:db8::1"),
    ],
)
def test_the_hosts_of_both_are_trusted(environment: str, arguments: list[str], hosts: str) -> None:
    assert invoke(environment, *arguments) == (0, f"{hosts}\n")


@pytest.mark.parametrize("wrong", ["https://a.test", "a.test:443", "a.test/x", "*.test", "a test", "あ.test", "-a"])
def test_what_is_not_a_host_alone_is_wrong_usage(wrong: str) -> None:
    code, output = invoke("", f"--trust-host={wrong}")
    assert code == 2
    assert "is not a host" in output
