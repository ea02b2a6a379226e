"""What is special about playing a reality: what a person does before it, outside of the program, and what is right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from emulator.profile import Profile
from tests.acceptance.realities.printed_lines import merge
from tests.acceptance.realities.scene import MODELS, Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person does outside of this program, once a message names the matter."""

    named: str
    do: Callable[[Scene], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is special about playing a reality.

    `before` changes the project; `act` is an act outside; `edit` is what the person tries before reading on; `right` is
    the outcome that is right for a model, where it is not the usual one; `printed` must have been printed.
    """

    before: Callable[[Scene], None] | None = None
    act: Act | None = None
    edit: Callable[[Scene], None] | None = None
    right: Mapping[str, str] = field(default_factory=dict)
    printed: str = ""


def _key_of_bad(value: str) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        scene.keys["BAD_KEY"] = value

    return change


def _served(profile: Profile) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        scene.serve(profile)

    return change


def _all_auto(scene: Scene) -> None:
    for name in MODELS:
        scene.manifest["policies"][name] = {"type": "auto"}


def _place_of_auc(scene: Scene) -> None:
    merge(scene.manifest, {"metrics": {"auc": {"file": "evaluation.json", "select": "/auc"}}})


def _fetched_keys(scene: Scene) -> None:
    for number, name in enumerate(MODELS, start=1):
        scene.manifest["models"][name]["api_key"] = {"secret_key": {"env": "SECRET_KEY"}, "model_id": number}
    scene.save()


def _short_wait(scene: Scene) -> None:
    for name in MODELS:
        scene.manifest["models"][name]["wait"]["timeout"] = "4s"
    scene.save()


def part_of(reality: str, profile: Profile) -> Part:
    """Return what is special about playing a reality."""
    plain = Profile()
    if reality.startswith("E"):
        named = r"api.?key|credential|secret"
        return Part(before=_key_of_bad("emulator-nobody"), act=Act(named=named, do=_key_of_bad("emulator-bad")))
    clock = replace(profile, clock=0.0)
    acts = {
        "K09": Act(named=r"Exceeded the limit of models", do=_served(plain)),
        "K10": Act(named=r"limit|429|too many", do=_served(plain)),
        "W10": Act(named=r"locked", do=_served(plain)),
        "U15": Act(named=r"EntityTooLarge|413|exceeds the maximum", do=_served(plain)),
        "U15b": Act(named=r"blocked|403", do=_served(plain)),
        "U17": Act(named=r"Only zip archives are accepted", do=_served(plain)),
        "U19": Act(named=r"clock", do=_served(clock)),
        "U22": Act(named=r"redirect", do=_served(plain)),
        "K03": Act(named=r"past its 30 days|inactive", do=_served(plain)),
        "K07": Act(named=r"account", do=_served(plain)),
        "K08": Act(named=r"settings", do=_served(plain)),
    }
    if reality in acts:
        return Part(act=acts[reality])
    failed = dict.fromkeys(MODELS, "failed")
    special = {
        "R43": Part(right={"good": "held"}),
        "R46": Part(edit=_place_of_auc),
        "R47": Part(edit=_all_auto, right={"manual": "switched", "bad": "switched"}),
        "S13": Part(right=failed),
        "S13b": Part(right=failed),
        "S26": Part(right=failed),
        "K05": Part(before=_short_wait),
        "K06f": Part(before=_fetched_keys, printed=r"2020-01-01"),
    }
    return special.get(reality, Part())
