"""Prediction One as its manuals tell: its hosts, its status values and its limits."""

from msgspec.structs import replace

from runner.providers.facts import TEXT_TABLES, ArchiveFolders, DataLimits, ProviderFacts, Statuses

FACTS = ProviderFacts(
    name="prediction_one",
    hosts=("developer-api.predictionone.sony.biz", "developer-api.easy-predictive-analytics.sony.com"),
    base_path="/v1/external",
    statuses=Statuses(
        finished=("job_finished",),
        failed=("fail", "error", "cancel", "abort", "reject", "timeout", "expire", "terminat", "stop", "kill", "delet"),
        waiting=("wait", "created", "issued", "not_started", "pending_upload"),  # no manual names any: assumptions
        busy=("updating", "is being", "in progress", "busy", "again", "later", "retry", "更新中", "処理中"),
    ),
    limits=DataLimits(
        rows=(100, 1_000_000),
        columns=(2, 999),
        labels=200,
        formats=replace(TEXT_TABLES, encodings=("utf-8", "cp932"), told_by=1_000),
    ),
    archive=ArchiveFolders(train="train_src", eval="eval_src"),
    emulated=True,
)
