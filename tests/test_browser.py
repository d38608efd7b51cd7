"""The lectures in real JupyterLab, in a real Chromium, moved by the keyboard.

Set COURSE_SCREENSHOTS to a folder to keep a picture of every explorer.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from course_lib import authoring

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = (
    """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"""
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.skipif(shutil.which("make") is None, reason="no make here"),
]


@dataclass(frozen=True)
class Control:
    """One control of an explorer: a slider, unless a selector says otherwise.

    source: text of the cell that shows the explorer
    name: of its screenshot
    selector, nth: the CSS selector of the control in the cell's output, and which of those found it is
    key, times: what is pressed on it, and how often; without a key it is clicked, as buttons and boxes to tick are
    option: of a drop-down list, chosen instead
    """

    source: str
    name: str
    selector: str = ".noUi-handle"
    nth: int = 0
    key: str | None = "ArrowLeft"
    times: int = 3
    option: str | None = None


# At least two of every lecture.
CONTROLS = {
    "00_start_here": [
        Control("autoencoders.LatentMap", "playground"),
        Control("start_here.LikelihoodExplorer", "likelihood"),
        Control("start_here.KLExplorer", "kl"),
        Control("start_here.JensenExplorer", "jensen"),
        Control("start_here.TableExplorer", "table"),
    ],
    "01_latent_spaces": [
        Control("widgets.JointTableExplorer", "joint_table", "button", key=None, times=1),
        Control("widgets.RandomExplorer", "random", key="ArrowRight"),
        Control("widgets.ComponentExplorer", "components"),
        Control("widgets.TopicExplorer", "topics", key="ArrowRight"),
        Control("widgets.MissingExplorer", "missing", times=1),
        Control("widgets.InterpolationExplorer", "interpolation", nth=2),
        Control("widgets.InterpolationExplorer", "interpolation_arc", "select", option="arc (slerp)"),
    ],
    "02_autoencoders": [
        Control('checkpoints.load("beta_vae_mnist_b1")', "latent_explorer", key="ArrowRight", times=8),
        Control("widgets.BetaExplorer(betas", "beta_explorer", key="ArrowRight", times=2),
        Control("widgets.BottleneckExplorer", "bottleneck"),
        Control("widgets.NoiseExplorer", "noise", key="ArrowRight"),
        Control("widgets.LatentMap(flat", "latent_map"),
        Control("widgets.LatentMap(plain", "latent_map_pictures", "button:has-text('pictures')", key=None, times=1),
        Control("widgets.BetaExplorer(sprite_betas", "beta_sprites"),
        Control("widgets.BetaExplorer(face_betas", "beta_faces", nth=2),
        Control("widgets.LatentExplorer(sprite_betas", "latent_sprites"),
        Control("widgets.AnnealingPlayback", "annealing"),
        Control("from course_lib.widgets.faces import FaceEditor", "face_editor", nth=3, key="ArrowRight"),
        Control("widgets.AnomalyExplorer", "anomaly"),
        Control("widgets.AnomalyExplorer", "anomaly_score", "select", option="−ELBO"),
        Control("from course_lib.autoencoders import balancing_weights", "debiasing", "select", option="known groups"),
    ],
    "03_gans": [
        Control("widgets.ConditionalExplorer", "conditional", key="ArrowRight"),
        Control("widgets.OptimalExplorer", "optimal", times=6),
        Control("widgets.GameExplorer", "game", "select", nth=1, option="extragradient"),
        Control("widgets.TrainingMovie", "gan_film", key="ArrowRight", times=20),
        Control("widgets.CollapseLab", "collapse", "select", nth=1, option="packing"),
        Control("widgets.LiveGAN", "live_gan", "button:has-text('train')", key=None, times=1),
        Control("widgets.ArithmeticExplorer", "arithmetic", nth=3, key="ArrowRight"),
        Control("asked_in_words = WordsExplorer", "words_gan", "select", nth=3, option="dark"),
        Control("widgets.StyleExplorer", "style", nth=2),
        Control("widgets.TranslationExplorer", "translation", "button:has-text('row 10, column 12')", key=None, times=1),
    ],
    "04_flows": [
        Control("widgets.LayerExplorer", "layers"),
        Control("widgets.ChangeOfVariablesExplorer", "change_of_variables", key="ArrowRight", times=5),
        Control("widgets.TrajectoryExplorer", "trajectories", times=10),
        Control("widgets.InversionExplorer", "inversion", key="ArrowRight"),
        Control("widgets.TemperatureExplorer", "temperature", key="ArrowRight"),
        Control("widgets.CounterfactualExplorer", "counterfactual", "select", option="light glasses"),
    ],
    "05_autoregressive": [
        Control("widgets.DrawingExplorer", "drawing", key="ArrowRight", times=10),
        Control("widgets.ReceptiveFieldExplorer", "receptive_field", key="ArrowRight"),
        Control("widgets.ReceptiveFieldExplorer", "receptive_field_gated", "select", option="gated PixelCNN"),
        Control("widgets.NextPixelExplorer", "next_pixel", nth=4, times=2),
        Control("widgets.ColourExplorer", "colours", nth=3, key="ArrowRight", times=1),
        Control("widgets.CompletionExplorer", "completion", "button:has-text('draw')", key=None, times=1),
        Control("widgets.ClassExplorer", "classes", key="ArrowRight", times=1),
        Control("widgets.DilationExplorer", "dilation", key="ArrowRight"),
        Control("widgets.NextCharacterExplorer", "next_character", nth=1, key="ArrowRight", times=1),
    ],
    "06_diffusion": [
        Control("widgets.ReverseExplorer", "reverse", key="ArrowRight", times=10),
        Control("widgets.NoiseExplorer", "noising", key="ArrowRight", times=20),
        Control("widgets.DDIMExplorer", "ddim", times=1),
        Control("widgets.ScoreExplorer", "score", "select", option="annealed Langevin"),
        Control("widgets.GuidanceExplorer", "guidance", times=1),
        Control("widgets.GuidanceExplorer", "words_diffusion", nth=2, times=1),  # a second explorer in the same cell
        Control("widgets.GuidanceExplorer", "words_diffusion_glasses", "select", nth=4, option="dark"),
        Control("widgets.InpaintExplorer", "painting", "button:has-text('row 3, column 3')", key=None, times=1),
        Control("widgets.InpaintExplorer", "inpainting", "button:has-text('fill in')", key=None, times=1),
        Control("widgets.EditExplorer", "editing", key="ArrowRight", times=2),
        Control("widgets.TrajectoryExplorer", "ways", nth=1, times=4),
    ],
    "07_metrics": [
        Control("widgets.CorruptionExplorer", "corruption", times=1),
        Control("widgets.LikelihoodExplorer", "likelihood_quality"),
        Control("widgets.SampleSizeExplorer", "sample_size", times=1),
        Control("widgets.CoverageExplorer", "coverage"),
        Control("widgets.WithheldExplorer", "withheld", key="ArrowLeft", times=1),
        Control("widgets.TransportExplorer", "transport"),
        Control("widgets.FeatureExplorer", "features", "select", option="young network"),
        Control("widgets.LeaderboardExplorer(board", "leaderboard", "select", option="precision"),
        Control("leaderboard.read(leaderboard.SHIPPED_FACES)", "leaderboard_faces", "select", option="words obeyed"),
    ],
    "08_energy_based": [
        Control("widgets.ChainExplorer", "chains", "select", option="spread out", nth=2),
        Control("widgets.IsingExplorer", "ising", key="ArrowRight", times=3),
        Control("widgets.ImportanceExplorer", "importance", times=3),
        Control("widgets.GibbsExplorer", "gibbs", "select", option="digit"),
        Control("widgets.PartitionExplorer", "partition", key="ArrowRight", times=1),
        Control("widgets.CompositionExplorer", "composition", "select", option="first OR second", nth=2),
    ],
    "09_transformers": [
        Control("widgets.TranslationExplorer", "numbers", "select", option="French → English"),
        Control("widgets.MaskExplorer", "mask", "select", option="none"),
        Control("widgets.PositionExplorer", "positions", key="ArrowRight", times=3),
        Control("widgets.TextAttentionExplorer", "attention", nth=1, key="ArrowRight"),
        Control("widgets.CostExplorer", "cost", nth=1, key="ArrowRight"),
        Control("widgets.MaskedTextExplorer", "masked", nth=1, key="ArrowRight", times=2),
        Control("widgets.PatchAttentionExplorer", "patches", key="ArrowRight"),
        Control("widgets.NextCharacterExplorer(shipped", "next_character_gpt", nth=1, times=2),
        Control("widgets.NextCharacterExplorer(pieces_model", "next_piece", nth=1, times=2),
    ],
}
LECTURES = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the lectures, clean of what running them left there: autosave must not touch the originals."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "jupytext.toml", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for path in folder.glob("notebooks/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        authoring.clean(notebook)
        nbformat.write(notebook, path)
    return folder


@pytest.fixture(scope="module")
def lab(course):
    with make_lab(course) as (address, token):
        yield address, token


@contextlib.contextmanager
def make_lab(folder):
    """JupyterLab in a folder with a Makefile, started as a reader starts it: its address and its token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "lab.log"
    env = {name: value for name, value in os.environ.items() if name != "COURSE_DATA_DIR"}
    # a server that lists the workspaces while another one writes into the same folder answers 500
    env["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    with log.open("w") as out:
        server = subprocess.Popen(
            ["make", "lab", f"ARGS=--no-browser --port {port}"],
            cwd=folder,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env=env,
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


def kernels(address, token, method="GET", kernel=""):
    """What the server says of its kernels, or does to one of them."""
    request = urllib.request.Request(f"{address}/api/kernels{kernel}", method=method, headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "[]")
    except urllib.error.HTTPError as error:
        if error.code != 500 or kernel:
            raise
        return []  # the server cannot list a kernel in the moment in which it is made: ask again


@pytest.fixture(scope="module", params=LECTURES)
def lecture(request, lab):
    """A lecture after Run All Cells on what ships with the course, and what the console said. This is where each lecture is run."""
    from playwright.sync_api import sync_playwright

    address, token = lab
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        errors = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        # The badges are all that a lecture shows from elsewhere. Without a network they fail, at a moment of their own choosing.
        page.route(re.compile("^https:"), answer_from_elsewhere)
        try:
            run_all(page, errors, address, token, request.param)
            yield page, errors
        finally:
            browser.close()
            for kernel in kernels(address, token):  # Lab keeps them and their memory when a page is closed
                kernels(address, token, "DELETE", f"/{kernel['id']}")


def answer_from_elsewhere(route):
    """An empty badge for a badge; anything else fails, and the console says so."""
    if re.search("/(colab-badge|badge_logo).svg$", route.request.url):
        route.fulfill(content_type="image/svg+xml", body="<svg xmlns='http://www.w3.org/2000/svg'/>")
    else:
        route.abort()


def run_all(page, errors, address, token, slug):
    """Open a lecture and run all of its cells."""
    # a workspace of its own: else Lab opens the lectures before it again, each with a kernel
    page.goto(f"{address}/lab/workspaces/{slug}/tree/notebooks/{slug}.ipynb?token={token}", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)
    deadline = time.monotonic() + 60
    while (states := [kernel["execution_state"] for kernel in kernels(address, token)]) != ["idle"]:  # the page says so too early
        assert time.monotonic() < deadline, states
        time.sleep(0.5)
    errors.clear()  # what Lab says of itself while it starts is not ours
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=busy]", timeout=60_000)
    # a kernel answers controls after the cells that are already queued
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=600_000)


def explorer(page, title):
    """The output that belongs to the cell whose source has `title`, scrolled to; cells far away are not drawn until then."""
    cell = page.locator(".jp-CodeCell", has=page.locator(".jp-Editor", has_text=title)).first
    cell.scroll_into_view_if_needed(timeout=60_000)
    output = cell.locator(".jp-OutputArea")
    output.locator(".widget-html").first.wait_for(timeout=180_000)
    return output


def move(page, output, control):
    """Press, click or choose, and wait until what is drawn is another."""
    knob = output.locator(control.selector).nth(control.nth)
    knob.scroll_into_view_if_needed()
    drawn = "output => [...output.querySelectorAll('.widget-html')].map(view => view.innerHTML).join()"  # an explorer may have two
    before, area = output.first.evaluate(drawn), output.first.element_handle()
    if control.option:
        knob.select_option(control.option)
    else:
        for _ in range(control.times):
            knob.press(control.key) if control.key else knob.click()
    page.wait_for_function(
        f"([area, before]) => ({drawn})(area) !== before", arg=[area, before], timeout=180_000
    )  # the machine may be busy


# rows of an explorer whose panels do not lie beside each other, or stick out
BROKEN_ROWS = """output => [...output.querySelectorAll('.widget-html div')]
    .filter(row => row.style.flexWrap === 'wrap')
    .map(row => [row.getBoundingClientRect(), [...row.children].map(panel => panel.getBoundingClientRect())])
    .filter(([row, panels]) => panels.some(panel => panel.top > panels[0].bottom || panel.right > row.right + 1))
    .map(([row, panels]) => `${row.width} px for ${panels.map(panel => panel.width).join(' + ')}`)"""


def keep(output, name):
    if folder := os.environ.get("COURSE_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        output.page.wait_for_timeout(1_000)  # a picture for the last of several presses
        output.screenshot(path=str(Path(folder) / f"{name}.png"))


@pytest.mark.parametrize(
    ("lecture", "control"),
    [pytest.param(slug, control, id=f"{slug}-{control.name}") for slug, controls in sorted(CONTROLS.items()) for control in controls],
    indirect=["lecture"],
    scope="module",  # else every test opens its lecture anew
)
def test_an_explorer_answers(lecture, control):
    page, errors = lecture
    output = explorer(page, control.source)
    move(page, output, control)
    keep(output, control.name)
    assert errors == []
    deadline = time.monotonic() + 20
    while (broken := output.evaluate(BROKEN_ROWS)) and time.monotonic() < deadline:  # a busy machine is still laying the page out
        time.sleep(0.5)
    assert broken == [], "on a screen of 1280 panels must lie beside each other: see WIDE and BESIDE"


def contents(address, token, path):
    """A file as the server gives it to the page that opens it: the status and, if it is good, the JSON."""
    request = urllib.request.Request(f"{address}/api/contents/{path}", headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())["content"]
    except urllib.error.HTTPError as error:
        return error.code, None


def test_a_lecture_opens_whoever_saved_it_last_and_whatever_happened_to_its_pair(lab, course):
    """VS Code calls the kernel after its folder; a pull may bring one half of a pair."""
    path = course / "notebooks/01_latent_spaces.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"]["kernelspec"] |= {"display_name": ".venv (3.11.7)", "name": ".venv"}
    notebook["cells"][4]["source"] = "my_own = 1"
    other = course / "notebooks/moved.ipynb"
    other.write_text(json.dumps(notebook), encoding="utf-8")
    source = (course / "notebooks/01_latent_spaces.py").read_text(encoding="utf-8").replace("import math", "import cmath as math")
    other.with_suffix(".py").write_text(source, encoding="utf-8")
    before = other.read_bytes()
    status, opened = contents(*lab, "notebooks/moved.ipynb")
    assert status == 200 and opened["cells"][4]["source"] == "my_own = 1"
    assert other.read_bytes() == before and other.with_suffix(".py").read_text(encoding="utf-8") == source


@pytest.mark.parametrize("lecture", ["00_start_here"], indirect=True, scope="module")
def test_a_lecture_that_was_saved_shows_its_explorers_when_it_is_opened_again(lecture, lab, course):
    page, _ = lecture
    page.keyboard.press("Control+s")
    path, deadline = course / "notebooks/00_start_here.ipynb", time.monotonic() + 60
    while "widget-state" not in path.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, "the state of the explorers was not saved"
        time.sleep(0.5)
    source = path.with_suffix(".py").read_bytes()
    again = page.context.browser.new_page(viewport={"width": 1280, "height": 1600})
    again.route(re.compile("^https:"), answer_from_elsewhere)
    again.goto(f"{lab[0]}/lab/workspaces/again/tree/notebooks/00_start_here.ipynb?token={lab[1]}", wait_until="domcontentloaded")
    again.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    output = explorer(again, "playground.z1.value")
    keep(output, "opened_again")
    assert output.locator("img").count() and "Error displaying widget" not in again.locator(".jp-Notebook").inner_text()
    assert path.with_suffix(".py").read_bytes() == source == (ROOT / "notebooks/00_start_here.py").read_bytes()
    again.close()


def test_at_least_two_controls_of_every_lecture_are_moved():
    assert [slug for slug in LECTURES if len(CONTROLS.get(slug, [])) < 2] == []


def saved_code(path):
    """The code cells of a notebook on disk; none while Lab, which empties the file before it writes, is between the two."""
    try:
        return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code" and cell.source]
    except nbformat.reader.NotJSONError:
        return []


def unrun(code):
    return [cell.source[:80] for cell in code if not cell.execution_count] if code else ["the file is being written"]


def test_the_whole_lecture_ran_without_an_error(lecture, course):
    page, errors = lecture
    slug = re.search(r"workspaces/(\w+)/", page.url)[1]
    path, deadline = course / f"notebooks/{slug}.ipynb", time.monotonic() + 120
    page.keyboard.press("Control+s")  # the page holds only the cells that are in sight: what ran is in the file
    # Lab also saves by itself every two minutes, half-way through a slow run: wait for what was asked for now
    while (missing := unrun(code := saved_code(path))) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert missing == [], "these did not run"
    assert [output.ename for cell in code for output in cell.outputs if output.output_type == "error"] == []
    assert errors == []
