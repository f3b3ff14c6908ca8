"""Photographs the web page: on a desktop, in the dark, and on a phone.

Run: ``python docs/making/page.py``. Needs Chromium and its driver (Debian: chromium, chromium-driver), and the
development tools. Writes ``docs/images/page-*.webp``.
"""

import base64
import io
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "anhinga.png"
VIEWS = {
    "page-desktop": {"width": 1280, "height": 1010, "deviceScaleFactor": 1, "mobile": False},
    "page-dark": {"width": 1280, "height": 1010, "deviceScaleFactor": 1, "mobile": False},
    "page-phone": {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
}


def start_browser(folder: Path) -> webdriver.Chrome:
    """Chromium without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={folder}")
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def wait(browser: webdriver.Chrome, condition: str) -> None:
    """Until an expression in the page is true."""
    WebDriverWait(browser, 300).until(lambda driver: driver.execute_script(f"return Boolean({condition})"), condition)


def photograph(browser: webdriver.Chrome, address: str, name: str) -> None:
    """The page with one finished picture."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", VIEWS[name])
    scheme = {"name": "prefers-color-scheme", "value": "dark" if name == "page-dark" else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": address, "storageTypes": "all"})
    browser.get(address)
    wait(browser, "document.querySelector('#nlc-limits')?.textContent")
    browser.find_element(By.ID, "nlc-files").send_keys(str(PHOTO))
    wait(browser, "!document.querySelector('#nlc-go').disabled")
    browser.find_element(By.ID, "nlc-go").click()
    wait(browser, "!document.querySelector('#nlc-viewer').hidden && !document.querySelector('#nlc-reading').hidden")
    time.sleep(3)  # tiles arrive
    if name == "page-dark":
        browser.find_element(By.ID, "nlc-whole").click()
        time.sleep(2)
    browser.execute_script("scrollTo(0, 0)")
    data = base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])
    Image.open(io.BytesIO(data)).convert("RGB").save(ROOT / "docs" / "images" / f"{name}.webp", quality=86, method=6)


def main() -> None:
    """Start a server, and photograph its page three times."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "nlcunet", "serve", "--port", "0", "--folder", f"{folder}/served"]
        log = Path(folder, "log")
        with log.open("w", encoding="utf-8") as file:
            server = subprocess.Popen(command, stderr=file)
        try:
            while "startup complete" not in log.read_text(encoding="utf-8"):
                time.sleep(0.1)
            address = log.read_text(encoding="utf-8").split()[0] + "/"
            for name in VIEWS:
                browser = start_browser(Path(folder, name))
                photograph(browser, address, name)
                browser.quit()
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()
