"""The page in a real browser without a window: a person's way through it, with mouse, with keys, on a phone."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving.colour_finder import ColourFinder
from serving.running import running, write_film

from refsam_zoo.inference.legend import COLOURS
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.serving.limits import Limits
from refsam_zoo.serving.server import PageServer
from refsam_zoo.video.readers import open_video

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: on Debian, apt-get install chromium")
SENTENCES = ["the red box", "what is green"]
FRAMES = 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "my <b>film.mp4", FRAMES)


@pytest.fixture(scope="module")
def system() -> ColourFinder:
    return ColourFinder()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the server makes its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        yield Path(tempfile.gettempdir())


@pytest.fixture(scope="module")
def server(system: ColourFinder, folder: Path) -> Iterator[PageServer]:
    with running(system, Limits(upload_mb=1)) as server:
        yield server


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, server: PageServer) -> Iterator[Visit]:
    """Gives a function that opens the page in a new tab; nothing may go wrong in it unnoticed."""
    contexts, wrong = [], list[str]()

    def open_page(url: str = server.url, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if "Refused to" in message.text else None)
        page.goto(url)
        page.get_by_role("button", name="Sample 1").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def bring(page: Page, film: Path) -> None:
    page.get_by_label("Choose a video").set_input_files(film)
    page.get_by_role("button", name="Find").wait_for()


def ask(page: Page, *sentences: str) -> None:
    for number, sentence in enumerate(sentences, 1):
        if number > 1:
            page.get_by_role("button", name="Add a sentence").click()
        page.get_by_label(f"Sentence {number}", exact=True).fill(sentence)
    page.get_by_role("button", name="Find").click()


def shown(page: Page, frame: int) -> np.ndarray:
    """What the canvas shows once a frame is drawn with its masks, RGB, int `[H, W, 3]`."""
    page.locator(f"#canvas[data-frame='{frame}']").wait_for()
    url = page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
    content = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), int)


@pytest.fixture(scope="module")
def pictures(film: Path) -> np.ndarray:
    with open_video(film) as video:
        return video.read(range(FRAMES))


@pytest.fixture(scope="module")
def masks(pictures: np.ndarray) -> np.ndarray:
    """Of `SENTENCES`, bool `[T, N, H, W]`."""
    return np.stack([found.masks for found in ColourFinder().stream(pictures, SENTENCES)])


def agrees(canvas: np.ndarray, picture: np.ndarray, masks: np.ndarray) -> None:
    """Compares the middle of each pixel of the film, which the canvas shows enlarged."""
    factor = canvas.shape[0] // picture.shape[0]
    assert canvas.shape == (picture.shape[0] * factor, picture.shape[1] * factor, 3)
    middles = canvas[factor // 2 :: factor, factor // 2 :: factor]
    around = np.ones((5, 5), np.uint8)
    nowhere = ~cv2.dilate(masks.any(0).astype(np.uint8), around).astype(bool)
    assert np.abs(middles - picture)[nowhere].mean() < 4
    for number, mask in enumerate(masks):
        if mask.any():
            inside = cv2.erode(mask.astype(np.uint8), around).astype(bool)
            edge = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
            expected = 0.55 * picture[inside] + 0.45 * np.array(COLOURS[number])
            assert np.abs(middles[inside] - expected).mean() < 5
            assert np.abs(middles[edge] - COLOURS[number]).mean() < 40


def test_from_upload_to_what_is_taken_home(
    visit: Visit, film: Path, pictures: np.ndarray, masks: np.ndarray, folder: Path
) -> None:
    page = visit()
    bring(page, film)
    expect(page.locator("#facts")).to_have_text(f"my _b_film: 64x48, {FRAMES} frames, 1.0 s")
    ask(page, *SENTENCES)
    expect(page.get_by_role("status")).to_have_text(f"Done: {FRAMES} frames.")
    assert masks[0].any(axis=(1, 2)).all()
    assert masks[-1].any(axis=(1, 2)).tolist() == [True, False]
    agrees(shown(page, FRAMES - 1), pictures[-1], masks[-1])
    expect(page.locator("li").nth(1)).to_contain_text("not in this frame")
    slider = page.get_by_label("Frame", exact=True)
    slider.fill("1")
    agrees(shown(page, 1), pictures[1], masks[1])
    expect(page.locator("li").nth(1)).to_contain_text("in this frame, score 0.50")
    page.get_by_role("button", name="Play").click()
    page.locator(f"#canvas[data-frame='{FRAMES - 1}']").wait_for()
    expect(page.get_by_role("button", name="Play")).to_be_visible()

    assert page.locator("#outputs button").all_inner_texts() == [*OUTPUTS]
    contents = {name: taken(page, name) for name in ("coco", "masks", "overlay")}
    assert [one["name"] for one in json.loads(contents["coco"])["categories"]] == SENTENCES
    with zipfile.ZipFile(io.BytesIO(contents["masks"])) as archive:
        picture = np.asarray(Image.open(archive.open("masks/my _b_film/2/00001.png")))
    np.testing.assert_array_equal(picture > 0, masks[1, 1])
    assert contents["overlay"][4:8] == b"ftyp"
    page.close()
    until(lambda: not any(folder.glob("refsam-zoo-serve-*/*")))


def taken(page: Page, output: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=output, exact=True).click()
    assert download.value.suggested_filename.startswith(f"my _b_film-{output}.")
    return Path(download.value.path()).read_bytes()


def until(right: Callable[[], object]) -> None:
    """Waits until something is so, at most ten seconds."""
    for _ in range(500):
        if right():
            return
        time.sleep(0.02)
    pytest.fail("it did not become so within ten seconds")


def test_a_sample_and_other_sentences(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="Sample 1").click()
    first = page.get_by_label("Sentence 1", exact=True)
    expect(first).to_have_value("the green triangle")
    page.get_by_role("button", name="Remove sentence 2").click()
    page.get_by_role("button", name="Find").click()
    page.locator("#canvas[data-frame='35']").wait_for()
    first.fill("red")
    page.get_by_role("button", name="Find again").click()
    expect(page.locator("li .score").first).to_have_text("not in this frame")
    page.get_by_role("button", name="Another clip").click()
    expect(page.get_by_text("Drop a video here")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.mp4", b"no video at all" * 99, "this file is no video that can be read; send mp4, mov, webm"),
        (
            "<i>large</i>.mp4",
            bytes(1_000_001),
            "<i>large</i>.mp4 is larger than 1 MB; bring a shorter or smaller video.",
        ),
    ],
)
def test_a_file_that_is_not_taken_is_told_in_a_line(
    visit: Visit, film: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    page = visit()
    payload: Any = {"name": name, "mimeType": "video/mp4", "buffer": content}
    page.get_by_label("Choose a video").set_input_files(payload)
    expect(page.get_by_role("alert")).to_contain_text(message)
    bring(page, film)
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.fixture
def held(system: ColourFinder) -> Iterator[ColourFinder]:
    """The system, which computes nothing until it is let go on."""
    system.may_go_on.clear()
    yield system
    system.may_go_on.set()


def test_two_tabs_at_once_wait_for_each_other(visit: Visit, film: Path, held: ColourFinder) -> None:
    one, other = visit(), visit()
    for page in (one, other):
        bring(page, film)
        ask(page, "red")
    expect(other.get_by_role("status")).to_have_text("1 clip is before yours…")
    held.may_go_on.set()
    for page in (one, other):
        expect(page.get_by_role("status")).to_have_text(f"Done: {FRAMES} frames.")


def test_stopping_and_closing(visit: Visit, film: Path, held: ColourFinder, folder: Path) -> None:
    page, before = visit(), held.frames
    bring(page, film)
    ask(page, "red")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_timeout(100)
    held.may_go_on.set()
    expect(page.get_by_role("status")).to_contain_text("Stopped after")
    assert held.frames - before <= 1
    held.may_go_on.clear()
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.close()
    time.sleep(0.3)
    held.may_go_on.set()
    until(lambda: not any(folder.glob("refsam-zoo-serve-*/*")))
    assert held.frames - before <= 2


def test_a_server_that_goes_away_is_told(visit: Visit, film: Path) -> None:
    with running() as server:
        page = visit(server.url)
        bring(page, film)
    expect(page.get_by_role("alert")).to_contain_text("The connection was lost")
    expect(page.get_by_text("Drop a video here")).to_be_visible()


def test_the_token_leaves_the_address(visit: Visit) -> None:
    with running(token="a-token-that-nobody-guesses") as server:
        page = visit(server.url)
        assert "token" not in page.url
        page.get_by_role("button", name="Sample 3").click()
        expect(page.get_by_role("button", name="Find")).to_be_visible()


def test_a_narrow_screen(visit: Visit, film: Path) -> None:
    page = visit(viewport={"width": 360, "height": 700}, has_touch=True)
    widths = [page.evaluate("document.documentElement.scrollWidth")]
    bring(page, film)
    ask(page, "red", "a " + "very-" * 20 + "long sentence about green")
    expect(page.get_by_role("status")).to_have_text(f"Done: {FRAMES} frames.")
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    assert widths == [360, 360]
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('button, .button')].filter(one => one.checkVisibility())"
        ".map(one => one.getBoundingClientRect().height))"
    )
    assert smallest >= 24, "WCAG's target size"


def test_by_keyboard_alone(visit: Visit) -> None:
    page = visit()
    tab_to(page, "Sample 2")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Sentence 1", exact=True)).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("the red cross")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Done: 36 frames.")
    tab_to(page, "Frame")
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.locator("#canvas[data-frame='3']").wait_for()
    assert page.get_by_label("Frame", exact=True).get_attribute("aria-valuetext") == "frame 4 of 36, 0.25 seconds"
    tab_to(page, "tracks")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert len(json.loads(Path(download.value.path()).read_bytes())["frames"]) == 36
    tab_to(page, "Another clip")
    page.keyboard.press("Space")
    expect(page.get_by_label("Choose a video")).to_be_focused()


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until something of this name has the focus, and makes sure that it can be seen there."""
    for _ in range(40):
        page.keyboard.press("Tab")
        label, outline = page.evaluate(
            "(() => { const one = document.activeElement, shown = one.type === 'file' ? one.nextElementSibling : one;"
            "return [one.ariaLabel ?? one.textContent, getComputedStyle(shown).outlineWidth]; })()"
        )
        if label != "":
            assert outline == "3px"
        if label == name:
            return
    pytest.fail(f"Tab does not lead to {name}")


def test_colours_can_be_read(visit: Visit, film: Path) -> None:
    page = visit()
    bring(page, film)
    ask(page, "red")
    expect(page.get_by_role("status")).to_contain_text("Done")
    colours = page.evaluate(
        """[...document.querySelectorAll('h1, h2, p, button, input[type=text], span, label')]
        .filter(one => one.checkVisibility() && !one.disabled && (one.textContent || one.value)).map(one => {
            let ground = one;
            while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
            return [one.outerHTML.slice(0, 60), getComputedStyle(one).color, getComputedStyle(ground).backgroundColor];
        })"""
    )
    assert len(colours) > 15
    assert [what for what, *pair in colours if contrast(*pair) < 4.5] == [], "WCAG's level AA"


def contrast(*pair: str) -> float:
    """WCAG's contrast of two CSS colours, 1..21."""
    light = []
    for colour in pair:
        values = np.array([int(value) for value in colour.removeprefix("rgb(").strip(")").split(",")]) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ (0.2126, 0.7152, 0.0722)))
    return (max(light) + 0.05) / (min(light) + 0.05)
