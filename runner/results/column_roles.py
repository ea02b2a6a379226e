"""What the head of a column, or the label of a row, says of its numbers, and which of them is the candidate's."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from runner.results.metrics import built_in_name, without_percent
from runner.results.number import listed

Role = Literal["value", "candidate", "current", "previous", "difference", "never", "aside", "unknown"]

# `value` is a score on rows that the model was not trained on; `candidate` the newly trained model; `current` the model
# in service; `previous` the model before; `never` what is not an evaluation, such as a score on the training rows, a
# spread or a rank; `aside` what is beside a value; `joiner` words say nothing by themselves. `trend` words head a
# difference; beside a number they are a remark on it, or a part of its name.
_VOCABULARY = MappingProxyType(
    {
        "value": """value values score scores result results eval evaluation evaluated test testing validation valid val
            holdout heldout hold held 値 数値 スコア 評価 評価値 評価結果 結果 テスト 検証 ホールドアウト""",
        "candidate": """new newly newest latest candidate challenger retrained updated after next proposed this
            新 新しい 新規 最新 更新後 更新版 再学習後 再訓練後 再学習 再訓練 再学習済み 変更後 改善後 差替後 差し替え後
            切替後 切り替え後 入替後 入れ替え後 今回 候補 挑戦者 チャレンジャー 後 アフター""",
        "current": """current currently present existing active live serving served service deployed production prod
            champion incumbent running published online inuse now 現在 現行 現状 現役 現用 現 今 運用中 運用 稼働中 稼働
            本番 公開中 公開 配信中 提供中 使用中 利用中 適用中 サービス中 既存 チャンピオン""",
        "previous": """previous previously prev prior old older before last former past earlier original preceding
            outgoing replaced 前 前回 前の 先回 以前 従来 旧 旧来 過去 元 直前 更新前 再学習前 再訓練前 変更前 改善前
            差替前 差し替え前 切替前 切り替え前 入替前 入れ替え前 オリジナル ビフォー""",
        "difference": """diff diffs difference differences delta deltas δ ∆ change changes vs versus against compared
            comparison relative 差 差分 差異 差額 比 比較 対 増減 変化 変化率 変動 推移 乖離 ±""",
        "trend": """gain gains lift uplift improvement improved improve worse worsened drop decrease increase growth
            changed rate ratio 率 量 幅 倍 倍率 増 減 増加 減少 伸び 改善 悪化 向上 低下 上昇 下降""",
        "never": """train training insample fit fitted std stdev stddev sd se stderr sem deviation standard variance var
            spread rank ranking cv cross 交差 学習 訓練 学習用 訓練用 トレーニング 標準偏差 標準誤差 偏差 分散 ばらつき
            順位 ランク ランキング""",
        "aside": """note notes remark remarks comment comments description unit units id no num number index
            unnamed count rows samples support weight weights threshold cutoff limit target goal baseline
            reference min max minimum maximum lower upper low high ci confidence interval bound bounds median
            error fold date time type kind category group class direction better status importance timestamp
            step epoch iteration seed n 備考 注 注記 コメント 説明 単位 番号 件数 行数 件 サンプル数 サンプル 重み
            閾値 しきい値 目標 目標値 基準 基準値 ベースライン 参考 参考値 最小 最小値 最大 最大値 下限 下限値 上限
            上限値 信頼区間 中央値 誤差 日付 日時 時刻 種類 種別 カテゴリ 分類 クラス 方向 判定 状態 重要度""",
        "joiner": """model models trained retrain retraining update run job of for the a an on in at by to and from data
            dataset set metric metrics version ver pt point points out month week
            year day period モデル 学習済み 学習済 データ データセット セット
            指標 更新 変更 の と との からの に対する 期 回 月 週 年 日 点 時 時点 用 側 版 分 ポイント""",
    }
)
_KINDS: Mapping[str, str] = MappingProxyType(
    {word: kind for kind, words in _VOCABULARY.items() for word in words.split()}
)
_JAPANESE = re.compile("|".join(sorted((word for word in _KINDS if not word.isascii()), key=len, reverse=True)))
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\x00-\x7f]+|[^\s_\-.,:;/()\[\]{}'\"#]")
_BRACKETS = str.maketrans(dict.fromkeys("「」『』【】〈〉《》・、。", " "))
_NO_VALUES: tuple[Role, ...] = ("never", "difference", "aside")
_MODELS: tuple[Role, ...] = ("candidate", "current", "previous")
_LONGEST = 100  # characters; a longer text is a sentence
_ANOTHER = frozenset({"current", "previous", "difference", "never"})


def _kinds(text: str) -> list[str]:
    """Return the kind of each word of a text, `digits` and `unknown` among them."""
    return [kind for _, kind in _words(text)]


def _words(text: str) -> list[tuple[str, str]]:
    plain = unicodedata.normalize("NFKC", without_percent(text)[0]).translate(_BRACKETS)
    found: list[tuple[str, str]] = []
    for piece in _PIECE.findall(plain):
        found += _japanese(piece.lower()) if not piece.isascii() else [(piece, _kind(piece.lower()))]
    return found


def _kind(word: str) -> str:
    return "digits" if word.isdigit() else _KINDS.get(word, "unknown")


def _japanese(run: str) -> list[tuple[str, str]]:
    """Cut a run without spaces into the longest known words, and what is between them."""
    found, at = [], 0
    for match in _JAPANESE.finditer(run):
        if match.start() > at:
            found.append((run[at : match.start()], "unknown"))
        found.append((match[0], _KINDS[match[0]]))
        at = match.end()
    return [*found, (run[at:], "unknown")] if at < len(run) else found


@lru_cache(maxsize=4096)  # files repeat their words
def role_of(head: str) -> Role:
    """Return what a column with this head holds; `unknown` unless every word of the head is known.

    A head without words, but for the sign of percent, is that of a value: `指標,%`.
    """
    if len(head) > _LONGEST:
        return "unknown"
    kinds = {"difference" if kind == "trend" else kind for kind in _kinds(head)} - {"joiner"}
    if "unknown" in kinds:
        return "unknown"
    for role in _NO_VALUES:
        if role in kinds:
            return role
    if not kinds:
        return "value" if without_percent(head) == ("", True) else "unknown"
    models = [role for role in _MODELS if role in kinds]
    if "digits" in kinds or len(models) > 1:
        return "unknown"
    return models[0] if models else "value"


def names_another(label: str) -> bool:
    """Return whether a text beside a number says that it is not the candidate's evaluation, such as `train`."""
    return role_of(label) in _ANOTHER and "trend" not in _kinds(label)


def mentions(text: str, roles: Collection[str]) -> bool:
    """Return whether any word of a file's name or a key has one of these roles, whatever the others mean."""
    return len(text) <= _LONGEST and not set(_kinds(text)).isdisjoint(roles)


def evaluated_name(written: str) -> str | None:
    """Return the built-in metric of a decorated name that is the candidate's or the evaluation's, and nobody else's."""
    name = decorated_name(written)
    return None if name is None or mentions(written, ("current",)) else name


def decorated_name(written: str) -> str | None:
    """Return the built-in metric of a name that some words say is the candidate's, the evaluation's or the incumbent's.

    `auc_candidate` and `AUC (評価データ)` are auc; `auc_train` and plain `auc` are None.
    """
    if len(written) > _LONGEST or built_in_name(written) is not None:
        return None
    words = _words(written)
    kinds = {kind for _, kind in words}
    if not kinds & {"candidate", "current", "value"} or kinds & {"previous", "difference", "never"}:
        return None
    for extra in ({"candidate", "current"}, {"candidate", "current", "value", "joiner"}):
        name = built_in_name(" ".join(word for word, kind in words if kind not in extra))
        if name is not None:
            return name
    return None


class Columns(Struct, frozen=True, kw_only=True):
    """The columns by their indexes, None where there is none; `problem` says why the values are not clear.

    `provisional` columns are what the service's own comparison is known to hold; no head says it beyond doubt.
    """

    current: int | None = None
    previous: int | None = None
    problem: str | None = None
    provisional: bool = False


def choose_columns(
    heads: Mapping[int, str], numeric: Collection[int], *, comparison: bool, noun: str = "column"
) -> Columns:
    """Return what the columns hold by their heads; `numeric` are those with a number in them.

    Rows that are named by a split or a model are chosen as columns are; `noun` says what they are in a problem.

    `comparison` tells that the table is the service's comparison, in which `current` may be the candidate: there it
    is, provisionally, beside a column of the model before.
    """
    roles = {index: role_of(head) for index, head in heads.items()}
    undecided = [index for index, role in roles.items() if role == "unknown" and index in numeric]
    if undecided:
        return _unclear("the meaning of {} is not known", heads, undecided)
    candidates = [*_having(roles, "candidate"), *_having(roles, "value")]
    current, previous = _having(roles, "current"), _having(roles, "previous")
    if not candidates:
        return _without_candidate(heads, current, previous, comparison=comparison, noun=noun)
    if len(candidates) > 1:
        return _unclear(f"more than one {noun} may hold its value: {{}}", heads, candidates)
    if current and roles[candidates[0]] == "value":
        return _unclear("which model is whose is not known: {}", heads, [*candidates, *current])
    before = [*current, *previous]
    if len(before) > 1:
        return _unclear(f"more than one {noun} may be the model before: {{}}", heads, before)
    return Columns(current=candidates[0], previous=before[0] if before else None)


def _without_candidate(
    heads: Mapping[int, str], current: list[int], previous: list[int], *, comparison: bool, noun: str
) -> Columns:
    if comparison and len(current) == len(previous) == 1:
        return Columns(current=current[0], previous=previous[0], provisional=True)
    if current:
        return _unclear("{} may be the model in service or the candidate", heads, current)
    return _unclear(f"no {noun} is known to hold its value; the table has {{}}", heads, list(heads))


def _having(roles: Mapping[int, Role], wanted: Role) -> list[int]:
    return [index for index, role in roles.items() if role == wanted]


def _unclear(sentence: str, heads: Mapping[int, str], indexes: list[int]) -> Columns:
    named = listed(f"'{heads[index]}'" for index in indexes)
    return Columns(problem=f"is unclear: {sentence.format(named)}")
