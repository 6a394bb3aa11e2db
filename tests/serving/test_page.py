"""The page in a real browser without a window: a person's way through it, with mouse, with keys, on a phone."""

from __future__ import annotations

import base64
import io
import json
import shutil
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
from serving.running import SENTENCES, running, until, write_film

from refsam_zoo.inference.legend import COLOURS
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.serving.limits import Limits
from refsam_zoo.serving.server import PageServer
from refsam_zoo.video.readers import open_video

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: on Debian, apt-get install chromium")
FRAMES = 6
PATIENCE = 20_000
"""Milliseconds: other tests run beside these."""
expect.set_options(timeout=PATIENCE)


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
        page.set_default_timeout(PATIENCE)
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


def wait_for_all(page: Page, frames: int = FRAMES) -> None:
    """Waits until all frames have masks and the last one is drawn."""
    expect(page.get_by_role("status")).to_have_text(f"Done: {frames} frames.")
    page.locator(f"#canvas[data-frame='{frames - 1}']").wait_for()


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
    expected, sure = picture.astype(float), np.ones(picture.shape[:2], bool)
    for number, mask in enumerate(masks):
        inner, outer = (changed(mask, operation, 2) for operation in (cv2.erode, cv2.dilate))
        edge = mask & ~changed(mask, cv2.erode, 1) & ~masks[number + 1 :].any(0)
        filled = 0.55 * expected + 0.45 * np.array(COLOURS[number])
        assert np.abs(middles - COLOURS[number])[edge].sum() <= np.abs(middles - filled)[edge].sum()
        expected[inner] = filled[inner]
        sure &= inner | ~outer
    for part in (*masks, ~masks.any(0)):
        assert np.abs(middles - expected)[part & sure].sum() <= 5 * 3 * (part & sure).sum()


def changed(mask: np.ndarray, operation: Callable[..., np.ndarray], pixels: int) -> np.ndarray:
    """Makes a mask wider or narrower, at its corners too."""
    return operation(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=pixels).astype(bool)


def test_from_upload_to_what_is_taken_home(
    visit: Visit, film: Path, pictures: np.ndarray, masks: np.ndarray, folder: Path
) -> None:
    page = visit()
    bring(page, film)
    expect(page.locator("#facts")).to_have_text(f"my _b_film: 64x48, {FRAMES} frames, 1.0 s")
    ask(page, *SENTENCES)
    wait_for_all(page)
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


def test_clicks_and_boxes_correct_masks_and_later_frames_follow(
    visit: Visit, film: Path, pictures: np.ndarray, masks: np.ndarray
) -> None:
    page = visit()
    bring(page, film)
    ask(page, *SENTENCES)
    slider = page.get_by_label("Frame", exact=True)
    wait_for_all(page)
    apply = page.get_by_role("button", name="Apply")
    expect(apply).to_be_disabled()
    slider.fill("1")
    shown(page, 1)
    click(page, 48, 36)
    click(page, 60, 4)
    page.get_by_role("button", name="Undo").click()
    apply.click()
    wait_for_all(page)
    slider.fill("2")
    agrees(shown(page, 2), pictures[2], masks[2, [1, 1]])
    slider.fill("0")
    agrees(shown(page, 0), pictures[0], masks[0])

    slider.fill("2")
    shown(page, 2)
    page.get_by_label("Correct sentence 2").check()
    click(page, 48, 36, button="right")
    page.get_by_label("Correct sentence 1").check()
    drag(page, (8, 6), (40, 26))
    page.get_by_role("button", name="Apply 2 marks").click()
    wait_for_all(page)
    expect(page.locator("li .score").nth(1)).to_have_text("not in this frame")
    agrees(shown(page, FRAMES - 1), pictures[-1], masks[-1, :1])
    page.get_by_role("button", name="Find again").click()
    wait_for_all(page)
    slider.fill("2")
    agrees(shown(page, 2), pictures[2], masks[2])


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place of the film, in its pixels, is on the screen."""
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] * x / 64, box["y"] + box["height"] * y / 48


def click(page: Page, x: float, y: float, button: Any = "left") -> None:
    page.mouse.click(*on_screen(page, x, y), button=button)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *end), steps=4)
    page.mouse.up()


def test_corrections_by_keyboard(visit: Visit, film: Path, masks: np.ndarray, pictures: np.ndarray) -> None:
    page = visit()
    bring(page, film)
    ask(page, "red")
    wait_for_all(page)
    page.get_by_label("Frame", exact=True).focus()
    page.keyboard.press("Home")
    shown(page, 0)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#canvas")).to_be_focused()
    for key in ["ArrowRight"] * 15 + ["ArrowDown"] * 10:
        page.keyboard.press(key)
    expect(page.get_by_role("status")).to_have_text("cross at 48, 35")
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_role("status")).to_have_text("marked: does not belong to it")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    tab_to(page, "Apply")
    page.keyboard.press("Enter")
    wait_for_all(page)
    page.get_by_label("Frame", exact=True).fill("1")
    agrees(shown(page, 1), pictures[1], masks[1, 1:])


class Fixed(ColourFinder):
    """Takes no corrections."""

    takes_corrections = False


def test_a_system_that_takes_no_corrections_says_so(visit: Visit, film: Path) -> None:
    with running(Fixed()) as server:
        page = visit(server.url)
        bring(page, film)
        ask(page, "red")
        expect(page.get_by_text("This system takes no corrections.")).to_be_visible()
        expect(page.get_by_role("button", name="Apply")).to_be_hidden()
        page.close()


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


def test_two_tabs_at_once_wait_for_each_other(visit: Visit, film: Path, held: ColourFinder) -> None:
    one, other = visit(), visit()
    for page in (one, other):
        bring(page, film)
        ask(page, "red")
    expect(other.get_by_role("status")).to_have_text("1 clip is before yours…")
    held.may_go_on.set()
    for page in (one, other):
        wait_for_all(page)


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
    wait_for_all(page)
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    assert widths == [360, 360]
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('button, .button, .colour')].filter(one => one.checkVisibility())"
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
    wait_for_all(page, 36)
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
