"""The page in a real browser: a whole study from drawn pictures to scores, by keyboard, by touch and by mouse."""

import io
import json
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image

from nlcunet.experiments.study.answers import Answer
from nlcunet.experiments.study.assembly import make_study
from nlcunet.experiments.study.desk import Desk
from nlcunet.experiments.study.folder import ANSWERS, read_study
from nlcunet.experiments.study.journal import read_lines
from nlcunet.experiments.study.server import make_app
from nlcunet.experiments.study.sessions import plan_session
from nlcunet.server.run import bind

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


class Served:
    """``nlcunet study serve`` as a program of its own, on a free port."""

    def __init__(self, folder: Path, *flags: str, port: int = 0) -> None:
        command = [sys.executable, "-m", "nlcunet", "study", "serve", str(folder), "--port", str(port), *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), self.process.stderr.read()

    @property
    def port(self) -> int:
        return int(self.address.rstrip("/").rpartition(":")[2])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(90)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def serve():
    """Starts servers, and ends those that still run."""
    running = []

    def start(folder: Path, *flags: str, port: int = 0) -> Served:
        running.append(Served(folder, *flags, port=port))
        return running[-1]

    yield start
    for served in running:
        if served.process.returncode is None:
            served.stop()


@pytest.fixture
def serve_here():
    """Serves studies in threads of this process, which start faster."""
    running = []

    def start(folder: Path) -> str:
        study = read_study(folder)
        desk = Desk(folder, study)
        server = uvicorn.Server(uvicorn.Config(make_app(folder, study, desk), log_level="warning"))
        listener = bind("127.0.0.1", 0)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        running.append((server, thread, desk, listener))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    for server, thread, desk, listener in running:
        server.should_exit = True
        thread.join(20)
        desk.close()
        listener.close()


@pytest.fixture
def make(tmp_path, pictures, sources, design):
    """Makes a study with changes to the usual design."""

    def make(*, shows_input=False, **changes) -> Path:
        own = replace(sources, low_res=pictures / "low_res") if shows_input else sources
        make_study(tmp_path / "made", own, replace(design, **changes))
        return tmp_path / "made"

    return make


def start_browser(profile: Path, *flags: str):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """One browser for nearly all tests of this file."""
    browser = start_browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture
def page(driver):
    """The browser with everything forgotten."""
    yield Page(driver)
    driver.get("about:blank")


class Page:
    """What tests do with the page."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def open(self, address, width=1200, height=800, ratio=1.0, *, touch=False, forget=True):
        metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": touch}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        if forget:
            origin = {"origin": address.split("#", maxsplit=1)[0], "storageTypes": "all"}
            self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", origin)
        self.driver.get("about:blank")
        self.driver.get(address)
        self.wait("document.querySelector('main:not([hidden])')")

    def wait(self, condition, seconds=90):
        """Until an expression in the page is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(
            lambda driver: driver.execute_script(f"return Boolean({condition})"), condition
        )

    def get(self, expression):
        return self.driver.execute_script(f"return {expression}")

    def shown(self):
        return self.get("document.querySelector('main:not([hidden])').id")

    def find(self, name):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.ID, name)

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def wait_for_trial(self, number):
        """Until a trial is on the screen and takes an answer."""
        self.wait(
            f"state.trial && state.trial.trial === {number} && !state.isBusy "
            "&& performance.now() - state.shownAt > GUARD_MS"
        )

    def tap(self, name):
        """Touch the middle of an element with a finger."""
        box = self.get(f"find('{name}').getBoundingClientRect().toJSON()")
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screen(self):
        """Pixels of the window."""
        return np.asarray(Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB"))

    def check_pixels(self, folder):
        """See that both pictures are on the screen as they are in their files, enlarged by the whole zoom."""
        screen = self.screen()
        zoom, ratio = self.get("[state.zoom, devicePixelRatio]")
        for name in ("left-picture", "right-picture"):
            address, box = self.get(f"[find('{name}').src, find('{name}').getBoundingClientRect().toJSON()]")
            file = folder / "pictures" / address.rpartition("/")[2]
            expected = np.asarray(Image.open(file).convert("RGB")).repeat(zoom, axis=0).repeat(zoom, axis=1)
            top, left = round(box["top"] * ratio), round(box["left"] * ratio)
            shown = screen[top : top + expected.shape[0], left : left + expected.shape[1]]
            np.testing.assert_array_equal(shown, expected)


def answers_of(folder):
    return read_lines(folder / ANSWERS, Answer)


@needs_browser
def test_two_whole_sessions_and_their_analysis(page, serve, study_folder):
    wishes = [[wish(trial) for trial in plan_session(read_study(study_folder), number)] for number in range(2)]
    total = len(wishes[0])
    served = answer_by_keyboard(page, serve, study_folder, wishes[0])
    answer_by_touch(page, served, wishes[1])

    answers = answers_of(study_folder)
    names = tuple(dict.fromkeys(answer.participant for answer in answers))
    for name, expected, width in zip(names, wishes, (1200, 390), strict=True):
        own = [answer for answer in answers if answer.participant == name]
        assert [answer.trial for answer in own] == list(range(total))
        assert [answer.choice for answer in own] == expected
        assert {answer.client_width for answer in own} == {width}
        assert all(150 < answer.time_ms < 60_000 for answer in own)
    allowed = ("Failed to load resource", "ERR_CONNECTION_REFUSED")  # while there was no server
    assert [text for text in page.complaints() if not any(word in text for word in allowed)] == []

    flags = ["--keep-all", "--json", "found.json"]
    found = subprocess.run(
        [sys.executable, "-m", "nlcunet", "study", "analyse", str(study_folder), *flags],
        cwd=study_folder.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 joined, 2 answered, 0 excluded, 2 counted (2 of them to the end)" in found.stdout
    scores = json.loads((study_folder.parent / "found.json").read_text(encoding="utf-8"))["scores"]
    assert [score["system"] for score in scores] == ["half", "bicubic", "nearest"]


def answer_by_keyboard(page, serve, folder, wishes):
    """A desktop, keyboard alone; in the middle the server is killed, and the page left and opened again."""
    from selenium.webdriver.common.keys import Keys

    keys = {"left": [Keys.ARROW_LEFT, "1"], "right": [Keys.ARROW_RIGHT, "2"]}
    served = serve(folder)
    page.open(served.address)
    assert page.shown() == "welcome"
    assert page.find("count").text == str(len(wishes))
    page.press(Keys.TAB, Keys.ENTER)  # the only thing to reach is the button
    for number in range(5):
        page.wait_for_trial(number)
        page.press(keys[wishes[number]][number % 2])
    page.wait_for_trial(5)
    assert page.find("progress-text").text == f"6 of {len(wishes)}"
    served.stop(signal.SIGKILL)
    assert len(answers_of(folder)) == 5
    page.press(keys[wishes[5]][0])
    page.wait("find('status').textContent.includes('could not be saved yet')")
    served = serve(folder, port=served.port)
    page.wait_for_trial(6)
    assert not page.get("find('status').textContent")
    page.open(served.address, forget=False)
    for number in range(6, len(wishes)):
        page.wait_for_trial(number)
        if number % 3 == 0:  # Enter and space work, too, on the picture that has the focus
            page.get(f"find('{wishes[number]}').focus()")
            page.press(Keys.ENTER if number % 2 else Keys.SPACE)
        else:
            page.press(keys[wishes[number]][number % 2])
    page.wait("!find('finished').hidden")
    page.open(served.address, forget=False)
    assert page.shown() == "finished"
    return served


def answer_by_touch(page, served, wishes):
    """A phone, by touch."""
    page.open(served.address, width=390, height=844, ratio=3, touch=True)
    page.tap("start")
    for number, side in enumerate(wishes):
        page.wait_for_trial(number)
        page.tap(side)
    page.wait("!find('finished').hidden")


ORDER = ("worse", "nearest", "bicubic", "half", "better")


def wish(trial):
    """The side of somebody who knows what they like."""
    return "left" if ORDER.index(trial.left) > ORDER.index(trial.right) else "right"


@needs_browser
@pytest.mark.parametrize(
    ("window", "arrangement"),
    [((1200, 800), [2, False]), ((801, 333), [2, False]), ((300, 620), [2, True]), ((200, 420), [1, True])],
)
def test_the_arrangement_with_the_larger_pictures_is_taken(page, serve_here, make, window, arrangement):
    folder = make(crop_px=96, crops_per_image=1)
    page.open(serve_here(folder), *window)
    page.get("find('start').click()")
    page.wait_for_trial(0)
    assert page.get("[state.zoom, isStacked()]") == arrangement
    assert page.get("[view().scrollWidth <= view().clientWidth, scrolls()]") == [True, False]
    page.check_pixels(folder)


@needs_browser
@pytest.mark.parametrize(
    ("ratio", "window", "arrangement"),
    [(1.25, (1301, 777), [2, False]), (1.5, (801, 333), [3, False]), (3, (390, 844), [6, True])],
)
def test_nothing_is_interpolated_on_any_screen(serve_here, make, ratio, window, arrangement):
    """With browsers of their own: Chromium draws a ratio that it emulates less exactly than a real one."""
    folder = make(crop_px=96, crops_per_image=1)
    driver = start_browser(folder.parent / "profile", f"--force-device-scale-factor={ratio}", "--window-size=1400,1000")
    try:
        page = Page(driver)
        page.open(serve_here(folder), *window, ratio=0)
        page.get("find('start').click()")
        page.wait_for_trial(0)
        assert page.get("devicePixelRatio") == ratio
        assert page.get("[state.zoom, isStacked()]") == arrangement
        page.check_pixels(folder)
    finally:
        driver.quit()


@needs_browser
def test_references_stand_above_and_a_narrow_window_scrolls(page, serve_here, make):
    address = serve_here(make(shows_original=True, shows_input=True))
    page.open(address)
    page.get("find('start').click()")
    page.wait_for_trial(0)
    assert page.find("question").text == "Which picture looks more like the original?"
    captions = page.get("[...document.querySelectorAll('figcaption')].map((one) => one.textContent)")
    assert captions == ["Input", "Original"]
    bottoms = page.get("[...document.querySelectorAll('figure img')].map((one) => one.getBoundingClientRect().bottom)")
    assert max(bottoms) < page.get("find('left-picture').getBoundingClientRect().top")
    sides = page.get("[...document.querySelectorAll('#stage img')].map((one) => one.offsetWidth)")
    assert sides == [64] * 4
    page.open(address, 60, 120, forget=False)
    page.wait_for_trial(0)
    assert page.get("[state.zoom, isStacked(), scrolls()]") == [1, True, True]


@needs_browser
def test_hasty_double_and_foreign_input_answers_nothing(page, serve_here, study_folder):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    address = serve_here(study_folder)
    page.open(address)
    page.get("find('start').click()")
    page.wait_for_trial(0)
    ActionChains(page.driver).double_click(page.find("left")).perform()
    page.wait_for_trial(1)
    page.press("3", "x", Keys.ARROW_UP)
    for modifier in (Keys.CONTROL, Keys.ALT, Keys.META):
        ActionChains(page.driver).key_down(modifier).send_keys("1").key_up(modifier).perform()
    page.get("document.dispatchEvent(new KeyboardEvent('keydown', {key: '1', repeat: true}))")
    assert len(answers_of(study_folder)) == 1
    page.press("2")
    page.wait_for_trial(2)
    assert [answer.choice for answer in answers_of(study_folder)] == ["left", "right"]


@needs_browser
def test_the_next_pair_is_loaded_ahead_and_nothing_from_elsewhere(page, serve_here, study_folder):
    address = serve_here(study_folder)
    page.open(address)
    page.get("find('start').click()")
    page.wait_for_trial(0)
    with urllib.request.urlopen(f"{address}api/participants/{page.get('state.participant')}", timeout=20) as response:
        ahead = json.load(response)["next"]
    page.wait(f"loaded.has('{ahead['left']}') && loaded.has('{ahead['right']}')")
    loaded = page.get("performance.getEntriesByType('resource').map((one) => one.name)")
    assert {address.rstrip("/") + ahead[side] for side in ("left", "right")} <= set(loaded)
    assert all(one.startswith((address, "data:")) for one in loaded)


@needs_browser
@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_colours_follow_the_system_and_are_neutral(page, serve_here, study_folder, scheme, is_dark):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        page.open(serve_here(study_folder))
        corner = page.screen()[-1, -1]
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(set(corner.tolist())) == 1
    assert (corner[0] < 64) == is_dark
    assert (corner[0] > 192) != is_dark


@needs_browser
def test_two_windows_of_one_participant_stay_in_step(page, serve_here, study_folder):
    address = serve_here(study_folder)
    page.open(address)
    page.get("find('start').click()")
    page.wait_for_trial(0)
    body = dict.fromkeys(("time_ms", "client_width", "client_height", "device_pixel_ratio", "zoom"), 900)
    body["device_pixel_ratio"] = 1
    for trial in range(2):  # the other window
        post(
            f"{address}api/answers",
            body | {"participant": page.get("state.participant"), "trial": trial, "choice": "left"},
        )
    page.press("2")  # too late: the first answer counted
    page.wait_for_trial(2)
    assert [answer.choice for answer in answers_of(study_folder)] == ["left", "left"]


def post(address, body):
    """Send JSON, get JSON."""
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


@needs_browser
def test_invitations(page, serve, study_folder):
    served = serve(study_folder, "--participants", "2")
    links = [served.process.stdout.readline().strip() for _ in range(2)]
    page.open(served.address)
    assert page.shown() == "refused"
    page.open(links[1])
    assert page.shown() == "welcome"
    page.get("find('start').click()")
    page.wait_for_trial(0)
    page.press("1")
    page.wait_for_trial(1)
    page.open(links[1])  # another device: the link alone is enough
    page.wait_for_trial(1)
    assert links[1].endswith(f"#invitation={answers_of(study_folder)[0].participant}")


@needs_browser
def test_an_old_invitation_to_an_open_study_is_gone_on_with(page, serve_here, study_folder):
    address = f"{serve_here(study_folder)}#invitation=old"
    page.open(address)
    page.get("find('start').click()")
    page.wait_for_trial(0)
    page.press("1")
    page.wait_for_trial(1)
    page.open(address, forget=False)
    page.wait_for_trial(1)


@needs_browser
def test_readers_are_told_what_is_what(page, serve_here, study_folder):
    address = serve_here(study_folder)
    page.open(address)
    page.get("find('start').click()")
    page.wait_for_trial(0)
    total = page.get("state.study.trials")
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    told = {
        (node.get("role", {}).get("value"), node.get("name", {}).get("value")) for node in nodes if not node["ignored"]
    }
    assert ("heading", "Which picture looks better?") in told
    assert ("group", "Which picture looks better?") in told
    assert {("button", "Left picture"), ("button", "Right picture")} <= told
    assert ("progressbar", "Comparisons answered") in told
    assert page.get("document.activeElement.id") == "question"
    assert page.get("find('announcement').textContent") == f"Pair 1 of {total}"


def test_no_answer_is_lost_when_the_server_is_killed(serve, study_folder):
    """Without a browser: kill -9 right after each of several confirmed answers."""
    body = {"client_width": 1, "client_height": 1, "device_pixel_ratio": 1, "zoom": 1, "time_ms": 800, "choice": "left"}
    port, name = 0, None
    for trial in range(3):
        served = serve(study_folder, port=port)
        port = served.port
        name = name or post(f"{served.address}api/participants", {})["participant"]
        standing = post(f"{served.address}api/answers", body | {"participant": name, "trial": trial})
        assert served.stop(signal.SIGKILL) == -signal.SIGKILL
        assert standing["done"] == trial + 1 == len(answers_of(study_folder))


def test_ctrl_c_ends_the_server_and_says_what_came(serve, study_folder):
    served = serve(study_folder)
    served.process.send_signal(signal.SIGINT)
    _, told = served.process.communicate(timeout=20)
    assert served.process.returncode == 130
    assert "0 participants, 0 answers in" in told
    assert "Traceback" not in told
