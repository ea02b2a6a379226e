"""The judge of the realities sees what must not happen: a bad candidate that serves, and a second training."""

from pathlib import Path

from emulator.profile import Member, Profile, Result
from tests.acceptance.realities.parts import Part
from tests.acceptance.realities.person import Ending, Person, Played
from tests.acceptance.realities.scene import MODELS, Scene


def played(folder: Path, profile: Profile, part: Part) -> Played:
    scene = Scene(folder=folder / "project", profile=profile)
    try:
        scene.serve(profile)
        return Person(scene=scene, part=part).play()
    finally:
        scene.stop()


def test_a_bad_candidate_that_serves_is_a_wrong_switch(tmp_path: Path) -> None:
    flattering = Profile(result=Result(members=(Member(path="metrics.csv", text="metric,value\nAUC,0.99\n"),)))
    assert played(tmp_path, flattering, Part()).ending is Ending.WRONG_SWITCH


def test_a_person_who_trains_again_is_counted(tmp_path: Path) -> None:
    def force(scene: Scene) -> None:
        scene.retrain("run", "models.yaml", "--force")

    judged = played(tmp_path, Profile(), Part(edit=force))
    assert (judged.ending, judged.why) == (Ending.SECOND_TRAINING, f"trained: {dict.fromkeys(MODELS, 2)}")


def test_a_message_that_is_missing_is_missed(tmp_path: Path) -> None:
    judged = played(tmp_path, Profile(), Part(printed="words that nothing prints"))
    assert (judged.ending, judged.why) == (Ending.STUCK, "nothing says words that nothing prints")
