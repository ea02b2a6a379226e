"""The run's page in a real browser: it can be used, hostile text stays text, and nothing is asked of the network."""

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.conftest import Browser
from tests.unit.reports.report_history import (
    HOSTILE,
    Recording,
    finished,
    planned,
    record_everything,
    record_hostile,
)
from tests.unit.reports.report_scenes import record_fleet, record_year

Render = Callable[[Callable[[Recording], None]], bytes]
SHOWN = "return [...document.querySelectorAll('#list tbody:not([hidden]) th')].map((one) => one.innerText)"


def record_hostile_name(record: Recording) -> None:
    record.start(actor=HOSTILE)
    record_hostile(record, HOSTILE)
    record_hostile(record, "</script></style></noscript><img src=x onerror=document.title='owned'>")
    record.end(1)


@pytest.fixture(scope="session")
def everything_page(render: Render) -> bytes:
    return render(record_everything)


@pytest.fixture(scope="session")
def fleet_page(render: Render) -> bytes:
    return render(record_fleet)


@pytest.fixture
def opened(browser: Browser, everything_page: bytes) -> Browser:
    browser.open(everything_page)
    return browser


def click(browser: Browser, selector: str) -> None:
    browser.driver.find_element(By.CSS_SELECTOR, selector).click()


@pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (400, "dark")])
def test_the_page_opens_without_a_complaint_a_request_or_an_axe_violation(
    browser: Browser, everything_page: bytes, width: int, theme: str
) -> None:
    browser.complaints()
    browser.open(everything_page, width=width, theme=theme)
    click(browser, "#unfold")
    assert browser.violations() == []
    assert browser.complaints() == []
    assert browser.requests() == []
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_hostile_names_stay_text(browser: Browser, render: Render) -> None:
    browser.open(render(record_hostile_name))
    click(browser, "#unfold")
    assert browser.driver.title.startswith("All 2 models failed.")
    assert browser.run("return document.querySelectorAll('img, script, style').length") == 2
    assert "<img src=x onerror" in browser.run("return document.querySelector('#list').innerText")
    assert browser.complaints() == []
    assert browser.requests() == []


def record_many_hostile_names(record: Recording) -> None:
    record.start()
    for number in range(101):
        record_hostile(record, f"{number}\ue000<img src=x onerror=document.title='owned'>")
    record.end(1)


def test_hostile_names_stay_text_in_a_page_of_many_models(browser: Browser, render: Render) -> None:
    browser.open(render(record_many_hostile_names))
    click(browser, "#unfold")
    last = browser.driver.find_element(By.ID, "m101")
    WebDriverWait(browser.driver, 10).until(lambda _: "<script>alert(1)</script>" in last.text)
    assert browser.run("return document.querySelectorAll('img, script:not([type]), style').length") == 2
    assert browser.run("return document.querySelector('#list tbody th').textContent").startswith("0\ue000<img")
    assert browser.complaints() == []
    assert browser.requests() == []


def test_models_that_want_a_person_come_first_and_stand_folded(opened: Browser) -> None:
    names = ["stock", "fraud", "bad", "sales", "weekly", "daily", "lost", "churn", "steady"]
    assert opened.run(SHOWN) == names
    assert opened.run("return document.querySelectorAll('#list details[open]').length") == 0


def test_the_page_leads_with_what_must_be_done_and_a_command_is_copied(opened: Browser) -> None:
    first = opened.driver.find_element(By.CSS_SELECTOR, "#must-do li")
    assert first.text.startswith("stock")
    command = "retrain run retrain.yaml"
    assert first.find_element(By.CSS_SELECTOR, ".command code").text == command
    first.find_element(By.CSS_SELECTOR, ".command button").click()
    WebDriverWait(opened.driver, 5).until(lambda _: "Copied" in first.text)
    opened.open_again(400)
    seen = "return document.querySelector('#must-do .command').getBoundingClientRect().bottom"
    assert opened.run(seen) < 800


@pytest.mark.parametrize(("width", "most"), [(1400, 3000), (400, 6000)])
def test_forty_eight_models_fit_a_few_screens(browser: Browser, render: Render, width: int, most: int) -> None:
    browser.open(render(lambda record: record_fleet(record, size=48, owners=3)), width=width)
    WebDriverWait(browser.driver, 5).until(lambda _: len(browser.run(SHOWN)) == 48)
    assert browser.run("return document.documentElement.scrollHeight") <= most
    assert browser.violations() == []


def test_a_name_is_shown_whole_on_a_phone_whatever_its_outcome(browser: Browser, render: Render) -> None:
    def long_names(record: Recording) -> None:
        record.start()
        for number in range(13):  # as many as are folded
            record(f"newsletter-response-rate-of-region-{number}", planned(), finished("awaiting_approval", "See it."))
        record.end(0)

    browser.open(render(long_names), width=400)
    cut = (
        "return [...document.querySelectorAll('#list tbody th')].filter((th) => th.scrollWidth > th.clientWidth).length"
    )
    assert browser.run(cut) == 0
    assert browser.run("return document.documentElement.scrollWidth") == 400


def test_owners_and_tags_filter(browser: Browser, render: Render) -> None:
    def two_owners(record: Recording) -> None:
        record.start()
        for name, owner, tags in (("a", "ann", ("daily", "eu")), ("b", "ben", ("daily",))):
            record(name, replace(planned(), owner=owner, tags=tags), finished("unchanged", "the data is the same"))
        record.end(0)

    browser.open(render(two_owners))
    click(browser, "[data-field=tags][data-value=daily]")
    assert browser.run(SHOWN) == ["a", "b"]
    click(browser, "[data-field=owner][data-value=ben]")
    assert browser.run(SHOWN) == ["b"]
    assert browser.run("return location.hash") == "#owner=ben&tags=daily"


def test_a_filter_shows_what_it_names_and_says_how_many(opened: Browser) -> None:
    click(opened, ".toggle.failed")
    assert opened.run(SHOWN) == ["fraud", "bad"]
    find = opened.driver.find_element(By.ID, "find")
    find.send_keys("TOO FEW")
    assert opened.run(SHOWN) == ["fraud"]
    assert opened.driver.find_element(By.ID, "shown").text == "1 of 9 shown"
    find.send_keys(" nowhere")
    assert opened.run(SHOWN) == []
    assert opened.driver.find_element(By.ID, "nothing").is_displayed()
    find.send_keys(Keys.ESCAPE)
    assert len(opened.run(SHOWN)) == 9


def test_a_column_sorts_both_ways_by_keyboard_with_empty_cells_last(opened: Browser) -> None:
    button = opened.driver.find_element(By.CSS_SELECTOR, "thead th[data-column='3'] button")
    state = "return [...document.querySelectorAll('thead th')].map((one) => one.getAttribute('aria-sort'))"
    button.send_keys(Keys.ENTER)
    assert opened.run(SHOWN)[:2] == ["sales", "churn"]
    assert opened.run(state) == [None, None, None, "ascending", None, None]
    button.send_keys(Keys.ENTER)
    assert opened.run(SHOWN)[:2] == ["churn", "sales"]
    assert opened.run(state)[3] == "descending"


def test_times_are_local_with_utc_under_the_pointer(browser: Browser, everything_page: bytes) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    try:
        browser.open(everything_page)
        time = browser.driver.find_element(By.CSS_SELECTOR, "header time")
        assert "1:00 PM" in time.text.replace("\u202f", " ")
        assert time.get_attribute("title") == "2026-03-01 04:00:01 UTC"
        assert "Asia/Tokyo" in browser.driver.find_element(By.ID, "zone").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})


def test_a_link_to_a_model_opens_it(browser: Browser, fleet_page: bytes) -> None:
    browser.open(fleet_page, fragment="#m480")
    assert browser.run("return document.querySelector('#m480').closest('details').open")
    assert "auc" in browser.run("return document.querySelector('#m480 .rules').innerText")


def test_five_hundred_models_open_with_few_elements_and_all_of_them_join_at_once(
    browser: Browser, fleet_page: bytes
) -> None:
    assert len(fleet_page) < 9_000_000
    browser.open(fleet_page)
    assert browser.run("return window.elementsAtFirst") < 3000
    click(browser, ".toggle.held")
    assert browser.driver.find_element(By.ID, "shown").text == "50 of 500 shown"
    click(browser, "#list tbody:not([hidden]) summary")
    shown = expected_conditions.visibility_of_element_located((By.CSS_SELECTOR, "details[open] .rule-picture"))
    WebDriverWait(browser.driver, 5).until(shown)
    assert browser.run("return document.querySelectorAll('.lane').length") == 501
    names = browser.run("return [...document.querySelectorAll('#list tbody th')].map((one) => one.textContent)")
    assert (names[0], names[-1], len(set(names))) == ("churn_000", "stock_499", 500)
    assert browser.complaints() == []


def test_thirty_models_open_with_few_elements_and_have_their_details_without_script_too(
    browser: Browser, render: Render
) -> None:
    page = render(lambda record: record_fleet(record, size=30))
    browser.open(page, fragment="#m30")
    assert browser.run("return window.elementsAtFirst") < 1500
    assert "Timeline" in browser.driver.find_element(By.ID, "m30").text
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(page)
        click(browser, "#list summary")
        assert "Timeline" in browser.driver.find_element(By.ID, "m1").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_what_is_filtered_stands_in_the_address_and_is_there_again_after_back(
    browser: Browser, fleet_page: bytes
) -> None:
    browser.open(fleet_page, fragment="#find=churn&outcome=unknown")
    assert browser.driver.find_element(By.ID, "shown").text == "50 of 500 shown"
    browser.driver.find_element(By.ID, "find").send_keys("_010")
    assert browser.run("return location.hash") == "#find=churn_010&outcome=unknown"
    click(browser, "#list tbody:not([hidden]) th a")
    assert browser.run("return document.querySelectorAll('details[open]').length") == 1
    click(browser, ".toggle.unknown")
    browser.driver.back()
    assert browser.run("return document.getElementById('find').value") == "churn_010"
    assert browser.run(SHOWN) == ["churn_010"]


def test_a_model_is_reached_by_its_name_and_the_next_one_by_the_arrows(opened: Browser) -> None:
    opened.run("location.hash = 'model=sales'")
    focused = "return document.activeElement.closest('tbody').querySelector('th').textContent"
    WebDriverWait(opened.driver, 5).until(lambda _: opened.run("return document.activeElement.matches('summary')"))
    assert opened.run(focused) == "sales"
    opened.driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert opened.run(focused) == "weekly"
    assert opened.run("return document.activeElement.matches(':focus-visible')")
    assert not opened.run("return document.activeElement.parentElement.open")
    opened.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert opened.run("return document.activeElement.parentElement.open")


def test_of_a_year_of_weekly_runs_the_newest_are_drawn(browser: Browser, render: Render) -> None:
    browser.open(render(record_year))
    marks = "return [...document.querySelectorAll('.trend')].map((one) => one.querySelectorAll('.course').length)"
    assert browser.run(marks) == [1, 1, 1]
    titles = [
        element.get_attribute("textContent") or ""
        for element in browser.driver.find_elements(By.CSS_SELECTOR, ".trend title")
    ]
    assert titles[2].startswith("training rows of 30 candidates")
    assert browser.violations() == []


@pytest.fixture
def scriptless(browser: Browser) -> Iterator[Browser]:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield browser
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_without_script_everything_can_still_be_read(scriptless: Browser, everything_page: bytes) -> None:
    scriptless.open(everything_page)
    assert not scriptless.driver.find_element(By.ID, "tools").is_displayed()
    assert scriptless.driver.find_element(By.CSS_SELECTOR, "#must-do .command code").text == "retrain run retrain.yaml"
    click(scriptless, "#list summary")
    assert "Timeline" in scriptless.driver.find_element(By.ID, "m1").text


def test_without_script_the_line_of_each_of_five_hundred_models_can_be_read(
    scriptless: Browser, fleet_page: bytes
) -> None:
    scriptless.open(fleet_page)
    last = scriptless.driver.find_element(By.CSS_SELECTOR, "table.later tbody:nth-of-type(450)")
    assert "stock_499" in last.text
    assert "All rules passed" in last.text
    note = scriptless.driver.find_element(By.CSS_SELECTOR, "#models noscript p")
    assert note.text.endswith("report.json has all of it.")


def test_on_paper_the_models_that_want_a_person_stand_open(opened: Browser) -> None:
    opened.run("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.run("return document.querySelectorAll('#list details[open]').length") == 6
    for part in ("#must-do", "#course", "footer"):
        shut = f"return document.querySelectorAll('{part} details:not([open])').length"
        assert opened.run(shut) == 0
    opened.run("window.dispatchEvent(new Event('afterprint'))")
    assert opened.run("return document.querySelectorAll('details[open]').length") == 0
