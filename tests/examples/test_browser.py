"""The page that enlarges in the browser gives the picture that the program with ONNX Runtime gives.

Needs Chromium, and in ``$ORT_WEB`` the folder ``dist`` of onnxruntime-web; without them it is skipped.
"""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from .test_onnx_tiles import SCRIPT, picture

PAGE = SCRIPT.parent / "browser"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FILES = re.findall(r"`(ort[\w.-]+)`", (PAGE / "README.md").read_text(encoding="utf-8"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(exported, tmp_path):
    for path in [PAGE / "index.html", *(Path(os.environ["ORT_WEB"], name) for name in FILES)]:
        shutil.copy(path, tmp_path)
    shutil.copy(exported, tmp_path / "s.onnx")
    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield browser
    browser.quit()


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium is not installed")
@pytest.mark.skipif("ORT_WEB" not in os.environ, reason="ORT_WEB does not name the files of onnxruntime-web")
def test_it_gives_the_same_picture(address, browser, example, exported, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    low_res = picture(150, 131)
    Image.fromarray(low_res).save(tmp_path / "a.png")
    browser.get(address)
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "a.png"))
    said = browser.find_element(By.ID, "state")
    WebDriverWait(browser, 60).until(lambda _: said.text.startswith(("done", "failed")))
    assert said.text == "done: 262×300"
    values = browser.execute_script(
        "const c = document.getElementById('result');"
        "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    )
    shown = np.array(values).reshape(300, 262, 4)[..., :3]
    example.TILE = 128
    want = example.enlarge(onnxruntime.InferenceSession(exported), low_res).astype(int)
    assert want.std() > 5
    assert np.abs(shown - want).max() <= 1


def test_the_page_asks_no_other_host():
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert "://" not in text
    assert re.findall(r'src="([^"]+)"', text) == [FILES[0]]
