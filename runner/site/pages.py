"""The pages of the site: where each stands, what it is made from, and its bytes when they are asked for. Pure."""

import shlex
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from msgspec import Struct, field

from runner.reports.charts.policy_limits import PolicyLimits
from runner.site.addresses import INDEX, RUNS, Place, model_place
from runner.site.build_id import edition
from runner.site.model_history import entry_rows, outcome_counts, reign_rows
from runner.site.model_summary import standing
from runner.site.model_timeline import Fleet, ModelTimeline
from runner.site.plot import HEIGHT, plots
from runner.site.render import Assets, assets, render
from runner.site.run_list import run_lines

_RECENT = 12  # runs on the first page


class Page(Struct, frozen=True, kw_only=True):
    """A file of the site. As long as `source` stays the same, so do the bytes that `render` returns."""

    path: str
    source: str
    render: Callable[[], bytes]


def site_pages(fleet: Fleet) -> Iterator[Page]:
    """Yield all files but the runs' own pages, in an order in which no link leads to what is not there yet."""
    made = assets()
    for path, content in made.files.items():
        yield Page(path=path, source=path, render=partial(bytes, content))
    desk = _Desk(fleet=fleet, assets=made)
    for chronicle in fleet.chronicles:
        place = model_place(chronicle.service, chronicle.name)
        yield Page(path=place.path, source=_source(chronicle.mark), render=partial(desk.model, chronicle, place))
    for old, chronicle in _former_names(fleet):
        place = model_place(chronicle.service, old)
        source = _source(f"{old} {chronicle.name}")
        yield Page(path=place.path, source=source, render=partial(desk.moved, old, chronicle, place))
    head = fleet.progress.head[1] if fleet.progress.head else ""
    yield Page(path=RUNS, source=_source(head), render=desk.runs)
    yield Page(path=INDEX, source=_source(head), render=desk.index)


def _former_names(fleet: Fleet) -> Iterator[tuple[str, ModelTimeline]]:
    """Yield names that nothing is called any more, with the model that had them: links to their pages lead on."""
    used = {(one.service, one.name) for one in fleet.chronicles}
    for chronicle in fleet.chronicles:
        for old in dict.fromkeys(chronicle.progress.former_names):
            if (chronicle.service, old) not in used:
                used.add((chronicle.service, old))
                yield old, chronicle


def _source(mark: str) -> str:
    return f"{mark} {edition()}"


class _Desk(Struct, frozen=True, kw_only=True):
    """What all pages are made with; the rules behind decisions are read once."""

    fleet: Fleet
    assets: Assets
    standards: PolicyLimits = field(default_factory=PolicyLimits)

    def index(self) -> bytes:
        lines = sorted(map(standing, self.fleet.chronicles), key=lambda one: one.urgency)
        runs = run_lines(self.fleet)
        outcomes = [one.ended.outcome for one in lines if one.ended and one.ended.outcome]
        return self._page(
            "index.html.j2",
            root="",
            lines=lines,
            summary={one: outcomes.count(one) for one in dict.fromkeys(outcomes)},
            runs=runs[:_RECENT],
            runs_count=len(runs),
            services=sorted({one.chronicle.service for one in lines}),
            head=self.fleet.progress.head,
        )

    def runs(self) -> bytes:
        return self._page("runs.html.j2", root="../", runs=run_lines(self.fleet))

    def model(self, chronicle: ModelTimeline, place: Place) -> bytes:
        return self._page(
            "model_page.html.j2",
            root=place.root,
            now=standing(chronicle),
            plots=plots(chronicle, self.standards),
            height=HEIGHT,
            summary=outcome_counts(chronicle),
            entries=entry_rows(chronicle),
            reigns=reign_rows(self.fleet.progress, chronicle),
            shell_name=shlex.quote(chronicle.name),
        )

    def moved(self, old: str, chronicle: ModelTimeline, place: Place) -> bytes:
        return self._page("moved_page.html.j2", root=place.root, old=old, chronicle=chronicle)

    def _page(self, template: str, **values: Any) -> bytes:
        return render(template, assets=self.assets, page_of=model_place, **values)
