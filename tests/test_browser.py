"""The lecture in real JupyterLab, in a real Chromium, moved by the keyboard.

Set COURSE_SCREENSHOTS to a folder to keep a picture of every explorer.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = (
    """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"""
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.skipif(shutil.which("make") is None, reason="no make here"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab, started as a reader starts it, on a copy of the lectures: autosave must not touch the originals."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            ["make", "lab", f"ARGS=--no-browser --port {port}"],
            cwd=folder,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(rf"http://127\.0\.0\.1:{port}/lab\S*\?token=(\w+)", log.read_text())):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", found[1]
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)


@pytest.fixture(scope="module")
def lecture(lab):
    """Lecture 02 after Run All Cells, and what the console said."""
    from playwright.sync_api import sync_playwright

    address, token = lab
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        errors = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/lab/tree/notebooks/02_autoencoders.ipynb?token={token}", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
        errors.clear()  # what Lab says of itself while it starts is not ours
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        page.wait_for_selector(".jp-OutputArea .widget-slider", timeout=60_000)
        # a kernel answers sliders after the cells that are already queued
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=240_000)
        yield page, errors
        browser.close()


def explorer(page, title):
    """The output that belongs to the cell whose source has `title`, scrolled to; cells far away are not drawn until then."""
    cell = page.locator(".jp-CodeCell", has=page.locator(".jp-Editor", has_text=title)).first
    cell.scroll_into_view_if_needed(timeout=60_000)
    output = cell.locator(".jp-OutputArea")
    output.locator(".noUi-handle").first.wait_for(timeout=180_000)
    return output


def press(page, output, handle, key, times=3):
    """Move one slider by the keyboard; return the pictures before and after, and seconds for a step."""
    knob = output.locator(".noUi-handle").nth(handle)
    knob.scroll_into_view_if_needed()
    pictures = output.locator(".widget-html img, .widget-html svg")
    before = pictures.first.evaluate("e => e.parentElement.closest('.widget-html').innerHTML")
    knob.focus()
    started = time.perf_counter()
    for _ in range(times):
        page.keyboard.press(key)
    page.wait_for_function(
        "([e, old]) => e.innerHTML !== old", arg=[output.locator(".widget-html").first.element_handle(), before], timeout=15_000
    )
    return before, output.locator(".widget-html").first.inner_html(), (time.perf_counter() - started) / times


def keep(output, name):
    if folder := os.environ.get("COURSE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        output.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_the_latent_slider_moves_the_picture(lecture):
    page, errors = lecture
    output = explorer(page, 'checkpoints.load("beta_vae_mnist_b1")')
    before, after, _ = press(page, output, 0, "ArrowRight", times=8)
    assert before != after
    keep(output, "latent_explorer")
    assert errors == []


def test_the_beta_slider_moves_along_the_curve(lecture):
    page, errors = lecture
    output = explorer(page, "widgets.BetaExplorer(betas")
    before, after, _ = press(page, output, 0, "ArrowRight", times=2)
    assert before != after
    keep(output, "beta_explorer")
    assert errors == []


@pytest.mark.parametrize(
    ("source", "handle", "name"),
    [
        ("widgets.BottleneckExplorer", 0, "bottleneck"),
        ("widgets.NoiseExplorer", 0, "noise"),
        ("widgets.LatentMap(flat", 0, "latent_map"),
        ("widgets.BetaExplorer(sprite_betas", 0, "beta_sprites"),
        ("widgets.LatentExplorer(sprite_betas", 0, "latent_sprites"),
        ("widgets.AnnealingPlayback", 0, "annealing"),
        ("widgets.AnomalyExplorer", 0, "anomaly"),
        ("widgets.DebiasingExplorer", 0, "debiasing"),
    ],
)
def test_every_other_explorer_answers_the_keyboard(lecture, source, handle, name):
    page, errors = lecture
    output = explorer(page, source)
    before, after, _ = press(page, output, handle, "ArrowLeft", times=3)
    assert before != after
    keep(output, name)
    assert errors == []


def test_the_whole_lecture_ran_without_an_error(lecture):
    page, errors = lecture
    assert page.locator('.jp-RenderedText[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    assert errors == []
