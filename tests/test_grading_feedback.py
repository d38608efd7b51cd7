"""Feedback pages, and what the form grader shows: nothing that a student wrote runs, loads or pretends.

The canaries say so when they run: a script sets the title of the page, and whatever loads asks a server of ours.
"""

import base64
import http.server
import re
import shutil
import threading
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

pytest.importorskip("nbgrader")

import classes
from classes import NAME, answered, at, quick_gradebooks, text  # noqa: F401
from test_browser import CHROMIUM, SWITCHES

from course_lib.grading import pipeline
from course_lib.grading.pipeline import feedback as pages

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 40).decode()
SVG = '<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=\'ran\'"><script>document.title="ran"</script></svg>'
# {at} is our server
ATTACKS = (
    "<script>document.title='ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    "<svg/onload=document.title='ran'>",
    SVG,
    "<iframe srcdoc=\"<script>parent.document.title='ran'</script>\"></iframe>",
    "<body onload=document.title='ran'>",
    "<details open ontoggle=document.title='ran'><summary>x</summary></details>",
    "<input autofocus onfocus=document.title='ran'>",
    "<style>body { background: url({at}/style) } @import '{at}/import';</style>",
    "<link rel=stylesheet href={at}/link><img src={at}/img><video src={at}/video autoplay></video><audio src={at}/a autoplay></audio>",
    "<meta http-equiv=refresh content='0;url={at}/meta'><base href={at}/base/>",
    "<object data={at}/object></object><embed src={at}/embed><iframe src={at}/frame></iframe>",
    "<form action={at}/form><button autofocus>send</button></form>",
    "![x]({at}/picture) <img srcset='{at}/set 1x'>",
    "[x](javascript:document.title='ran')",
    "<a href=\"javascript:document.title='ran'\">x</a>",
    "</title></style></pre></div><script>document.title='ran'</script>",
    "<!--><script>document.title='ran'</script-->",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=x onerror=document.title='ran'&gt;\">",
    "<noscript><p title=\"</noscript><img src=x onerror=document.title='ran'>\">",
    "<table background={at}/table><tr><td style='background:url({at}/td)' onclick=document.title='ran'>x</td></tr></table>",
    "$\\href{javascript:document.title='ran'}{x}$ <script type=text/x-mathjax-config>document.title='ran'</script>",
    "\x1b]8;;{at}/terminal\x07link\x1b]8;;\x07",
    "<scr<script>ipt>document.title='ran'</scr</script>ipt>",
)


def hostile(where: str):
    """An answered exercise with every attack in every place, as the engine might return it."""
    notebook = answered()
    attacks = [attack.replace("{at}", where) for attack in ATTACKS]
    notebook.cells += [new_markdown_cell(attack) for attack in attacks]
    at(notebook, "answer").source = "Because.\n\n" + "\n\n".join(attacks)
    for attack in attacks:
        data = {
            "text/html": attack,
            "text/markdown": attack,
            "text/latex": attack,
            "application/javascript": attack,
            "image/svg+xml": attack,
        }
        outputs = [new_output("display_data", data=data), new_output("execute_result", data={"text/html": f"<table>{attack}</table>"})]
        outputs += [new_output("stream", text=attack), new_output("stream", name="stderr", text=attack)]
        outputs += [new_output("error", ename=attack, evalue=attack, traceback=[attack])]
        outputs += [new_output("display_data", data={"image/png": f'x" onerror="{attack}', "text/plain": attack})]
        outputs += [new_output("display_data", data={"image/png": base64.b64encode(attack.encode()).decode()})]
        notebook.cells.append(new_code_cell(attack, outputs=outputs))
    picture = new_markdown_cell("![x](attachment:a.png) ![y](attachment:b.svg)")
    picture.attachments = {"a.png": {"image/png": PNG}, "b.svg": {"image/svg+xml": base64.b64encode(SVG.encode()).decode()}}
    notebook.cells.append(picture)
    return notebook


def of(notebook, where: str, safe: bool = True) -> str:
    """The feedback on a notebook whose name, remarks, mistakes and comments are hostile, too."""
    evil = " ".join(ATTACKS).replace("{at}", where)
    each = pipeline.Submission(evil, {"kl": 2.0, "elbo": 0.0, "answer": None}, {"elbo": evil, evil: evil}, [evil], True, [evil])
    notebook = pages.harmless(notebook) if safe else notebook
    return pages.feedback(each, {"kl": 2.0, "elbo": 3.0, "answer": 1.0}, NAME, notebook, {"answer": evil, "kl": evil})


TAGS = (
    "html|head|body|meta|title|style|h[1-6]|p|b|ul|ol|li|table|thead|tbody|tr|th|td|caption|div|pre|span|br|hr|img"
    "|blockquote|strong|em|del|code"
)
LIVE = r"<(script|img(?! src=\"attachment)|svg|iframe|body|style|link|meta|object|embed|form|input|math|noscript|a (?!href=\"http:))"


@pytest.mark.parametrize("safe", [True, False], ids=["as the class does", "by itself"])
def test_a_page_holds_no_tag_and_no_attribute_but_ours(safe):
    page = of(hostile("http://127.0.0.1:1"), "http://127.0.0.1:1", safe)
    assert "\x1b" not in page and "\x07" not in page
    for tag, attributes in re.findall(r"<([a-zA-Z][^\s>/]*)([^>]*)>", page):
        assert re.fullmatch(TAGS, tag), tag
        for name in re.findall(r"([\w-]+)\s*=", re.sub(r'"[^"]*"', '""', attributes)):
            assert name in ("class", "charset", "name", "content", "http-equiv", "lang", "alt", "src"), (tag, name)
        if tag == "img":
            assert re.search(r'src="data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=]+"', attributes)
    assert page.count("<meta") == 4 and page.count("<title>") == 1 and "default-src 'none'" in page


def test_what_the_form_grader_shows_is_inert():
    """Its own page runs with the instructor's rights, and renders text cells and outputs as they are: what it gets must not need care."""
    from nbconvert.filters import markdown2html_mistune

    notebook = pages.harmless(hostile("http://127.0.0.1:1"))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            made = markdown2html_mistune(cell.source.replace("(attachment:a.png)", ""))
            assert not re.search(LIVE, made), made
            assert not re.search(r"<[^>]*\bon\w+\s*=", made) and "\\href" not in made
        for output in cell.get("outputs", []):
            assert set(output.get("data", {})) <= {"text/plain", "image/png", "image/jpeg", "image/gif"}
    nbformat.validate(notebook)


def test_what_is_honest_stays_readable():
    source = "If a < b then **bold** `x<y`, $x_i < y_i$.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![plot](attachment:a.png)"
    page = pages.markdown(source, {"a.png": {"image/png": PNG}})
    assert "a &lt; b" in page and "<strong>bold</strong>" in page and "$x_i &lt; y_i$" in page and "<td>1</td>" in page
    assert f'<img alt="plot" src="data:image/png;base64,{PNG}">' in page
    assert pages.inert("If a < b and c <3.") == "If a < b and c <3."
    table = "<table border=1><tr><th>x</th><td>1 &lt; 2</td></tr></table>"
    frame = new_output("execute_result", data={"text/html": table, "text/plain": "x"})
    assert "<tr><th>x</th><td>1 &lt; 2</td></tr>" in pages._output(frame)
    picture = new_output("display_data", data={"image/png": PNG, "text/plain": "<Figure>"})
    assert PNG in pages._output(picture)


def test_hints_points_and_remarks_are_on_the_page(tmp_path):
    (tmp_path / "in").mkdir()
    notebook = answered(kl="def kl(mean):\n    return wrong")
    notebook.cells.remove(at(notebook, "check_elbo"))
    (tmp_path / "in" / "ada.ipynb").write_text(text(notebook))
    (tmp_path / "in" / "bob.ipynb").write_text("{")
    pipeline.grade(NAME, tmp_path / "in", grading=tmp_path / "g", engine=classes.Engine)
    ada, bob = ((tmp_path / "g" / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8") for student in ("ada", "bob"))
    assert "3 of 6 points" in ada and "kl: exactly twice too large." in ada and "check_elbo was deleted: put back" in ada
    assert "answer will be read by a human" in ada and "elbo: 3 of 3 points" in ada
    assert "Grading runs your function" not in ada  # a hidden test stays hidden
    assert "could not be graded" in bob and "cannot be read as a notebook" in bob


@pytest.mark.parametrize("much", ["text", "outputs", "cells", "pictures"])
def test_the_size_of_a_page_is_bounded(much):
    notebook = answered()
    long = "x" * 1_000_000
    if much == "text":
        notebook.cells += [new_markdown_cell(long), new_code_cell(long, outputs=[new_output("stream", text=long)])] * 20
    elif much == "outputs":
        notebook.cells.append(new_code_cell("1", outputs=[new_output("stream", text=long)] * 5_000))
    elif much == "cells":
        notebook.cells += [new_markdown_cell("y" * 5_000)] * 1_500
    else:
        big = base64.b64encode(b"\x89PNG" + b"\0" * 1_000_000).decode()
        notebook.cells += [new_code_cell("1", outputs=[new_output("display_data", data={"image/png": big})])] * 50
    each = pipeline.Submission("ada", {"kl": 2.0}, {}, [long], True)
    page = pages.feedback(each, {"kl": 2.0}, NAME, pages.harmless(notebook), {})
    assert len(page) < pages.LARGEST + 100_000
    assert "left out" in page


def test_the_time_for_a_page_is_bounded(monkeypatch):
    monkeypatch.setattr(pages, "SECONDS", 1)
    notebook = answered()
    notebook.cells += [new_markdown_cell("<!--" * 2_999)] * 200
    each = pipeline.Submission("ada", {"kl": 2.0}, {}, [], True)
    started = time.monotonic()
    page = pages.feedback(each, {"kl": 2.0}, NAME, notebook, {})
    assert time.monotonic() - started < 20 and "The rest is left out: it takes too long" in page and "2 of 2 points" in page


def test_progress_bars_and_escapes_become_text():
    bar = "".join(f"\r{i}%" for i in range(101)) + "\n\x1b[31mred\x1b[0m \x1b[2J\u202egnp.exe"
    made = pages._output(new_output("stream", text=bar))
    assert "100%" in made and "99%" not in made and "red" in made and not set(made) & set("\x1b\r\u202e")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None or shutil.which(CHROMIUM) is None, reason="no Chromium here: apt-get install chromium")
def test_no_canary_sings_in_a_real_browser(tmp_path):
    """Feedback, report, and the form grader's rendering of the same hand-in, opened."""
    from playwright.sync_api import sync_playwright

    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"http://127.0.0.1:{server.server_port}"
    notebook = hostile(where)
    evil = " ".join(ATTACKS).replace("{at}", where)
    each = pipeline.Submission(evil, {"kl": 2.0}, {"kl": evil}, [evil], True, [evil])
    report = pipeline.Report(NAME, {"kl": 2.0}, [each], [evil], [evil], [(evil, evil, "3 lines", evil)])
    (tmp_path / "feedback.html").write_text(of(notebook, where), encoding="utf-8")
    (tmp_path / "raw.html").write_text(of(notebook, where, safe=False), encoding="utf-8")
    (tmp_path / "report.html").write_text(report.page(), encoding="utf-8")
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter(template_name="basic").from_notebook_node(pages.harmless(notebook))
    (tmp_path / "formgrade.html").write_text(f"<!doctype html><meta charset=utf-8><title>calm</title><body>{body}</body>", encoding="utf-8")
    (tmp_path / "canary.html").write_text(f"<!doctype html><title>calm</title><body>{ATTACKS[0]}<img src={where}/alive></body>")
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=SWITCHES.split())
            page = browser.new_page()
            page.goto((tmp_path / "canary.html").as_uri())
            page.wait_for_timeout(500)
            assert page.title() == "ran" and asked == ["/alive"]  # the canary itself is alive
            asked.clear()
            for name in ("feedback", "raw", "report", "formgrade"):
                page.goto((tmp_path / f"{name}.html").as_uri())
                page.wait_for_timeout(1_000)
                links = page.eval_on_selector_all("a", "links => links.map(link => link.getAttribute('href'))")
                assert not [link for link in links if link and not link.startswith(("#", "http:"))], name
                assert name == "formgrade" or not any(links), name
                assert page.title() != "ran" and page.url.endswith(f"{name}.html"), name
                assert asked == [], name
            browser.close()
    finally:
        server.shutdown()
