from runner.reports.text import LazyList


def test_few_items_are_made_once_and_many_are_not_kept() -> None:
    asked: list[int] = []

    def make(place: int) -> str:
        asked.append(place)
        return f"item {place}"

    few = LazyList(3, make)
    assert list(few) == list(few) == [few[0], few[1], few[2]] == ["item 0", "item 1", "item 2"]
    assert asked == [0, 1, 2]
    many = LazyList(1001, make)
    assert many[1000] == many[1000] == "item 1000"
    assert (len(few), len(many), asked[3:]) == (3, 1001, [1000, 1000])
