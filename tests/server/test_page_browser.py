"""The page in a real browser: pictures in, looked at, and out again; by mouse, by touch, by keyboard."""

import base64
import io
import json
import math
import shutil
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image

from nlcunet.imaging.files import Metadata, Picture, encode_picture
from nlcunet.models.weights import save_weights
from nlcunet.server.app import make_app
from nlcunet.server.keys import add_key
from nlcunet.server.run import bind
from nlcunet.server.settings import ServerSettings
from nlcunet.server.workers import RunningJob

from .conftest import picture_bytes

CHROMIUM, DRIVER = (shutil.which(program) for program in ("chromium", "chromedriver"))
pytestmark = pytest.mark.skipif(
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
OWN = ("data:", "blob:", "chrome:", "chrome-untrusted:", "about:")


class Served:
    """A server in threads of this process, which starts faster than one of its own."""

    def __init__(self, settings: ServerSettings, port: int = 0) -> None:
        self.settings, self.listener = settings, bind("127.0.0.1", port)
        self.port = self.listener.getsockname()[1]
        self.app = make_app(settings)
        self.server = uvicorn.Server(uvicorn.Config(self.app, log_config=None, timeout_graceful_shutdown=5))
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def service(self):
        return self.app.state.service

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        self.listener.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Starts servers, and ends them."""
    running = []

    def start(port=0, folder=None, **changes) -> Served:
        values = {"models": ("bicubic-x2", "bicubic-x4"), "default_model": "bicubic-x2", "tile": 32}
        folder = folder or tmp_path_factory.mktemp("served")
        running.append(Served(ServerSettings(folder=folder, device="cpu", grace_seconds=0.2, **values | changes), port))
        return running[-1]

    yield start
    for served in running:
        if served.thread.is_alive():
            served.stop()


@pytest.fixture(scope="module")
def served(serve):
    """One server for most tests."""
    return serve()


@pytest.fixture
def hold(monkeypatch):
    """Lets each job go on after its first tile only when told to."""
    go, on_tile = threading.Event(), RunningJob.on_tile

    def held(job, done, tiles):
        job.tiles_done, job.tiles = done, tiles
        while not go.is_set() and job.becomes is None:
            time.sleep(0.005)
        on_tile(job, done, tiles)

    monkeypatch.setattr(RunningJob, "on_tile", held)
    yield go
    go.set()


def start_browser(profile: Path):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """One browser for nearly all tests of this file."""
    browser = start_browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture
def page(driver, tmp_path):
    """The browser; in the end it must have asked no other host, and have nothing to complain of."""
    page = Page(driver, tmp_path)
    yield page
    page.leave()
    assert page.foreign() == []
    assert page.complaints() == []


class Page:
    """What tests do with the page."""

    def __init__(self, driver, folder: Path) -> None:
        self.driver, self.folder, self.allowed = driver, folder, ()
        (folder / "down").mkdir(exist_ok=True)
        self.run("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder / "down"))
        self.scheme("light")

    def run(self, command, **values):
        return self.driver.execute_cdp_cmd(command, values)

    def open(self, address, width=1200, height=900, ratio=1.0, *, touch=False, forget=True):
        metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": touch}
        self.run("Emulation.setDeviceMetricsOverride", **metrics)
        self.run("Emulation.setTouchEmulationEnabled", enabled=touch)
        if forget:
            self.forget_tab()
            self.run("Storage.clearDataForOrigin", origin=address, storageTypes="all")
        self.driver.get(address)
        self.wait("document.querySelector('#nlc-limits')?.textContent")

    def forget_tab(self):
        self.driver.execute_script("try { sessionStorage.clear(); } catch { /* a page without any */ }")

    def leave(self):
        self.forget_tab()
        self.driver.get("about:blank")

    def scheme(self, name):
        self.run("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def wait(self, condition, seconds=90):
        """Until an expression in the page is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, poll_frequency=0.03).until(
            lambda driver: driver.execute_script(f"return Boolean({condition})"), condition
        )

    def get(self, expression):
        return self.driver.execute_script(f"return {expression}")

    def find(self, name):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.ID, f"nlc-{name}")

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def choose(self, **files):
        """Choose files by the button's dialog."""
        paths = []
        for name, data in files.items():
            path = self.folder / name.replace("_", ".")
            path.write_bytes(data)
            paths.append(str(path))
        self.find("files").send_keys("\n".join(paths))

    def set(self, name, value):
        """Give a field a value, as somebody does who types or chooses."""
        self.driver.execute_script(
            "const [field, value] = arguments; field.value = value;"
            "field.dispatchEvent(new Event('input', { bubbles: true }))",
            self.find(name),
            value,
        )

    def drop(self, **files):
        """Drop files onto the page."""
        sent = [[name.replace("_", "."), base64.b64encode(data).decode()] for name, data in files.items()]
        self.driver.execute_script(
            """
            const transfer = new DataTransfer();
            for (const [name, data] of arguments[0]) {
              const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
              const kinds = { txt: "text/plain", png: "image/png" };
              transfer.items.add(new File([bytes], name, { type: kinds[name.split(".").pop()] ?? "" }));
            }
            for (const kind of ["dragenter", "dragover", "drop"]) {
              const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
              document.body.dispatchEvent(new DragEvent(kind, options));
            }
            """,
            sent,
        )

    def rows(self):
        """What the rows say, by the names of their pictures."""
        rows = self.get("[...document.querySelectorAll('#nlc-rows li')].map((row) => row.innerText.split('\\n'))")
        return {name: rest for name, *rest in rows}

    def wait_for(self, name, words, seconds=90):
        self.wait(
            f"[...document.querySelectorAll('#nlc-rows li')].some((row) => "
            f"row.innerText.startsWith({json.dumps(name)}) && row.innerText.includes({json.dumps(words)}))",
            seconds,
        )

    def press_in_row(self, name, word):
        self.driver.execute_script(f"""document.querySelector('[aria-label="{word} {name}"]').click()""")

    def wait_for_view(self):
        self.wait("document.querySelector('#nlc-stage').dataset.drawn === 'true'")

    def canvas(self):
        """Pixels of the stage."""
        data = self.get("document.querySelector('#nlc-canvas').toDataURL('image/png')")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB")).astype(int)

    def downloaded(self, name):
        path = self.folder / "down" / name
        for _ in range(400):
            if path.exists() and not list(path.parent.glob("*.crdownload")):
                return path.read_bytes()
            time.sleep(0.02)
        raise AssertionError(f"{name} did not come: {list(path.parent.iterdir())}")

    def touch(self, *points):
        """Fingers that come down, move along their points together, and go."""
        kinds = ["touchStart", *["touchMove"] * (len(points) - 1)]
        for kind, fingers in zip(kinds, points, strict=True):
            self.run("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in fingers])
        self.run("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def complaints(self):
        messages = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in messages if not any(word in message for word in self.allowed)]

    def foreign(self):
        """What was asked of other hosts."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        addresses = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        return [address for address in addresses if not address.startswith(("http://127.0.0.1:", *OWN))]


def detailed(height, width):
    """A picture with detail at every place, as PNG."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(rows / (3 + band)) * np.cos(columns / (5 - band)) for band in range(3)]
    pixels = np.ascontiguousarray(np.stack(waves, axis=-1).astype(np.uint8))
    return encode_picture(Picture(pixels=pixels, metadata=Metadata()), file_format="png")


def test_a_picture_goes_in_is_compared_and_comes_out_as_by_rest(page, served):
    page.open(served.address)
    data = detailed(300, 400)
    page.drop(photo_png=data)
    page.wait_for("photo.png", "400 × 300 → 800 × 600")
    assert page.find("go").text == "Enlarge 1 picture"
    page.find("go").click()
    page.wait_for("photo.png", "Done in")
    page.wait_for_view()
    page.wait("!document.querySelector('#nlc-reading').hidden")
    assert page.find("taken").text.endswith("enlarged with bicubic-x2.")
    assert page.find("reading").text.split("\n")[::2] == ["Blur", "Noise", "JPEG"]
    page.find("whole").click()
    page.wait_for_view()
    assert page.find("zoom").text == "100 %"
    page.press_in_row("photo.png", "Download")
    result = page.downloaded("photo_x2.png")
    (job,) = (served.service.find(one) for one in page.get("JSON.parse(localStorage['nlcunet-jobs'])"))
    assert result == served.service.result(job).read_bytes()
    check_pixels(page, np.asarray(Image.open(io.BytesIO(result)).convert("RGB")).astype(int))


def test_the_left_side_shows_what_the_network_brought(page, served):
    page.open(served.address)
    page.choose(photo_png=detailed(300, 400))
    page.find("go").click()
    page.wait_for("photo.png", "Done in")
    page.press_in_row("photo.png", "Compare")
    page.wait_for_view()
    page.find("whole").click()
    shown = {}
    for left, word in (
        ("plain", "Bicubic"),
        ("pixels", "Original, pixel by pixel"),
        ("small", "Original, not enlarged"),
    ):
        page.driver.execute_script(f"document.querySelector('[name=left][value={left}]').click()")
        page.wait_for_view()
        assert page.find("before").text == word
        shown[left] = page.canvas()
    width = shown["plain"].shape[1]
    assert all((each[:, width // 2 + 2 :] == shown["plain"][:, width // 2 + 2 :]).all() for each in shown.values())
    plain, pixels, small = (each[:, : width // 2] for each in shown.values())
    assert 0.5 < np.abs(plain - pixels).mean() < 20
    original = np.asarray(Image.open(io.BytesIO(detailed(300, 400)))).astype(int)
    line = math.floor(width / 2 + 0.5)
    top, left = (math.floor((room - side) / 2 + 0.5) for room, side in ((plain.shape[0], 300), (line, 400)))
    assert left >= 0
    assert np.abs(small[top : top + 300, left : left + 390] - original[:, :390]).mean() < 3


def check_pixels(page, result):
    """See that at 100 % the right half shows the result's own pixels, as JPEG has them."""
    shown = page.canvas()
    height, width = shown.shape[:2]
    left, top = (math.floor((shown.shape[axis] - result.shape[axis]) / 2 + 0.5) for axis in (1, 0))
    rows = slice(max(0, -top), max(0, -top) + min(height, result.shape[0]))
    expected = result[rows, width // 2 - left : width // 2 - left + 150]
    found = shown[max(0, top) : max(0, top) + expected.shape[0], width // 2 : width // 2 + 150]
    assert np.abs(found - expected).mean() < 3


def test_wrong_files_are_told_and_the_rest_of_the_drop_goes_on(page, served):
    frames = io.BytesIO()
    Image.new("RGB", (8, 8)).save(frames, "PNG", save_all=True, append_images=[Image.new("RGB", (8, 8), "white")])
    page.open(served.address)
    page.allowed = ("status of 415",)  # how Chromium calls a refusal
    good = picture_bytes(20, 20)
    files = {"notes_txt": b"text", "empty_png": b"", "strange_png": b"no picture", "cut_png": good[:-300]}
    page.drop(**files, paper_png=b"%PDF-1.7 and so on", film_png=frames.getvalue(), good_png=good)
    page.wait_for("paper.png", "got a PDF document")  # at once, though it is called a picture
    page.wait_for("strange.png", "must be one of png, jpeg")
    assert page.find("go").text == "Enlarge 3 pictures"
    page.find("go").click()
    page.wait_for("good.png", "Done in")
    page.wait_for("film.png", "frames")
    page.wait_for("cut.png", "Cut.png must be a whole file")
    rows = page.rows()
    assert "This file must be a picture: got text/plain; export it as JPEG or PNG." in rows["notes.txt"]
    assert "This file is empty." in rows["empty.png"]
    assert page.find("said").text


def test_too_large_pictures_are_told_before_they_are_sent(page, serve):
    served = serve(max_upload_bytes=2000, max_pixels=10_000)
    page.open(served.address)
    page.choose(heavy_png=picture_bytes(50, 50), wide_png=detailed(1, 11_000))
    page.wait_for("heavy.png", "this server takes at most 2 kB")
    page.wait_for("wide.png", "this server takes at most")
    assert not page.find("go").is_enabled()
    page.leave()
    served.stop()


def test_a_job_is_cancelled(page, served, hold):
    page.open(served.address)
    page.choose(photo_png=detailed(100, 100))
    page.find("go").click()
    page.wait_for("photo.png", "1 of")
    page.press_in_row("photo.png", "Cancel")
    page.wait_for("photo.png", "Cancelled")
    (job_id,) = page.get("JSON.parse(localStorage['nlcunet-jobs'])")
    assert served.service.find(job_id).state == "cancelled"
    hold.set()
    page.press_in_row("photo.png", "Again")
    page.find("go").click()
    page.wait_for("photo.png", "Done in")


def test_a_page_finds_its_jobs_again_after_a_reload_and_after_a_restart_of_the_server(page, serve, hold):
    served = serve(jobs_at_once=1)
    page.open(served.address)
    page.choose(first_png=detailed(90, 90), second_png=detailed(80, 80))
    page.find("go").click()
    page.wait_for("first.png", "1 of")
    page.wait_for("second.png", "Waiting for its turn")
    page.open(served.address, forget=False)
    page.wait_for("first.png", "1 of")
    page.wait_for("second.png", "Waiting for its turn")
    page.allowed = ("Failed to load resource",)  # while there is no server
    served.stop()
    page.wait("!document.querySelector('#nlc-trouble').hidden")
    assert "cannot be reached" in page.find("trouble").text
    hold.set()
    again = serve(port=served.port, folder=served.settings.folder, jobs_at_once=1)
    page.wait_for("first.png", "Done in")
    page.wait_for("second.png", "Done in")
    assert page.find("trouble").text == ""
    page.find("all").click()
    with zipfile.ZipFile(io.BytesIO(page.downloaded("nlcunet.zip"))) as packed:
        assert packed.namelist() == ["first_x2.png", "second_x2.png"]
    page.leave()
    again.stop()


def test_files_that_had_not_arrived_are_told_after_a_reload(page, served, hold):
    page.open(served.address)
    page.choose(arrived_png=detailed(90, 90))
    page.find("go").click()
    page.wait_for("arrived.png", "1 of")
    page.choose(chosen_png=picture_bytes(20, 20))
    page.wait_for("chosen.png", "Not started")
    page.open(served.address, forget=False)
    page.wait_for("arrived.png", "1 of")
    page.wait_for("chosen.png", "choose it again")
    page.open(served.address, forget=False)  # it is said once
    page.wait_for("arrived.png", "1 of")
    assert list(page.rows()) == ["arrived.png"]


def test_a_reload_in_the_middle_of_an_upload_keeps_what_has_arrived(page, served, hold):
    slowly = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 10_000}
    page.open(served.address)
    page.allowed = ("Failed to load resource",)  # the upload that ends with its page
    page.choose(first_png=detailed(90, 90), second_png=picture_bytes(300, 300))
    page.wait_for("second.png", "300 × 300")
    page.run("Network.enable")
    page.run("Network.emulateNetworkConditions", **slowly)
    page.find("go").click()
    page.wait_for("first.png", "1 of")
    page.wait_for("second.png", "Sending")
    page.driver.get(served.address)
    page.run("Network.emulateNetworkConditions", **slowly | {"uploadThroughput": -1})
    page.wait("document.querySelector('#nlc-limits')?.textContent")
    page.wait_for("first.png", "1 of")
    page.wait_for("second.png", "had not reached the server whole when the page was left: choose it again")
    assert len(page.rows()) == 2


def test_two_users_at_once_do_not_see_each_other(page, served, tmp_path, hold):
    other_driver = start_browser(tmp_path / "other")
    try:
        (tmp_path / "files").mkdir()
        other = Page(other_driver, tmp_path / "files")
        for each, name in ((page, "mine"), (other, "yours")):
            each.open(served.address)
            each.choose(**{f"{name}_png": detailed(70, 70)})
            each.find("go").click()
            each.wait_for(f"{name}.png", "1 of")
        hold.set()
        for each, name in ((page, "mine"), (other, "yours")):
            each.wait_for(f"{name}.png", "Done in")
            each.open(served.address, forget=False)
            each.wait_for(f"{name}.png", "Done in")
            assert list(each.rows()) == [f"{name}.png"]
        assert other.complaints() == other.foreign() == []
    finally:
        other_driver.quit()


def test_a_key_opens_the_page(page, serve, tmp_path):
    key = add_key(tmp_path / "keys.json", "ann")
    served = serve(keys_file=tmp_path / "keys.json")
    page.allowed = ("status of 401",)
    page.driver.get(served.address)
    for given in ("nlc_wrong", key):
        page.driver.switch_to.active_element.send_keys(given, "\n")  # the field has the focus from the start
        if given != key:
            page.wait("document.querySelector('[role=alert]:not([hidden])')")
    page.wait("document.querySelector('#nlc-limits')?.textContent")
    page.choose(photo_png=picture_bytes(20, 20))
    page.find("go").click()
    page.wait_for("photo.png", "Done in")
    (job_id,) = page.get("JSON.parse(localStorage['nlcunet-jobs'])")
    assert served.service.find(job_id).owner == "key ann"
    page.wait_for_view()
    page.find("leave").find_element("tag name", "button").click()
    page.wait("document.querySelector('#key')")
    page.leave()
    served.stop()


def test_on_a_phone_everything_fits_and_fingers_compare_and_zoom(page, served):
    page.open(served.address, 390, 844, 2.0, touch=True)
    assert page.get("document.documentElement.scrollWidth") == 390
    page.choose(a_photograph_with_a_rather_long_name_png=detailed(440, 320))
    page.wait("!document.querySelector('#nlc-go').disabled")
    bottom = page.get("document.querySelector('#nlc-go').getBoundingClientRect().bottom")
    assert 700 < bottom <= 844  # at hand without scrolling
    page.find("go").click()
    page.wait_for("a.photograph.with.a.rather.long.name.png", "Done in")
    page.wait_for_view()
    assert page.get("document.documentElement.scrollWidth") == 390
    page.get("document.querySelector('#nlc-stage').scrollIntoView({block: 'center'})")
    box = page.get("document.querySelector('#nlc-stage').getBoundingClientRect().toJSON()")
    middle = box["y"] + box["height"] / 2
    page.touch([(box["x"] + 50, middle)], [(box["x"] + 80, middle)], [(box["x"] + box["width"] / 4, middle)])
    assert page.find("split").get_attribute("value") == "25"
    before = page.get("parseInt(document.querySelector('#nlc-zoom').textContent)")
    page.touch(*([(180 - apart, middle), (200 + apart, middle)] for apart in (20, 40, 60, 80)))
    page.wait_for_view()
    assert page.get("parseInt(document.querySelector('#nlc-zoom').textContent)") > 2 * before
    buttons = "[...document.querySelectorAll('button, a')].filter((one) => one.offsetWidth)"
    assert page.get(f"Math.min(...{buttons}.map((one) => one.offsetHeight))") >= 36  # large enough for fingers


def test_everything_can_be_done_by_keyboard(page, served):
    from selenium.webdriver.common.keys import Keys

    page.open(served.address)
    page.choose(photo_png=detailed(300, 400))
    page.wait("!document.querySelector('#nlc-go').disabled")
    stops = tab_through(page, 30)
    for stop in ("Dark", "Enlargement", "Model", "File format", "More", "Enlarge 1 picture", "Choose pictures"):
        assert stop in stops, stops
    page.get("document.querySelector('#nlc-go').focus()")
    page.press(Keys.ENTER)
    page.wait_for("photo.png", "Done in")
    page.wait_for_view()
    page.get("document.querySelector('#nlc-stage').focus()")
    page.press("1")
    page.wait_for_view()
    assert page.find("zoom").text == "100 %"
    page.press("+", "+")
    page.wait_for_view()
    assert page.find("zoom").text == "156 %"
    seen = page.canvas()
    page.press(Keys.ARROW_RIGHT)
    page.wait_for_view()
    assert np.abs(page.canvas() - seen).mean() > 1
    page.press("0", Keys.TAB)  # to the line between both
    assert page.get("document.activeElement.id") == "nlc-split"
    page.press(*[Keys.ARROW_LEFT] * 3)
    assert page.find("split").get_attribute("value") == "47"
    assert page.get("getComputedStyle(document.querySelector('#nlc-line i')).outlineStyle") == "solid"


def test_every_setting_is_reached_and_changed_by_keyboard_and_remembered(page, serve, tiny, tmp_path):
    from selenium.webdriver.common.keys import Keys

    gan = tiny.header.model_copy(update={"name": "2x-tiny-GAN", "fidelity_weights": "2x-tiny"})
    photo = tiny.header.model_copy(update={"name": "2x-tiny-Photo", "clean_weights": "2x-tiny"})
    for header in (tiny.header, gan, photo):
        save_weights(tmp_path / f"{header.name}.safetensors", tiny.network, header)
    models = [str(tmp_path / f"2x-tiny{ending}.safetensors") for ending in ("", "-Photo")]
    served = serve(models=tuple(models), default_model="2x-tiny", tile=None)
    page.open(served.address)
    page.get("document.querySelector('#nlc-scale').focus()")
    page.press(Keys.ARROW_UP)
    for keys in (
        (Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ARROW_DOWN),  # the model, which puts its own scale
        (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT),  # strength
        (Keys.ARROW_LEFT,),  # quality, denoise being off for this model
        (Keys.ARROW_DOWN, Keys.ARROW_DOWN),  # format
        (Keys.ENTER,),  # more
        (Keys.ARROW_DOWN,),  # edges
        (Keys.SPACE,),  # metadata
        ("7", "0"),  # file quality
    ):
        page.press(Keys.TAB)
        assert page.get(
            "[document.activeElement, document.activeElement.closest('label')].some("
            "(one) => one && getComputedStyle(one).outlineStyle === 'solid')"
        )
        page.press(*keys)
    wanted = {"scale": 2, "model": "2x-tiny", "strength": 0.1, "quality": "fast", "format": "jpeg"}
    wanted |= {"wrap": "horizontal", "strip_metadata": True, "file_quality": 70}
    remembered = page.get("JSON.parse(localStorage['nlcunet-choices'])")
    assert wanted.items() <= remembered.items()
    page.open(served.address, forget=False)
    page.choose(photo_png=detailed(20, 20))
    page.find("go").click()
    page.wait_for("photo.png", "Done in")
    (job_id,) = page.get("JSON.parse(localStorage['nlcunet-jobs'])")
    order = served.service.find(job_id).order.model_dump(exclude_none=True)
    assert wanted.items() <= order.items()
    page.leave()
    served.stop()


@pytest.mark.parametrize(
    "known", ["[]", "{", '{"model": "gone", "quality": "none", "scale": "x", "format": 3}', "null"]
)
def test_remembered_choices_that_are_no_more_possible_are_left(page, served, known):
    page.open(served.address)
    page.driver.execute_script("localStorage['nlcunet-choices'] = arguments[0]", known)
    page.open(served.address, forget=False)
    assert page.get("[...document.querySelectorAll('#nlc-form :checked')].map((one) => one.value)") == [
        "scale", "", "balanced", "", "none",
    ]  # fmt: skip
    page.choose(photo_png=detailed(20, 20))
    page.wait("document.querySelector('#nlc-go').textContent === 'Enlarge 1 picture'")
    for text, is_possible in (("", False), ("0", False), ("65", False), ("2.5", True)):
        page.set("scale", text)
        assert page.find("go").is_enabled() == is_possible, text


@pytest.mark.parametrize(("by", "size"), [("long_edge", "90 × 45"), ("width", "90 × 45"), ("height", "180 × 90")])
def test_a_size_can_be_given_in_pixels(page, served, by, size):
    page.open(served.address)
    page.choose(photo_png=detailed(30, 60))
    page.set("size", by)
    page.set("pixels", "0")
    assert page.find("pixels").is_displayed()
    assert not page.find("scale").is_displayed()
    assert not page.find("go").is_enabled()
    assert "whole pixels" in page.find("go-note").text
    page.set("pixels", "90")
    page.wait_for("photo.png", f"60 × 30 → {size}")
    page.open(served.address, forget=False)  # remembered
    page.choose(photo_png=detailed(30, 60))
    page.wait_for("photo.png", f"60 × 30 → {size}")
    page.find("go").click()
    page.wait_for("photo.png", "Done in")
    assert f"60 × 30 → {size}" in page.rows()["photo.png"]
    (job_id,) = page.get("JSON.parse(localStorage['nlcunet-jobs'])")
    order = served.service.find(job_id).order
    assert (getattr(order, by), order.scale) == (90, None)


def tab_through(page, count):
    """Names of what the tab key reaches; each must show that it has the focus."""
    from selenium.webdriver.common.keys import Keys

    stops = []
    page.get("document.activeElement.blur()")
    for _ in range(count):
        page.press(Keys.TAB)
        stops.append(
            page.get(
                "(document.activeElement.ariaLabel || document.activeElement.labels?.[0]?.innerText ||"
                " document.activeElement.innerText || '').split('\\n')[0].trim()"
            )
        )
    return stops


def test_readers_are_told_what_is_what(page, served):
    page.open(served.address)
    page.choose(photo_png=detailed(30, 30))
    page.find("go").click()
    page.wait_for("photo.png", "Done in")
    page.wait_for_view()
    nodes = page.run("Accessibility.getFullAXTree")["nodes"]
    told = {
        (node.get("role", {}).get("value"), node.get("name", {}).get("value")) for node in nodes if not node["ignored"]
    }
    assert {
        ("spinbutton", "Enlargement"),
        ("combobox", "Model"),
        ("radiogroup", "Quality"),
    } <= told
    assert not told & {("slider", "Strength"), ("slider", "Denoise")}  # bicubic has no weights to mix
    assert {("link", "Download photo.png"), ("button", "Remove photo.png")} <= told
    assert {("button", "Compare photo.png"), ("button", "Compare before and after of photo.png")} <= told
    assert ("radiogroup", "Left of the line") in told
    assert ("slider", "How much of the picture before is shown, in percent") in told
    assert {("heading", "nlcunet"), ("heading", "photo.png"), ("heading", "Pictures")} <= told
    assert page.find("said").get_attribute("textContent") == "photo.png is ready"
    unnamed = [node for node in nodes if not node["ignored"] and is_unnamed(node)]
    assert unnamed == []


def is_unnamed(node):
    role = node.get("role", {}).get("value")
    return (
        role in {"button", "link", "slider", "combobox", "spinbutton", "checkbox", "radio"}
        and not node["name"]["value"]
    )


def test_the_reference_of_rest_has_its_style_and_fits_a_phone(page, served):
    page.open(served.address, 390, 844, 2.0, touch=True)
    page.driver.get(f"{served.address}docs")
    assert page.get("document.documentElement.scrollWidth") == 390
    assert page.get("getComputedStyle(document.querySelector('pre')).whiteSpaceCollapse") == "preserve"
    assert page.get("document.querySelectorAll('section').length") >= 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_somebody_chooses(page, served, scheme):
    page.scheme(scheme)
    page.open(served.address)
    assert is_dark(page) == (scheme == "dark")
    page.find("theme").click()
    assert is_dark(page) == (scheme != "dark")
    page.open(served.address, forget=False)
    assert is_dark(page) == (scheme != "dark")
    page.find("theme").click()
    assert is_dark(page) == (scheme == "dark")
    page.scheme("light" if scheme == "dark" else "dark")
    page.wait(f"document.documentElement.style.colorScheme === {json.dumps('light' if scheme == 'dark' else 'dark')}")
    assert is_dark(page) == (scheme != "dark")


def is_dark(page):
    pixels = np.asarray(Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB"))
    assert len(set(pixels[-1, -1].tolist())) == 1  # a grey
    return bool(pixels[-1, -1, 0] < 64)


def test_strength_can_be_chosen_where_both_weights_are(page, serve, tiny, tmp_path):
    gan = tiny.header.model_copy(update={"name": "2x-tiny-GAN", "fidelity_weights": "2x-tiny"})
    for header in (tiny.header, gan):
        save_weights(tmp_path / f"{header.name}.safetensors", tiny.network, header)
    served = serve(models=(str(tmp_path / "2x-tiny.safetensors"), "bicubic-x4"), default_model="2x-tiny", tile=None)
    page.open(served.address)
    page.wait("!document.querySelector('#nlc-strength input[type=range]').disabled")
    page.driver.execute_script(
        """
        const slider = document.querySelector("#nlc-strength input[type=range]");
        slider.value = "0.5";
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        slider.dispatchEvent(new Event("change", { bubbles: true }));
        """
    )
    page.wait("JSON.parse(localStorage['nlcunet-choices'] ?? '{}').strength === 0.5")
    page.choose(photo_png=detailed(20, 20))
    page.find("go").click()
    page.wait_for("photo.png", "Done in")
    (job_id,) = page.get("JSON.parse(localStorage['nlcunet-jobs'])")
    assert served.service.find(job_id).order.strength == 0.5
    for model, is_shown in (("bicubic-x4", False), ("2x-tiny", True)):  # a slider that does nothing is not shown
        page.driver.execute_script(
            """
            const models = document.querySelector("#nlc-model");
            models.value = arguments[0];
            models.dispatchEvent(new Event("input", { bubbles: true }));
            """,
            model,
        )
        page.wait(f"Boolean(document.querySelector('#nlc-strength').offsetHeight) === {str(is_shown).lower()}")
    page.leave()
    served.stop()
