"""Takes pictures of web pages with headless Chromium, on the screens and in the colours of readers.

python tools/take_pictures.py FOLDER board/index.html docs/_build
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

SCREENS = {  # width, height and colour scheme
    "desktop": (1280, 900, "light"),
    "dark": (1280, 900, "dark"),
    "phone": (390, 844, "light"),
}
LONGEST = 12_000  # pixels of a picture of a whole page
DOCS = (
    "index",
    "install",
    "reading",
    "gallery",
    "board",
    "generated/methods",
    "generated/methods/spage",
    "api",
)


def main() -> None:
    """Pictures of the page on every screen, and of some pages of the docs."""
    out, page, docs = (Path(argument) for argument in sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    browser = opened()
    try:
        for screen in SCREENS:
            take(browser, page, out / f"page_{screen}", screen)
        for name in DOCS:
            take(browser, docs / f"{name}.html", out / f"docs_{name.replace('/', '_')}_desktop", "desktop")
        for screen in ("dark", "phone"):
            take(browser, docs / "board.html", out / f"docs_board_{screen}", screen)
    finally:
        browser.quit()
    print(f"Wrote {len(list(out.glob('*.png')))} pictures into {out}")


def opened() -> Any:
    """Chromium of the system."""
    from shutil import which

    from selenium import webdriver

    program, driver = which("chromium"), which("chromedriver")
    if not (program and driver):
        raise SystemExit("Chromium and its driver are not installed (Debian: chromium-driver).")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def take(browser: Any, page: Path, name: Path, screen: str) -> list[Path]:
    """Two pictures of a page: the first view, and all of it (``NAME_whole.png``)."""
    from selenium.webdriver.support.ui import WebDriverWait

    if not page.is_file():
        raise SystemExit(f"There is no page '{page}'.")
    width, height, scheme = SCREENS[screen]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wish = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)
    browser.get(page.resolve().as_uri())
    ready = "return !document.getElementById('data') || document.body.dataset.ready"  # the page of a board
    WebDriverWait(browser, 120).until(lambda b: b.execute_script(ready))
    whole = min(LONGEST, browser.execute_script("return document.documentElement.scrollHeight"))
    files = []
    for file, shown in ((f"{name}.png", height), (f"{name}_whole.png", whole)):
        clip = {"x": 0, "y": 0, "width": width, "height": shown, "scale": 1}
        found = browser.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
        )
        Path(file).write_bytes(base64.b64decode(found["data"]))
        files.append(Path(file))
    return files


if __name__ == "__main__":
    main()
