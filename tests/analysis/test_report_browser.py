"""The report in a real browser: charts answer, the table sorts and filters, nothing leaves the page."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from analysis.gallery import Drawn
from analysis.report import render
from analysis.store import Store
from analysis.sweeps import Sweep

CHART = "[data-figure=coherence-vs-step]"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no browser: install Chromium (on Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, opened: tuple[Store, Sweep], drawn_demo: dict[str, Drawn]) -> Path:
    path = tmp_path_factory.mktemp("report") / "demo.html"
    path.write_text(render(*opened, drawn_demo.values()), encoding="utf-8")
    return path


class Shown:
    """A page, and what it said and asked for while it was looked at."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page, self.said, self.asked = page, list[str](), list[str]()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(path.as_uri())

    def check(self, path: Path) -> None:
        """Nothing was said, and nothing asked for but the file itself and what lies in it."""
        assert self.said == []
        assert {url for url in self.asked if not url.startswith("data:")} == {path.as_uri()}


@pytest.fixture(params=[(1280, "light"), (360, "dark")], ids=["desktop", "phone"])
def shown(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Shown]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    found = Shown(context.new_page(), report)
    yield found
    found.check(report)
    context.close()


def first_point(drawn: Drawn) -> tuple[list[float], dict[str, Any], dict[str, Any]]:
    panel = drawn.marks["panels"][0]
    return panel["series"][0]["points"][0], panel["series"][0], panel


def test_charts_are_drawn_and_the_page_is_no_wider_than_the_screen(shown: Shown, drawn_demo: dict[str, Drawn]) -> None:
    sizes = shown.page.evaluate("[...document.images].map(one => [one.naturalWidth, one.clientWidth])")
    assert len(sizes) == len(drawn_demo)
    assert all(natural > 100 and seen > 250 for natural, seen in sizes)
    assert shown.page.evaluate("document.documentElement.scrollWidth") == shown.page.viewport_size["width"]  # type: ignore[index]


def test_a_point_under_the_pointer_says_its_values(shown: Shown, drawn_demo: dict[str, Drawn]) -> None:
    drawn = drawn_demo["coherence-vs-step"]
    point, series, panel = first_point(drawn)
    chart = shown.page.locator(CHART)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    unit = box["width"] / drawn.marks["width"]
    shown.page.mouse.move(box["x"] + point[0] * unit, box["y"] + point[1] * unit)
    said = chart.locator(".tip").inner_text()
    assert series["name"] in said
    assert panel["y"] in said
    value = shown.page.evaluate("v => v.toLocaleString('en')", point[3])
    assert value in said
    shown.page.mouse.move(box["x"] + 1, box["y"] + 1)
    assert chart.locator(".tip").is_hidden()


def test_keys_step_through_points_and_enlarge(shown: Shown, drawn_demo: dict[str, Drawn]) -> None:
    _, series, _ = first_point(drawn_demo["coherence-vs-step"])
    chart, view = shown.page.locator(CHART), shown.page.locator(f"{CHART} .view")
    chart.focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp"):
        shown.page.keyboard.press(key)
        seen.append(chart.locator(".tip").inner_text())
    assert seen[0] != seen[1] != seen[2]
    assert seen[3] == seen[1]
    assert series["name"] in seen[0]
    before = view.bounding_box()
    shown.page.keyboard.press("+")
    larger = view.bounding_box()
    assert before is not None
    assert larger is not None
    assert larger["width"] == pytest.approx(1.5 * before["width"], rel=0.01)
    shown.page.keyboard.press("0")
    assert view.bounding_box() == before
    shown.page.keyboard.press("Escape")
    assert chart.locator(".tip").is_hidden()


def test_buttons_and_drag_move_an_enlarged_chart(shown: Shown) -> None:
    chart, view = shown.page.locator(CHART), shown.page.locator(f"{CHART} .view")
    chart.scroll_into_view_if_needed()
    before = view.bounding_box()
    shown.page.locator(f"figure:has({CHART}) [data-zoom=in]").click()
    one, box = view.bounding_box(), chart.bounding_box()
    assert one is not None
    assert box is not None
    shown.page.mouse.move(box["x"] + 150, box["y"] + 150)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + 170, box["y"] + 160)
    shown.page.mouse.up()
    other = view.bounding_box()
    assert other is not None
    assert (other["x"] - one["x"], other["y"] - one["y"]) == (pytest.approx(20, abs=1), pytest.approx(10, abs=1))
    chart.dblclick()
    assert view.bounding_box() == before


def test_the_table_filters_and_sorts(shown: Shown, opened: tuple[Store, Sweep]) -> None:
    page, rows = shown.page, shown.page.locator("#trial-table tbody tr:visible")
    everything = opened[1].planned.height
    assert rows.count() == everything
    page.select_option("select[data-column=model]", "LeNet")
    kept = rows.count()
    assert 0 < kept < everything
    assert page.locator("#shown").inner_text() == f"{kept} of {everything} trials"
    page.fill("#search", opened[1].planned["trial_id"][-1])
    assert rows.count() <= 1
    page.fill("#search", "")
    head = page.locator("#trial-table th[data-name=test]")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rising = [
        float(text.split()[0]) for text in page.locator("#trial-table tr:visible td:nth-child(10)").all_inner_texts()
    ]
    assert rising == sorted(rising)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    falling = [
        float(text.split()[0]) for text in page.locator("#trial-table tr:visible td:nth-child(10)").all_inner_texts()
    ]
    assert falling == sorted(rising, reverse=True)


def test_the_theme_is_the_readers_choice(shown: Shown) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    button, seen = shown.page.locator("#theme"), {}
    for _ in range(3):
        button.click()
        seen[button.inner_text()] = shown.page.evaluate(paper)
    assert seen["theme: light"] == "rgb(255, 255, 255)"
    assert seen["theme: dark"] == "rgb(20, 24, 31)"
    assert seen["theme: auto"] in (seen["theme: light"], seen["theme: dark"])


def test_a_command_is_copied_or_selected(shown: Shown) -> None:
    place = shown.page.locator(f"figure:has({CHART}) .again")
    place.locator("button").click()
    place.locator("button", has_text="ed").wait_for()
    assert place.locator("code").inner_text().startswith("coherence figures demo --only ")


def test_the_page_is_whole_without_its_script(browser: Browser, report: Path, drawn_demo: dict[str, Drawn]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator(".chart img").count() == len(drawn_demo)
    assert page.locator(".tools:visible, .filters:visible, #theme:visible, .copy:visible").count() == 0
    context.close()


def test_names_from_data_run_nothing(
    browser: Browser, tmp_path: Path, opened: tuple[Store, Sweep], drawn_demo: dict[str, Drawn]
) -> None:
    import polars as pl

    evil = '</script><img src=x onerror="window.ran=1"><script>window.ran=1</script>'
    store, sweep = opened
    planned = sweep.planned.with_columns(pl.lit(evil).alias("model_label"))
    marks = drawn_demo["coherence-vs-step"].marks
    panels = [{**panel, "title": evil, "x": evil} for panel in marks["panels"]]
    figure = Drawn(
        "coherence-vs-step", evil, b"", drawn_demo["coherence-vs-step"].svg, pl.DataFrame(), (evil,), evil, evil
    )
    figure = Drawn(**{**vars(figure), "marks": {**marks, "panels": panels}})
    spoilt = Sweep(sweep.name, sweep.revision, sweep.definition, planned, sweep.trials, sweep.missing)
    path = tmp_path / "evil.html"
    path.write_text(render(store, spoilt, [figure]), encoding="utf-8")
    context = browser.new_context()
    found = Shown(context.new_page(), path)
    found.page.locator(CHART).focus()
    found.page.keyboard.press("ArrowRight")
    assert evil in found.page.locator(f"{CHART} .tip").inner_text()
    assert found.page.evaluate("window.ran") is None
    found.check(path)
    context.close()


MADE = {
    "width": 400.0,
    "height": 200.0,
    "panels": [
        {
            "box": [0.0, 0.0, 400.0, 200.0],
            "title": "ends",
            "x": "",
            "y": "rate",
            "x_names": {"0": "corrupt", "1": "test"},
            "y_names": {},
            "series": [
                {
                    "name": "mean",
                    "color": "#000000",
                    "across": False,
                    "points": [[20.0 + 40 * k, 50.0, k / 10 - 0.2, 0.0015, 0.00012, 123456] for k in range(9)],
                },
                {
                    "name": "median",
                    "color": "#0072b2",
                    "across": True,
                    "points": [[20.0, 150.0, 0.8, 1, 0.7, 0.9], [340.0, 150.0, 1.2, 2, None, None]],
                },
            ],
        }
    ],
}


@pytest.fixture
def made(browser: Browser, tmp_path: Path, opened: tuple[Store, Sweep]) -> Iterator[Page]:
    """A page of one figure, on a phone that is touched."""
    import polars as pl

    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200"/>'
    figure = Drawn("coherence-vs-step", "Made", b"", svg, pl.DataFrame(), ("seen",), "published", "made", MADE)
    path = tmp_path / "made.html"
    path.write_text(render(*opened, [figure]), encoding="utf-8")
    context = browser.new_context(viewport={"width": 360, "height": 800}, has_touch=True)
    found = Shown(context.new_page(), path)
    yield found.page
    found.check(path)
    context.close()


def lines(page: Page) -> list[str]:
    return page.locator(f"{CHART} .tip span").all_inner_texts()


def test_a_tip_says_values_as_they_are_and_places_by_name(made: Page) -> None:
    made.locator(CHART).focus()
    made.keyboard.press("ArrowRight")
    assert lines(made) == ["ends", "corrupt", "rate: 0.0015 [1.2e-4, 123,456]"]
    made.keyboard.press("ArrowDown")
    assert lines(made) == ["ends", "test [0.7, 0.9]", "rate: 1"]


def test_up_and_down_stay_at_the_place(made: Page) -> None:
    made.locator(CHART).focus()
    for _ in range(9):
        made.keyboard.press("ArrowRight")
    made.keyboard.press("ArrowDown")
    assert lines(made)[2] == "rate: 2"
    made.keyboard.press("ArrowLeft")
    made.keyboard.press("ArrowUp")
    assert lines(made)[1] == "corrupt"
    told = made.locator(f"figure:has({CHART}) > [role=status]").text_content()
    assert told is not None
    assert "mean; ends; corrupt" in told
    assert made.locator(CHART).get_attribute("role") == "application"


def test_what_a_finger_touched_stays_when_it_is_lifted(made: Page) -> None:
    chart = made.locator(CHART)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    unit = box["width"] / MADE["width"]  # type: ignore[operator]
    made.touchscreen.tap(box["x"] + 20 * unit, box["y"] + 150 * unit)
    assert lines(made)[2] == "rate: 1"
    made.touchscreen.tap(box["x"] + 200 * unit, box["y"] + 100 * unit)
    assert chart.locator(".tip").is_hidden()


def test_print_is_dark_on_white_and_as_drawn(made: Page) -> None:
    made.locator("#theme").click()
    made.locator("#theme").click()
    made.locator(CHART).focus()
    made.keyboard.press("+")
    made.emulate_media(media="print")
    assert made.evaluate("getComputedStyle(document.body).color") == "rgb(29, 36, 48)"
    assert made.evaluate("getComputedStyle(document.querySelector('.view')).transform") == "none"


def test_a_filter_finds_names_with_odd_spaces(browser: Browser, tmp_path: Path, opened: tuple[Store, Sweep]) -> None:
    import polars as pl

    store, sweep = opened
    planned = sweep.planned.with_columns(pl.lit(" two  spaces ").alias("model_label"))
    path = tmp_path / "odd.html"
    path.write_text(
        render(store, Sweep(sweep.name, sweep.revision, sweep.definition, planned, sweep.trials, sweep.missing), []),
        encoding="utf-8",
    )
    page = browser.new_page()
    page.goto(path.as_uri())
    page.select_option("select[data-column=model]", index=1)
    assert page.locator("#trial-table tbody tr:visible").count() == planned.height
    page.close()
