"""What a column's head, or a word beside a number, says the number is."""

import pytest

from runner.results.column_roles import Role, decorated_name, names_another, role_of
from runner.results.metrics import without_percent

HEADS: dict[Role, list[str]] = {
    "value": [
        *(
            "Value",
            "value (%)",
            "Score",
            "Evaluation value",
            "EVAL",
            "Test score",
            "validation",
            "hold-out",
            "testScore",
        ),
        *("値", "評価値", "値(%)", "評価データ", "スコア", "テスト", "検証データ", "評価結果", "%", "(%)", "Percent"),
    ],
    "candidate": [
        *("New", "new model", "NewModel", "Candidate", "challenger", "After", "Retrained model", "latest", "new_value"),
        *(
            "新モデル",
            "更新後",
            "新しいモデル",
            "再学習後",
            "候補",
            "今回",
            "今回の値",
            "変更後",
            "最新モデル",
            "改善後",
        ),
    ],
    "current": [
        *(
            "Current",
            "current model",
            "CurrentModel",
            "In service",
            "Production",
            "champion",
            "Incumbent",
            "Live model",
        ),
        *(
            "現在",
            "現在のモデル",
            "現行モデル",
            "現モデル",
            "運用中",
            "本番",
            "本番モデル",
            "稼働中モデル",
            "既存モデル",
            "今のモデル",
        ),
    ],
    "previous": [
        *("Previous", "previous_model", "Old", "Before", "last model", "Original", "prev. value"),
        *("前回", "前回のモデル", "更新前", "旧モデル", "前回値", "再学習前", "従来モデル", "以前のモデル", "変更前"),
    ],
    "difference": [
        *("Diff", "Difference", "Change", "Delta", "Δ", "\u2206", "Gain", "vs previous", "New vs Old", "Change (%)"),
        *("improvement", "compared to previous", "Difference from previous model", "previous - difference"),
        *(
            "差",
            "差分",
            "差分 (新-旧)",
            "前回比",
            "前回比(%)",
            "前回との差",
            "増減",
            "変化率",
            "比",
            "前年比",
            "対前回",
        ),
        *("改善", "改善幅", "増加", "前回からの変化", "前回率", "Previous ratio", "±"),
    ],
    "never": [
        *(
            "Train",
            "training score",
            "Std",
            "Std. deviation",
            "Standard Error",
            "Rank",
            "Ranking",
            "train value",
            "New rank",
        ),
        *("学習", "学習データ", "訓練データ", "標準偏差", "順位", "学習データの評価"),
    ],
    "aside": [
        "Note",
        "unit",
        "No.",
        "min",
        "95% CI",
        "Baseline",
        "threshold",
        "備考",
        "単位",
        "番号",
        "下限",
        "目標値",
    ],
    "unknown": [
        *(
            "foo",
            "A",
            "Model",
            "model_7",
            "Invalid",
            "AUC",
            "Newer-ish",
            "New/Old",
            "新旧",
            "値 (円)",
        ),
        *("contest", "renewed", "対象", "Currently unused thing", "", "-", "x" * 500),
    ],
}


@pytest.mark.parametrize(("head", "role"), [(head, role) for role, heads in HEADS.items() for head in heads])
def test_a_head_has_its_role(head: str, role: Role) -> None:
    assert role_of(head) == role
    assert role_of(f" {head} ") == role


@pytest.mark.parametrize("head", ["VALUE", "value", "EVALUATION VALUE", "evaluation_value", "EvaluationValue"])
def test_letter_case_and_joints_do_not_matter(head: str) -> None:
    assert role_of(head) == "value"


@pytest.mark.parametrize(
    "label", ["train", "Training data", "current model", "previous", "学習データ", "前回", "diff", "std"]
)
def test_a_label_of_another_is_noticed(label: str) -> None:
    assert names_another(label)


@pytest.mark.parametrize(
    "label",
    ["", "good", "test", "new", "改善", "improved", "churn_prod_v2", "0.9", "N/A", "it is better than the previous"],
)
def test_a_remark_is_not_a_label_of_another(label: str) -> None:
    assert not names_another(label)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        *(
            ("AUC (%)", "AUC"),
            ("AUC[%]", "AUC"),
            ("AUC %", "AUC"),
            ("AUC, %", "AUC"),
            ("auc_pct", "auc"),
            ("値\uff05", "値"),
        ),
        *(
            ("正解率\uff08\uff05\uff09", "正解率"),
            ("AUC in percent", "AUC"),
            ("Accuracy per cent", "Accuracy"),
            ("percent recall", "recall"),
        ),
        *(
            ("カバー率(パーセント)", "カバー率"),
            ("誤差率中央値 (単位: %)", "誤差率中央値"),
            ("%", ""),
            ("Percentage", ""),
        ),
    ],
)
def test_a_unit_of_percent_is_taken_off(written: str, plain: str) -> None:
    assert without_percent(written) == (plain, True)


@pytest.mark.parametrize("written", ["AUC", "95th percentile", "percentile error", "aspect", "", "%" * 1000])
def test_what_says_no_percent_stays_as_it_is(written: str) -> None:
    assert without_percent(written) == (written, False)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        *(("auc_candidate", "auc"), ("AUC (評価データ)", "auc"), ("新正解率", "accuracy"), ("新F値", "f_score")),
        ("coverage_rate_new", "coverage_rate"),
        ("誤差率中央値 (新)", "median_absolute_error_ratio"),
        *(("current_auc", "auc"), ("Test accuracy", "accuracy"), ("AUC (%) new", "auc")),
        *(("auc", None), ("auc_train", None), ("previous_auc", None), ("AUC diff", None), ("new Log loss", None)),
    ],
)
def test_a_decorated_name_is_known_as_one(written: str, name: str | None) -> None:
    assert decorated_name(written) == name
