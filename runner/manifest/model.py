"""The manifest after the edge: frozen, typed values. Raw YAML and dicts stop before this module."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal

from msgspec import Struct

from runner.http.proxies import Proxies
from runner.providers.base import ServiceOptions
from runner.providers.facts import TEXT_TABLES, DataFormats, Statuses
from runner.providers.registry import DEFAULT_PROVIDER

Direction = Literal["higher", "lower", "nearest"]
Pick = Literal["latest", "all"]
RuleKind = Literal["min", "max", "max_drop", "min_gain", "max_drop_pct", "min_gain_pct"]
Unit = Literal["percent", "fraction"]
FirstRun = Literal["pass", "hold", "ask"]
Task = Literal["binary_classification", "multi_classification", "regression"]
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_QUERY = re.compile(r"\?[A-Za-z_]+=[^?]*\Z")


class Place(Struct, frozen=True, kw_only=True, order=True):
    """A position in a manifest file; line and column count from 1."""

    file: str
    line: int
    column: int


class Service(Struct, frozen=True, kw_only=True):
    """The service the models live on. Exactly one of `url` (no trailing slash) and `emulator` is set.

    `provider` is the name under which `runner.providers.registry` has it.
    """

    url: str | None
    emulator: bool
    statuses: Statuses
    url_lifetime: timedelta
    quarantine: timedelta = timedelta(minutes=5)
    provider: str = DEFAULT_PROVIDER
    options: ServiceOptions = ServiceOptions(proxies=Proxies(choice="env"))


class Source(Struct, frozen=True, kw_only=True):
    """Where one data file comes from.

    `pattern` is as the user wrote it, a path or an address; relative paths start at `folder`, the manifest file's own
    folder. Without a `pick` it names exactly one file; otherwise it is a glob of which the last by name or all, joined,
    are taken. `place` is that of the pattern; `formats` are those that the provider takes. `version` pins what is at an
    address.

    In the place of a pattern, `variable` is the environment variable that holds an address, which is a secret, or
    `command` prints the data; what `version_command` prints stays the same as long as the data does.
    """

    pattern: str
    folder: Path
    pick: Pick | None
    place: Place
    formats: DataFormats = TEXT_TABLES
    version: str | None = None
    variable: str | None = None
    command: tuple[str, ...] | None = None
    version_command: tuple[str, ...] | None = None

    @property
    def scheme(self) -> str:
        """Return the scheme of its address in lower case, empty for a path; `env` and `command` for these two."""
        if self.variable is not None or self.command is not None:
            return "env" if self.command is None else "command"
        scheme, colon, _ = self.pattern.partition("://")
        return scheme.lower() if colon and _SCHEME.fullmatch(scheme) else ""

    @property
    def shown(self) -> str:
        """Return what people call it: its path or address without its query, its variable, its program."""
        if self.variable is not None:
            return f"the address in {self.variable}"
        if self.command is not None:
            return f"the output of `{self.command[0]}`"
        if self.scheme in ("", "s3", "gs", "az"):  # whose question marks may be those of a pattern
            return _QUERY.sub("", self.pattern) if self.scheme else self.pattern
        return self.pattern.partition("?")[0]

    @property
    def parts(self) -> list[str | list[str] | None]:
        """Return what the manifest says of it, for a digest; its folder is not in it."""
        named = [self.pattern, self.pick]
        others = [("version", self.version), ("env", self.variable), ("command", self.command)]
        more = [[name, *([value] if isinstance(value, str) else value)] for name, value in others if value is not None]
        return [*named, *more]


class Dataset(Struct, frozen=True, kw_only=True):
    """A training file and maybe an evaluation file; the pins are lower-case hex SHA-256."""

    name: str
    train: Source
    eval: Source | None
    train_sha256: str | None
    eval_sha256: str | None
    place: Place


class Rule(Struct, frozen=True, kw_only=True):
    """One bound or one change. A manifest rule with two bounds becomes two of these.

    `metric` is a built-in name or a name from `metrics:`. `limit` is exact; for `_pct` kinds it is in percent.
    `against` is set for changes and None for bounds. Only `level: decide` takes part in the verdict.
    """

    metric: str
    kind: RuleKind
    limit: Decimal
    against: Literal["incumbent"] | None
    level: Literal["decide", "warn"]
    any_eval: bool


class Policy(Struct, frozen=True, kw_only=True):
    """When a candidate may take over; each type is a subclass, and `runner.policy.types` says how it decides.

    A subclass has the keys of the manifest as its fields, and defaults for those that may be absent.
    A type that `judges_by_rules` has `rules` and `first_run`. An approval is possible until `expires` after the
    decision, or forever when None.
    """

    judges_by_rules: ClassVar[bool] = False
    name: str
    place: Place

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return the rules that are judged, in the manifest's order."""
        return ()

    @property
    def first_run(self) -> FirstRun:
        """Return what change rules do while nothing is recorded of the model in service."""
        return "ask"

    @property
    def expires(self) -> timedelta | None:
        """Return how long after the decision an approval is possible."""
        return None


class AutoPolicy(Policy, frozen=True, kw_only=True, tag_field="type", tag="auto"):
    """Switch whatever the metrics say."""


class ManualPolicy(Policy, frozen=True, kw_only=True, tag_field="type", tag="manual"):
    """A person decides."""

    expires: timedelta | None


class ThresholdPolicy(Policy, frozen=True, kw_only=True, tag_field="type", tag="threshold"):
    """Rules decide."""

    judges_by_rules: ClassVar[bool] = True
    rules: tuple[Rule, ...]
    on_pass: Literal["switch", "ask"] = "switch"  # noqa: S105 -- no password
    on_fail: Literal["hold", "ask"] = "hold"
    on_inconclusive: Literal["hold", "ask"] = "hold"
    first_run: FirstRun = "ask"
    expires: timedelta | None


POLICY_TYPES: dict[str, type[Policy]] = {"auto": AutoPolicy, "manual": ManualPolicy, "threshold": ThresholdPolicy}


class MetricDefinition(Struct, frozen=True, kw_only=True):
    """A metric the built-in names do not cover, or what the manifest says of one that they do.

    `file` names a member of the result, by its whole path where it has a slash, else by its last path component; None
    means the file that has the metrics. `select` is a JSON Pointer (RFC 6901) into a JSON member, or the name of a row
    whose value is in a column of a known head. `column` is the head or, from 1, the number of the column with the
    value, and `row` has cells that its row has, all of them. A metric without any is found by its own names. `target`
    is set for `nearest`. `unit` is what a number without a percent sign is in, None where the file is to say it.
    """

    name: str
    file: str | None
    select: str | None
    row: tuple[str, ...] = ()
    column: str | int | None = None
    direction: Direction
    target: Decimal | None
    unit: Unit | None


class Retrain(Struct, frozen=True, kw_only=True):
    """When a model is trained again; `attempts` counts trainings per data content.

    With `compare` of `rows` a file that is only saved again, with other line ends or another byte order mark, is the
    same data.
    """

    when: Literal["changed", "always"] = "changed"
    min_interval: timedelta | None = None
    max_age: timedelta | None = None
    attempts: int = 2
    compare: Literal["content", "rows"] = "content"


class Wait(Struct, frozen=True, kw_only=True):
    """How long one run waits for a training, and how often it asks; `poll` None means adaptive.

    A training that is older than `give_up` blocks no new data any more.
    """

    timeout: timedelta = timedelta(hours=6)
    poll: timedelta | None = None
    give_up: timedelta = timedelta(days=7)


class Bounds(Struct, frozen=True, kw_only=True):
    """Inclusive bounds of a count; None is open."""

    min: int | None
    max: int | None


class Checks(Struct, frozen=True, kw_only=True):
    """The preflight of the data. `target` is the label column, when known; `labels` is how many classes it may have.

    `change` is about differences from the data of the job that serves; `findings` are the levels of single kinds of
    findings; `on_fail` may be milder than both and then counts.
    `target_place` is where the target is named; `formats` are those that the provider takes.
    """

    rows: Bounds
    columns: Bounds
    labels: int
    target: str | None = None
    on_fail: Literal["stop", "warn", "off"] = "stop"
    change: Literal["stop", "warn", "off"] = "stop"
    findings: Mapping[str, Literal["stop", "warn", "off"]] = {}
    target_place: Place | None = None
    formats: DataFormats = TEXT_TABLES


class EnvKey(Struct, frozen=True, kw_only=True):
    """The key is in an environment variable."""

    name: str


class FileKey(Struct, frozen=True, kw_only=True):
    """The key is in a file only its owner may read."""

    path: Path


class CommandKey(Struct, frozen=True, kw_only=True):
    """A command prints the key, plain or as JSON; it runs in `folder`."""

    argv: tuple[str, ...]
    folder: Path


class KeyringKey(Struct, frozen=True, kw_only=True):
    """The key is in the system's keyring."""

    service: str
    username: str


class FetchedKey(Struct, frozen=True, kw_only=True):
    """A 30-day key fetched with the account's secret key."""

    secret_key: "StoredKey"
    model_id: int


StoredKey = EnvKey | FileKey | CommandKey | KeyringKey
KeySource = StoredKey | FetchedKey


class EmulatorModel(Struct, frozen=True, kw_only=True):
    """What the emulator must know of a model; `target_place` is where the target is named."""

    task: Task
    target: str
    target_place: Place | None = None


class StatedIncumbent(Struct, frozen=True, kw_only=True):
    """What the manifest says of the model that serves before a job of this project does.

    `metrics` are exact values by name; `eval` is the file they were measured on, None where that is not said.
    """

    metrics: Mapping[str, Decimal]
    eval: Source | None
    place: Place


class Model(Struct, frozen=True, kw_only=True):
    """What is retrained. `dataset` and `policy` are names that exist in the manifest.

    `classifier_id` names the entry of the service's list of classifiers that publishes this model, where it is known.
    `key_hosts` are the only hosts, in lower case, that the key may be sent to; None leaves that to the operator.
    """

    name: str
    api_key: KeySource
    dataset: str
    policy: str
    retrain: Retrain
    wait: Wait
    checks: Checks
    tags: tuple[str, ...]
    owner: str | None
    emulator: EmulatorModel | None
    place: Place
    incumbent: StatedIncumbent | None = None
    classifier_id: str | None = None
    key_hosts: tuple[str, ...] | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds on one run; None is unlimited. `keep` is how long a stored result stays that nothing needs."""

    parallel: int = 8
    uploads: int = 2
    switches_per_run: int | None = None
    stop_after_failures: int | None = None
    keep: timedelta | None = None


class Notification(Struct, frozen=True, kw_only=True):
    """Who is told of which outcomes, `always` being any; the address, where `to` leads, is a secret.

    `owners` and `select` (`NAME`, `tag:T`) narrow the models; an empty one does not.
    """

    on: tuple[str, ...]
    to: StoredKey
    owners: tuple[str, ...]
    select: tuple[str, ...]
    place: Place


class Ping(Struct, frozen=True, kw_only=True):
    """A dead-man switch that hears of each run's start and exit code; its URL is a secret."""

    url: StoredKey
    place: Place


class NameChange(Struct, frozen=True, kw_only=True):
    """A model that is called `new` now."""

    old: str
    new: str
    place: Place


class ServiceChange(Struct, frozen=True, kw_only=True):
    """The models live on the host `new` now, in lower case as `old`."""

    old: str
    new: str


class ManifestFile(Struct, frozen=True, kw_only=True):
    """One file as it was read; `path` as given or found, SHA-256 in lower-case hex."""

    path: str
    sha256: str


class Approval(Struct, frozen=True, kw_only=True):
    """An operator's decision on one candidate, from a file of the approvals folder.

    `file` is the folder's and the file's name, `sha256` that of the file's bytes. `candidate_sha256`, when the file has
    it, binds the approval to policy and manifest too. It counts before `expires`.
    """

    model: str
    retrain_job_id: str
    result_sha256: str
    candidate_sha256: str | None
    action: Literal["approve", "reject"]
    approver: str
    reason: str
    expires: datetime
    file: str
    sha256: str
    place: Place


class Manifest(Struct, frozen=True, kw_only=True):
    """All files given, as one. Mappings are in the order of the files; `sha256` is over the files' digests.

    `moved` are the names that models had before; no name is twice on the same side.
    `approvals` are the approvals and rejections that are in the folder `approvals`, by file name.
    """

    service: Service
    datasets: Mapping[str, Dataset]
    policies: Mapping[str, Policy]
    metrics: Mapping[str, MetricDefinition]
    models: Mapping[str, Model]
    approvals_folder: Path | None
    state: str | None = None  # where its state is, unless the command says it
    limits: Limits
    files: tuple[ManifestFile, ...]
    sha256: str
    approvals: tuple[Approval, ...] = ()
    notify: tuple[Notification | Ping, ...] = ()
    moved: tuple[NameChange, ...] = ()
    moved_services: tuple[ServiceChange, ...] = ()
