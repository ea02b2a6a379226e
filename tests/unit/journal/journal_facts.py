"""Small drafts and links for tests of the journal."""

from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec

from runner.journal.chain import GENESIS, Link, link
from runner.journal.events import Draft, Fact, RunOptions, RunStarted, StatusChanged
from runner.lib.schemas import load_schema
from tests.fakes.run_origin import NO_MANIFEST, TOOL

RUN = "20260301T040506Z-1a2b3c"
AT = "2026-03-01T04:05:06.000007Z"
FACTS: dict[str, type[Fact]] = {one.__struct_config__.tag: one for one in get_args(Fact)}


def example(kind: str) -> Fact:
    """Return the example of a kind of fact that the published schema gives."""
    [value] = load_schema("journal")["$defs"][kind]["examples"]
    fact: Fact = msgspec.convert(value, FACTS[kind])
    return fact


def draft(fact: Fact | None = None, *, model: str | None = "churn", guard: str | None = None, at: str = AT) -> Draft:
    """Return a draft; without a fact it is a status word."""
    return Draft(at=at, run_id=RUN, model=model, fact=fact or status(), guard=guard)


def status(word: str = "running", job: str = "j1") -> StatusChanged:
    """Return a small fact."""
    return StatusChanged(retrain_job_id=job, status=word)


def run_started(service: str = "emulator") -> RunStarted:
    """Return the beginning of a run."""
    return RunStarted(
        tool=TOOL, actor="ann@desk", service=service, paths=(), manifest=NO_MANIFEST, options=RunOptions()
    )


def chained(drafts: Iterable[Draft]) -> list[Link]:
    """Return the drafts as the events of one journal."""
    links: list[Link] = []
    for one in drafts:
        links.append(link(one, seq=len(links) + 1, prev=links[-1].sha256 if links else GENESIS))
    return links


def facts_of(links: Sequence[Link]) -> list[Fact]:
    """Return what happened, without its envelopes."""
    return [one.event.fact for one in links]
