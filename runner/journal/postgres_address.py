"""Addresses of a state in PostgreSQL: `postgresql://[user@]host[:port]/database?schema=&lease=&blobs=`.

What the address leaves out comes from libpq's own places: the PG* variables, the password file, the service file. No
secret belongs in an address: it is printed, kept in journals and given as an argument. One that seems to hold a
secret is refused without repeating it.
"""

import re
from datetime import timedelta
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from msgspec import Struct

from runner.errors import UsageError
from runner.http.addresses import is_host, is_loopback
from runner.journal.lock import read_life
from runner.journal.partitions import FOLDER

SCHEMES = ("postgresql", "postgres")
FORM = "postgresql://HOST/DATABASE"
DEFAULT_SCHEMA = "retrain"
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_NAME = re.compile(r"[\w.@+-]{1,63}")  # of a role or a database, without what a message would have to escape
_KEY = re.compile(r"[a-z_]{1,25}")
_VALUE = re.compile(r"[\w./:@,+*=-]{1,500}")
_CONNECTION = frozenset(  # parameters of libpq that say where and how, and hold no secret
    {
        "application_name",
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "host",
        "krbsrvname",
        "load_balance_hosts",
        "passfile",
        "port",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslrootcert",
        "target_session_attrs",
        "user",
    }
)
_OURS = frozenset({"schema", "lease", "blobs"})


class PostgresAddress(Struct, frozen=True, kw_only=True):
    """A schema of a database. `connection` are libpq's parameters that the address gives, by their names."""

    schema: str
    life: timedelta  # of a lease
    blobs: str  # where files are, as an address of an object store; "" in the database
    connection: tuple[tuple[str, str], ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the other machines that the address names."""
        return tuple(host for host in dict(self.connection).get("host", "").split(",") if not is_here(host))

    @property
    def place(self) -> str:
        """Return the address without the parameters that only say how to get there."""
        schema = "" if self.schema == DEFAULT_SCHEMA else f"?schema={self.schema}"
        return f"{self._database}{schema}"

    @property
    def folder(self) -> str:
        """Return how messages name the schema as a place of files."""
        return f"{self._database}/{self.schema}"

    @property
    def _database(self) -> str:
        given = dict(self.connection)
        hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        at = "" if hosts[0].startswith("/") else ",".join(map(_joined, hosts, ports))
        return f"postgresql://{at}/{given.get('dbname', '')}"


def is_postgres_address(text: str) -> bool:
    """Return whether the text begins like an address of a database."""
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def read_postgres_address(text: str) -> PostgresAddress:
    """Read an address.

    Raises:
        UsageError: it is not one, or seems to hold a secret.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _unfit() from None
    user, _, hosts = parts.netloc.rpartition("@")
    if ":" in unquote(user) or "@" in user:
        raise UsageError(
            "The postgresql:// address carries a password, which it must not.",
            hint="Give it in PGPASSWORD or in the file ~/.pgpass. If it was in the address, replace it, because a log "
            "may contain it now.",
        )
    given = _parameters(parts)
    connection = {name: given[name] for name in sorted(given.keys() & _CONNECTION)}
    database = unquote(parts.path.removeprefix("/"))
    if parts.fragment or not all(_NAME.fullmatch(name) for name in (database, unquote(user)) if name):
        raise _unfit()
    connection |= {name: unquote(value) for name, value in (("dbname", database), ("user", user)) if value}
    connection |= _hosts(hosts)
    schema = given.get("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise UsageError(
            "The schema of the state's address is not a plain name.",
            hint="Use lower-case letters, digits and _, as in ?schema=retrain; names that begin with pg_ are the "
            "server's own.",
        )
    return PostgresAddress(
        schema=schema,
        life=read_life(given.get("lease", "")),
        blobs=given.get("blobs", ""),
        connection=tuple(connection.items()),
    )


def part_address(text: str, name: str) -> str:
    """Return the address of a partition: a schema of the database whose name ends so, with its own place for files."""
    parts = urlsplit(text)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    given["schema"] = f"{given.get('schema', DEFAULT_SCHEMA)}_p{name}"
    if "blobs" in given:
        place, mark, parameters = given["blobs"].partition("?")
        given["blobs"] = f"{place.rstrip('/')}/{FOLDER}/{name}{mark}{parameters}"
    return parts._replace(query=urlencode(given, safe="/:@,")).geturl()


def is_here(host: str) -> bool:
    """Return whether a host, as libpq takes it, is this machine itself: a socket's folder, or a loopback address."""
    return host == "" or host.startswith(("/", "@")) or is_loopback(host.lower())


def _joined(host: str, port: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def _hosts(netloc: str) -> dict[str, str]:
    """Return host and port of an authority, which may name several, separated by commas."""
    if not netloc:
        return {}
    found = [re.fullmatch(r"\[?(?P<host>[^\[\]]+?)\]?(:(?P<port>[0-9]{1,5}))?", part) for part in netloc.split(",")]
    named = [(match["host"], match["port"] or "") for match in found if match is not None]
    if len(named) != len(found) or not all(is_host(host.lower()) for host, _ in named):
        raise _unfit()
    ports = [port for _, port in named]
    return {"host": ",".join(host for host, _ in named)} | ({"port": ",".join(ports)} if any(ports) else {})


def _parameters(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(pairs)
    unknown = next((name for name in given if name not in _OURS | _CONNECTION), None)
    if unknown is not None:
        named = f" {unknown}" if _KEY.fullmatch(unknown) else ""
        raise UsageError(
            f"The postgresql:// address has a parameter{named} that no address may have.",
            hint=f"Known are {', '.join(sorted(_OURS))}, and of libpq's {', '.join(sorted(_CONNECTION))}. In the "
            "address of blobs= write & as %26. A password goes into PGPASSWORD or ~/.pgpass only; if the address "
            "contained one, replace it, because a log may contain it now.",
        )
    if len(given) != len(pairs):
        raise UsageError("A parameter is twice in the address.", hint="Give each of them once.")
    odd = next((name for name in given if name in _CONNECTION and not _VALUE.fullmatch(given[name])), None)
    if odd is not None:
        raise UsageError(
            f"The parameter {odd} of the postgresql:// address has a value that libpq would not take.",
            hint="Write names, numbers and paths without spaces or quotes.",
        )
    return given


def _unfit() -> UsageError:
    return UsageError(
        "The address of the state is not the address of a database.",
        hint=f"Write {FORM}, for example postgresql://db.example.com/mlops?schema={DEFAULT_SCHEMA}.",
    )
