"""Addresses of a state in PostgreSQL: what they may hold, and that a secret in one is never repeated."""

import sys
from datetime import timedelta

import pytest

from runner.errors import UsageError
from runner.journal.postgres_address import read_postgres_address
from runner.journal.postgres_database import Database


def test_an_address_says_host_port_database_user_and_what_the_state_needs() -> None:
    address = read_postgres_address(
        "postgresql://ci@db.example.com:6432/mlops?schema=fleet&lease=30s&sslmode=verify-full"
        "&blobs=s3://bucket/results%3Fregion=eu-central-1%26endpoint=https://s3.example.com"
    )
    assert dict(address.connection) == {
        "host": "db.example.com",
        "port": "6432",
        "dbname": "mlops",
        "user": "ci",
        "sslmode": "verify-full",
    }
    assert (address.schema, address.life) == ("fleet", timedelta(seconds=30))
    assert address.blobs == "s3://bucket/results?region=eu-central-1&endpoint=https://s3.example.com"
    assert address.place == "postgresql://db.example.com:6432/mlops?schema=fleet"


@pytest.mark.parametrize(
    ("text", "place", "connection"),
    [
        ("postgres://db/mlops", "postgresql://db/mlops", {"host": "db", "dbname": "mlops"}),
        ("postgresql:///", "postgresql:///", {}),
        ("postgresql://", "postgresql:///", {}),
        ("postgresql:///m?host=/run/postgresql", "postgresql:///m", {"host": "/run/postgresql", "dbname": "m"}),
        ("postgresql://[::1]:5433/m", "postgresql://[::1]:5433/m", {"host": "::1", "port": "5433", "dbname": "m"}),
        (
            "postgresql://a:1,b:2/m?target_session_attrs=read-write",
            "postgresql://a:1,b:2/m",
            {"host": "a,b", "port": "1,2", "dbname": "m", "target_session_attrs": "read-write"},
        ),
        (
            "postgresql://me%40corp.example@db/m",
            "postgresql://db/m",
            {"host": "db", "dbname": "m", "user": "me@corp.example"},
        ),
    ],
)
def test_what_an_address_leaves_out_is_libpqs_to_find(text: str, place: str, connection: dict[str, str]) -> None:
    address = read_postgres_address(text)
    assert (address.place, dict(address.connection), address.schema) == (place, connection, "retrain")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ci:canary@db/mlops",
        "postgresql://ci:can/ary@db/mlops",
        "postgresql://ci:1234/canary@db/mlops",
        "postgresql://ci:can?ary@db/mlops",
        "postgresql://ci:can#ary@db/mlops",
        "postgresql://ci:can@ary@db/mlops",
        "postgresql://ci%3Acanary@db/mlops",
        "postgresql://ci@db/mlops?password=canary",
        "postgresql://ci@db/mlops?sslpassword=canary",
        "postgresql://ci@db/mlops?canary-0123456789ABCDEF",
        "postgresql://ci@db/mlops?options=-c%20x=canary",
        "postgresql://ci@db/mlops?host=db%20password=canary",
        "postgresql://ci@db/mlops?sslmode='canary'",
        "postgresql://[canary/mlops",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_postgres_address(text)
    told = f"{caught.value} {caught.value.hint} {caught.value.__cause__} {caught.value.__context__ and ''}"
    assert not any(part in told for part in ("canary", "can?", "can/", "ary@", "1234"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("schema=Public", "The schema of the state's address is not a plain name."),
        ("schema=pg_catalog", "The schema of the state's address is not a plain name."),
        ('schema=a"b', "The schema of the state's address is not a plain name."),
        ("lease=9s", "The lease of the state's address is not between 10s and 1h."),
        ("lease=1d", "The lease of the state's address is not between 10s and 1h."),
        (
            "endpoint=https://s3.example.com",
            "The postgresql:// address has a parameter endpoint that no address may have.",
        ),
        ("lease=1m&lease=2m", "A parameter is twice in the address."),
    ],
)
def test_what_is_wrong_with_an_address_is_said(query: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_postgres_address(f"postgresql://db/mlops?{query}")
    assert caught.value.message == said


@pytest.mark.parametrize("tail", ["d b/m", "db/m/n", "db:port/m", "db/m#x", "db,/m"])
def test_what_is_not_an_address_of_a_database_is_refused(tail: str) -> None:
    with pytest.raises(UsageError, match="not the address of a database"):
        read_postgres_address(f"postgresql://{tail}")


def test_without_the_extra_it_is_said_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="needs the extra `postgres`") as caught:
        Database(read_postgres_address("postgresql://127.0.0.1/mlops")).run("SELECT 1")
    assert "pip install" in str(caught.value.hint)
