"""The page in a real headless Chromium: it opens from disk, asks for nothing, and does what it says."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command import stbench

from stbench.leaderboard import REGISTRY
from stbench.leaderboard.site.page import page

EVIL = "<img src=x onerror=\"document.body.dataset.hacked='yes'\"></script>"


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system, with a log of its console and of every request."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def results(tmp_path_factory, write_data):
    """A results folder of three methods on two datasets."""
    folder = tmp_path_factory.mktemp("site")
    write_data(folder)
    options = ["--data", folder / "data", "--out", folder / "results", "--jobs", "2"]
    options += ["--limit", "cells=60,spots=50,genes=20"]
    command = ["run", "--methods", "ridge,knn,mean", "--datasets", "planted,simulated", *options]
    stbench(*command).check_returncode()
    return folder / "results"


@pytest.fixture(scope="module")
def real_page(results, tmp_path_factory):
    """The page of that folder."""
    from stbench.board.collect import collect
    from stbench.runs.results import Results

    folder = tmp_path_factory.mktemp("board")
    paths = REGISTRY.get("site")(collect(Results.open(results)), folder)
    assert paths == [folder / "index.html"]
    return paths[0]


@pytest.fixture
def shown(browser, real_page):
    """The browser with the page of that folder, freshly opened."""
    return show(browser, real_page)


def show(browser, file: Path):
    """The browser when the page in ``file`` is ready."""
    from selenium.webdriver.support.ui import WebDriverWait

    for kind in ("browser", "performance"):
        browser.get_log(kind)  # forget the page before
    browser.get(file.as_uri())
    WebDriverWait(browser, 120).until(lambda b: b.execute_script("return document.body.dataset.ready"))
    return browser


def choose(browser, name, value):
    """Choose an entry of a select, as a user does."""
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("id", name)).select_by_visible_text(value)


def texts(browser, selector):
    """The text of every element."""
    return [element.text for element in browser.find_elements("css selector", selector)]


def requests(browser):
    """The addresses that were asked for, but for the page and what is written in it."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(url.startswith("file:") for url in sent)  # the log does log
    return [url for url in sent if not url.startswith(("data:", "blob:")) and not url.endswith("index.html")]


def test_opens_from_disk_without_an_error_or_a_request(shown, real_page):
    assert shown.get_log("browser") == []
    assert requests(shown) == []
    assert real_page.stat().st_size < 10e6
    assert len(shown.find_elements("css selector", "#dots .scatterlayer .trace")) >= 3  # plotly drew


def wait(browser, condition):
    """Until the page has done what a click asked for; a table sorts a moment later."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda _: condition())


def test_a_head_sorts_the_ranking_and_controls_stay_below(shown):
    methods = texts(shown, "#ranks tbody th")
    assert sorted(methods) == ["knn", "ridge"]
    head = shown.find_elements("css selector", "#ranks thead th")[1]
    for direction, expected in (("ascending", ["knn", "ridge"]), ("descending", ["ridge", "knn"])):
        head.click()
        wait(shown, lambda to=direction: head.get_attribute("aria-sort") == to)
        assert texts(shown, "#ranks tbody th") == expected
    assert "mean" in texts(shown, "#ranks tfoot th")


def test_the_keyboard_sorts_too(shown):
    from selenium.webdriver.common.keys import Keys

    head = shown.find_elements("css selector", "#ranks thead [tabindex]")[1]
    head.send_keys(Keys.ENTER)
    wait(shown, lambda: texts(shown, "#ranks tbody th") == ["knn", "ridge"])


def test_the_ranking_shows_the_order_it_comes_in(shown):
    sorted_by = shown.find_elements("css selector", "#ranks thead th[aria-sort]")
    assert [(head.text, head.get_attribute("aria-sort")) for head in sorted_by] == [("AS", "descending")]
    accuracy = [float(text) for text in texts(shown, "#ranks tbody td:nth-child(3)")]
    assert accuracy == sorted(accuracy, reverse=True)


def test_filters_change_what_is_shown(shown):
    def heads():
        return [text.replace("\n", "") for text in texts(shown, "#matrix thead th")]

    assert heads() == ["Method", "Mean", "planted", "simulated"]
    choose(
        shown, "dataset", shown.execute_script("return document.getElementById('dataset').options[1].text")
    )
    assert heads() == ["Method", "planted"]
    choose(shown, "dataset", "all datasets")
    choose(shown, "family", "control")
    assert texts(shown, "#matrix tbody th") == []
    assert set(texts(shown, "#matrix tfoot th")) == {"ceiling", "mean", "oracle", "perfect"}
    choose(shown, "family", "baseline")
    pcc = texts(shown, "#matrix tbody td")
    choose(shown, "metric", "rmse")
    assert texts(shown, "#matrix tbody td") != pcc
    choose(shown, "metric", "pcc")
    choose(shown, "show", "share of the ceiling")
    assert all(text.endswith("%") for text in texts(shown, "#matrix tbody td"))
    choose(shown, "technology", "not stated")
    assert heads() == ["Method", "planted"]
    assert shown.get_log("browser") == []


def test_the_board_can_be_cited(shown):
    text = shown.find_element("id", "citation").get_attribute("textContent")
    assert text.startswith("@misc{stbench,")
    assert re.search(r"board of 2 methods on 2 datasets, runs until 20\d\d-", text)
    assert text.count("{") == text.count("}")


def test_a_link_shows_what_its_sender_saw(shown, browser):
    choose(shown, "metric", "rmse")
    choose(shown, "family", "baseline")
    link, seen = shown.current_url, texts(shown, "#matrix td, #matrix th")
    assert link.endswith("#scores?metric=rmse&family=baseline")
    browser.get("about:blank")
    browser.get(link)
    wait(browser, lambda: browser.execute_script("return document.body.dataset.ready"))
    assert texts(browser, "#matrix td, #matrix th") == seen
    browser.get("about:blank")
    browser.get(link.replace("rmse", "no-metric"))
    wait(browser, lambda: browser.execute_script("return document.body.dataset.ready"))
    assert browser.execute_script("return document.getElementById('metric').value") == "pcc"
    choose(browser, "family", "all families")
    assert browser.current_url.endswith("#scores")
    assert browser.get_log("browser") == []


def test_a_link_keeps_the_order_of_the_tables(shown, browser):
    def click(table, name):
        heads = shown.find_elements("css selector", f"#{table} thead th")
        next(head for head in heads if head.text.replace("\n", " ") == name).click()

    click("ranks", "Mean pcc")
    wait(shown, lambda: "ranking-order" in shown.current_url)
    assert shown.current_url.endswith("#ranking?ranking-order=Mean+pcc%3Aasc")
    click("matrix", "planted")
    wait(shown, lambda: "scores-order" in shown.current_url)
    choose(shown, "metric", "js")
    link = shown.current_url
    seen = {table: texts(shown, f"#{table} tbody th") for table in ("ranks", "matrix")}
    browser.get("about:blank")
    browser.get(link)
    wait(browser, lambda: browser.execute_script("return document.body.dataset.ready"))
    assert {table: texts(browser, f"#{table} tbody th") for table in seen} == seen
    found = [head.text for head in browser.find_elements("css selector", "th[aria-sort]")]
    assert [text.replace("\n", " ") for text in found] == ["Mean pcc", "planted"]
    browser.find_element("link text", "Comparisons").click()  # a link of the page does not lose them
    wait(browser, lambda: browser.current_url.endswith(link.split("?")[1]))
    assert "#comparisons?metric=js&" in browser.current_url
    assert browser.get_log("browser") == []


def test_the_numbers_are_those_of_the_summary(shown, results):
    from stbench.board.collect import collect
    from stbench.runs.results import Results

    table = collect(Results.open(results)).summary()
    expected = table.query("method == 'ridge' and metric == 'pcc'").sort_values("dataset")["mean"]
    row = next(r for r in shown.find_elements("css selector", "#matrix tbody tr") if "ridge" in r.text)
    shown_values = [cell.text for cell in row.find_elements("css selector", "td")]
    assert shown_values == [f"{x:.3f}" for x in [expected.mean(), *expected]]
    title = row.find_elements("css selector", "td")[1].get_attribute("title")
    n_genes = table.query("method == 'ridge' and metric == 'pcc' and dataset == 'planted'")["n_genes"].item()
    assert f"n = {n_genes} genes, 1 rotations x 1 seeds" in title
    assert "95 % interval" in title


def test_the_paragraph_on_top_and_the_places_are_the_statistics(shown, results):
    from stbench.board.collect import collect
    from stbench.board.comparisons import overall
    from stbench.board.words import in_words
    from stbench.runs.results import Results

    board = collect(Results.open(results))
    assert shown.find_element("id", "words").text == " ".join(in_words(board))
    heads = [text.replace("\n", " ") for text in texts(shown, "#ranks thead th")]
    table = overall(board)
    for line in shown.find_elements("css selector", "#ranks tbody tr"):
        cells = dict(zip(heads, [cell.text for cell in line.find_elements("xpath", "./*")], strict=True))
        name = cells["Method"]
        expected = table.xs(name, level="method").iloc[0]
        assert cells["Mean pcc"] == f"{expected['mean']:.3f}"
        assert cells["Interval"] == f"{expected['low']:.3f} to {expected['high']:.3f}"
        assert cells["Group"] == f"{expected['group']:.0f}"
        assert cells["Place"] in ("1", "2")


def test_the_cost_plot_names_its_methods_in_the_legend(shown):
    assert sorted(texts(shown, "#cost_predict_s .legendtext")) == ["knn", "ridge"]


def test_reported_figures_stand_apart_from_the_ranking(shown):
    reported = shown.find_element("id", "reported")
    for details in reported.find_elements("css selector", "details"):
        shown.execute_script("arguments[0].open = true", details)
    row = next(r for r in reported.find_elements("css selector", "tr") if r.text.startswith("CausalGeD "))
    assert "0.836 ± 0.034" in row.text
    assert "Measured on this board: 0 of its pairs" in reported.text
    assert "CausalGeD" not in texts(shown, "#ranks th")


def test_the_gene_browser_changes_its_maps(shown):
    def first_map():
        return shown.execute_script("return document.querySelector('#maps .map').data[0].marker.color.join()")

    def captions():
        return texts(shown, "#maps figcaption")

    assert len(captions()) == 3  # the truth and two methods; controls are left out
    truth, names = first_map(), captions()
    genes = shown.execute_script("return [...document.getElementById('gene').options].map((o) => o.text)")
    choose(shown, "gene", genes[1])
    assert captions()[0] == f"{genes[1]}, truth"
    assert first_map() != truth
    assert captions() != names
    choose(shown, "mapset", "simulated")
    assert captions()[0] != f"{genes[1]}, truth"


def test_panels_show_cards_parameters_and_provenance(shown):
    for details in shown.find_elements("css selector", "details"):
        shown.execute_script("arguments[0].open = true", details)
    methods = shown.find_element("id", "methods").text
    assert "n_neighbors" in methods or "k =" in methods
    assert "1 of 1" in methods  # runs per dataset
    assert re.search(r"alpha: [\d.]+ \(\d run", methods)  # what ridge chose
    provenance = shown.find_element("id", "provenance").text
    assert "stbench" in provenance
    assert "--limit cells=60" in provenance
    assert len(shown.find_elements("css selector", "#runs tbody tr")) == 6  # 3 methods on 2 datasets
    assert "spots raw" in shown.find_element("id", "datasets").text


def test_downloads_hold_the_board(shown):
    import base64

    links = {a.text: a.get_attribute("href") for a in shown.find_elements("css selector", ".downloads a")}
    assert sorted(links) == ["leaderboard.csv", "leaderboard.json", "table1.tex"]
    content = {name: base64.b64decode(uri.split(",", 1)[1]).decode() for name, uri in links.items()}
    assert content["leaderboard.csv"].startswith("dataset,method,")
    assert {row["method"] for row in json.loads(content["leaderboard.json"])["rows"]} >= {
        "ridge",
        "knn",
        "mean",
    }
    assert "\\begin{tabular}" in content["table1.tex"]


@pytest.fixture
def phone(shown):
    """The page on the screen of a phone."""
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    shown.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    shown.refresh()
    wait(shown, lambda: shown.execute_script("return document.body.dataset.ready"))
    yield shown
    shown.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def box(browser, selector):
    """The place of an element on the screen."""
    code = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
    return browser.execute_script(code, selector)


def test_a_phone_scrolls_down_only(phone):
    for opened in (False, True):
        phone.execute_script(
            "for (const d of document.querySelectorAll('details')) d.open = arguments[0]", opened
        )
        assert phone.execute_script("return document.documentElement.scrollWidth") <= 390


def test_a_phone_shows_the_headline_at_first_and_a_legend(phone):
    heads = [text.replace("\n", " ") for text in texts(phone, "#ranks thead th")]
    cell = box(phone, f"#ranks tbody tr td:nth-child({heads.index('Mean pcc') + 1})")
    assert 0 < cell["right"] <= 390
    assert cell["bottom"] <= 844
    assert sorted(texts(phone, "#legend button")) == ["ceiling", "knn", "oracle", "ridge"]
    assert len(phone.find_elements("css selector", "#legend svg.dot")) == 4


def test_a_phone_shows_the_details_of_a_touched_cell(phone):
    for table in ("heat", "matrix"):
        cell = phone.find_element("css selector", f"#{table} tbody td[title]")
        phone.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
        cell.click()
        wait(phone, lambda: phone.find_element("id", "detail").is_displayed())
        assert phone.find_element("id", "detail").text == cell.get_attribute("title")
        place = box(phone, "#detail")
        assert 0 <= place["left"] <= place["right"] <= 390
        assert 0 < place["top"] < place["bottom"] <= 844


CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgb = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = (c) => c.slice(0, 3).map((x) => x / 255)
  .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
  .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, parent = node.parentElement;
  if (!node.data.trim() || parent.matches("script, style") || !parent.checkVisibility()) continue;
  const style = getComputedStyle(parent);
  const text = rgb(parent.closest("svg") ? style.fill : style.color);
  const behind = [];
  for (let e = parent; e && !behind.length; e = e.parentElement) {
    const own = getComputedStyle(e);
    const bar = own.backgroundImage.match(/(?:rgb|color)\\([^)]*\\)/);
    if (bar && e.classList.contains("bar")) behind.push(rgb(bar[0]));
    const flat = rgb(own.backgroundColor);
    if (flat[3] === 255) behind.push(flat);
  }
  for (const back of behind) found.push([ratio(text, back), node.data.trim(), String(back)]);
}
return found.sort((a, b) => a[0] - b[0]);
"""


def test_pictures_are_taken_on_every_screen(browser, real_page, tmp_path):
    from PIL import Image

    script = Path(__file__).parents[2] / "tools" / "take_pictures.py"
    if not script.is_file():
        pytest.skip("needs the tools folder of the checkout")
    tool = runpy.run_path(str(script))
    try:
        for screen, (width, height, _) in tool["SCREENS"].items():
            view, whole = tool["take"](browser, real_page, tmp_path / screen, screen)
            assert Image.open(view).size == (width, height)
            assert Image.open(whole).size[1] > 3 * height
            corner = Image.open(view).convert("L").getpixel((2, 2))
            assert corner < 60 if screen == "dark" else corner > 200
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_every_text_can_be_read_in_both_themes(shown):
    def scheme(value):
        wish = {"features": [{"name": "prefers-color-scheme", "value": value}]}
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)

    def looks():
        shown.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
        found = shown.execute_script(CONTRAST)
        assert len(found) > 300
        assert found[0][0] >= 4.5, found[:5]
        return shown.execute_script("return getComputedStyle(document.body).backgroundColor")

    try:
        scheme("light")
        light = looks()
        scheme("dark")
        wait(shown, lambda: shown.execute_script("return document.documentElement.className") == "dark")
        dark = looks()
        assert dark != light
        shown.find_element("id", "theme").click()  # the reader's choice, and it is remembered
        assert looks() == light
        shown.refresh()
        wait(shown, lambda: shown.execute_script("return document.body.dataset.ready"))
        assert looks() == light
    finally:
        shown.execute_script("localStorage.removeItem('theme')")
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert shown.get_log("browser") == []


def test_the_keyboard_alone_reaches_everything(shown):
    from selenium.webdriver import ActionChains, Keys

    def press(*keys):
        for key in keys:
            ActionChains(shown).send_keys(key).perform()

    def focused():
        return shown.switch_to.active_element

    def tab_to(selector):
        for _ in range(60):
            press(Keys.TAB)
            if focused().get_attribute("outerHTML") and shown.execute_script(
                "return document.activeElement.matches(arguments[0])", selector
            ):
                return
        raise AssertionError(f"The tab key does not reach {selector}.")

    tab_to("a.skip")
    assert box(shown, "a.skip")["left"] >= 0  # it is seen when it is reached
    tab_to("#theme")
    press(Keys.ENTER)
    assert focused().get_attribute("aria-pressed") == "true"
    press(Keys.ENTER)
    tab_to("#metric")
    press(Keys.ARROW_DOWN)
    assert shown.current_url.endswith("#scores?metric=ssim")
    tab_to("#heat td")
    assert shown.find_element("id", "detail").text == focused().get_attribute("title")
    first = focused().get_attribute("title")
    press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    second = focused().get_attribute("title")
    assert "on simulated" in second
    assert first.split(" on ")[0] != second.split(" on ")[0]
    assert shown.find_element("id", "detail").text == second
    press(Keys.ESCAPE)
    assert not shown.find_element("id", "detail").is_displayed()
    tab_to("#matrix td")  # one stop for all cells of the heat map
    tab_to("#legend button")
    press(Keys.SPACE)
    assert focused().get_attribute("aria-pressed") == "false"
    assert shown.execute_script("return document.getElementById('dots').data[0].visible") is False
    tab_to("#methods summary")
    press(Keys.ENTER)
    assert shown.find_element("css selector", "#methods details").get_attribute("open")


def test_the_heat_map_has_the_place_of_every_method_by_metric_and_dataset(shown, results):
    from stbench.board.collect import collect
    from stbench.runs.results import Results

    board = collect(Results.open(results))
    summary = board.summary().query("kind != 'control'")
    heads = texts(shown, "#heat thead tr:first-child th")
    assert heads == ["Method", *board.primary]
    for line in shown.find_elements("css selector", "#heat tbody tr"):
        name, *places = [cell.text for cell in line.find_elements("xpath", "./*")]
        expected = []
        for metric in board.primary:
            best = board.metrics[metric].best
            for dataset, _ in board.columns:
                here = summary[(summary["metric"] == metric) & (summary["dataset"] == dataset)]
                ranks = here.set_index("method")["mean"].rank(ascending=best == "low", method="min")
                expected.append(f"{ranks[name]:.0f}")
        assert places == expected


def test_one_number_is_one_value_everywhere(browser, make_board, tmp_path):
    """Means that change when they are rounded twice, and halves, which Python and JavaScript round apart."""
    means = {"a": 0.4104999, "b": 0.3125 / 5, "c": 0.31250001, "d": -0.0001}
    assert len({f"{round(x, 4):.3f}" == f"{x:.3f}" for x in means.values()}) == 2
    runs = [
        (
            dataset,
            "",
            name,
            "method",
            "paper",
            {"pcc": [x, x], "ssim": [x, x], "rmse": [1, 1], "js": [1, 1]},
            "",
        )
        for dataset in ("brain", "heart")
        for name, x in means.items()
    ]
    board = make_board(runs)
    (tmp_path / "index.html").write_text(page(board))
    shown = show(browser, tmp_path / "index.html")
    heads = texts(shown, "#ranks thead th")
    place = [head.replace("\n", " ") for head in heads].index("Mean pcc") + 1
    for name, mean in means.items():
        text = f"{mean:z.3f}"
        row = f"//table[@id='{{}}']/tbody/tr[th[normalize-space()='{name}']]"
        ranking = shown.find_element("xpath", row.format("ranks") + f"/*[{place}]").text
        cells = [one.text for one in shown.find_elements("xpath", row.format("matrix") + "/td")]
        titles = [
            one.get_attribute("title")
            for one in shown.find_elements("xpath", row.format("heat") + "/td[position() <= 2]")
        ]
        assert {ranking, *cells} == {text}
        assert [f"· mean pcc {text} ·" in title for title in titles] == [True, True]
    numbers = shown.execute_script("return JSON.parse(document.getElementById('data').textContent)")
    assert {cell[2] for cell in numbers["cells"]["pcc"]} == set(means.values())  # all digits
    words = shown.find_element("id", "words").text
    assert f"its mean pcc over 2 datasets is {means['a']:.3f}" in words


def test_columns_without_a_value_are_left_out(browser, make_board, tmp_path):
    values = {"pcc": [0.3, 0.5], "ssim": [0.1, 0.1], "rmse": [1.0, 1.2], "js": [0.1, 0.3]}
    board = make_board([("brain", "", name, "method", "cpu", values, "") for name in ("a", "b")])
    board.runs["predict_s"] = None
    (tmp_path / "index.html").write_text(page(board))
    shown = show(browser, tmp_path / "index.html")
    heads = [text.replace("\n", " ") for text in texts(shown, "#ranks thead th")]
    assert heads[:4] == ["Place", "Method", "AS", "Mean pcc"]
    assert not {"Method, s", "Why not ranked", "Share of the ceiling"} & set(heads)


def test_names_and_reasons_from_strangers_are_text(browser, make_board, tmp_path):
    values = {"pcc": [0.3, 0.5], "rmse": [1.0, 1.2]}
    runs = [
        (EVIL, "", EVIL, "method", "cpu", values, ""),
        (EVIL, "", "b", "method", EVIL, values, ""),
        (EVIL, "", "c", "method", "cpu", "failed", EVIL),
    ]
    board = make_board(runs)
    (tmp_path / "index.html").write_text(page(board))
    shown = show(browser, tmp_path / "index.html")
    assert f"{EVIL} [cpu]" in texts(shown, "#ranks tbody th")
    assert EVIL in shown.find_element("id", "failures").text
    assert shown.execute_script("return document.querySelector('img[src=x]')") is None
    assert shown.execute_script("return document.body.dataset.hacked") is None
    assert shown.get_log("browser") == []


def test_a_board_of_scores_alone_has_a_page(wide_board, browser, tmp_path):
    (tmp_path / "index.html").write_text(page(replace(wide_board, origin="published.csv")))
    shown = show(browser, tmp_path / "index.html")
    assert "published.csv: stbench ran none of these methods" in shown.find_element("class name", "lead").text
    assert "hidden values were not in its process" not in shown.page_source
    assert "scores alone" in shown.find_element("id", "provenance").text
    assert "not run" in texts(shown, "#matrix td.missing")
    assert shown.get_log("browser") == []
