"""The page in a real browser: nothing loaded, nothing logged, sorted by keyboard, as narrow as a phone."""

import json
import shutil

import pytest

CHROMIUM, DRIVER = (shutil.which(program) for program in ("chromium", "chromedriver"))
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromedriver are not installed (Debian: chromium-driver)"
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser that keeps a log of its console and of what it asks for."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def open_page(chromium, make_records, make_report, tmp_path):
    """Opens a page of three systems at a size of the window."""
    path = make_records(images=3, kernels=2, keep=True, systems=("bicubic", "sharpened", "grey"))
    page = tmp_path / "report.html"
    page.write_text(make_report(path, crop_px=32, places=2), encoding="utf-8")

    def open_at(width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chromium.get_log("performance")  # what the browser did before is of no concern
        chromium.get(page.as_uri())
        return chromium

    return open_at


def column(browser, table, number):
    rows = "document.querySelectorAll('table')[arguments[0]].tBodies[0].rows"
    return browser.execute_script(f"return [...{rows}].map(row => row.cells[arguments[1]].innerText)", table, number)


@needs_browser
def test_the_page_is_quiet_and_its_tables_sort_by_keyboard(open_page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser = open_page(1200, 900)
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    assert addresses
    assert [address for address in addresses if not address.startswith(("file:", "data:"))] == []
    assert browser.get_log("browser") == []

    before = column(browser, 0, 0)
    head = browser.find_element(By.CSS_SELECTOR, "thead th:nth-child(2)")
    button = head.find_element(By.TAG_NAME, "button")
    browser.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    values = [float(cell.split()[0]) for cell in column(browser, 0, 1)]
    assert values == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    assert column(browser, 0, 0) != before
    button.send_keys(Keys.SPACE)
    assert [float(cell.split()[0]) for cell in column(browser, 0, 1)] == sorted(values)
    assert head.get_attribute("aria-sort") == "ascending"

    crop = browser.find_element(By.CSS_SELECTOR, "img[data-output]")
    original = browser.find_element(By.CSS_SELECTOR, "img[data-original]").get_attribute("src")
    own = crop.get_attribute("src")
    assert own != original
    browser.execute_script("arguments[0].parentNode.dispatchEvent(new PointerEvent('pointerdown'))", crop)
    assert crop.get_attribute("src") == original
    browser.execute_script("arguments[0].parentNode.dispatchEvent(new PointerEvent('pointerup'))", crop)
    assert crop.get_attribute("src") == own

    browser.execute_script(
        "document.querySelector('circle.dot').dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    told = browser.find_elements(By.CSS_SELECTOR, "figure.plot output")
    assert any(one.text.startswith("picture") for one in told)
    assert browser.get_log("browser") == []


@needs_browser
@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_does_not_scroll_sideways(open_page, width):
    browser = open_page(width, 740)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    script = (
        "return [...document.querySelectorAll('.tile img[data-output]')].map(i => i.getBoundingClientRect().width / "
        "i.naturalWidth)"
    )
    zooms = browser.execute_script(script)
    assert zooms
    assert set(zooms) == {2 if width < 600 else 3}
    right = browser.execute_script(
        "return Math.max(...[...document.querySelectorAll('.tile, .plot')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= width
