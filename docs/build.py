"""Build the static site: every lecture with its outputs, the guide for instructors, and the README as its front page, in docs/_site.

The pages need nothing from the network: formulas become MathML, which browsers draw themselves.
For slides, run `jupyter nbconvert --to slides notebooks/02_autoencoders.ipynb`.
"""

import re
import shutil
from pathlib import Path

import nbformat
from latex2mathml.converter import convert as to_mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import TagRemovePreprocessor
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "docs" / "_site"

STYLE = """
:root { color-scheme: light; --line: #d9dde3; --soft: #f5f7f9; }
body { font: 16px/1.6 system-ui, sans-serif; color: #1d2733; margin: 0; }
nav { padding: 10px 24px; border-bottom: 1px solid var(--line); }
nav a { margin-right: 18px; white-space: nowrap; }
nav a[aria-current] { color: inherit; font-weight: 600; }
a { color: #1a66c2; text-decoration: none; } a:hover { text-decoration: underline; } .anchor-link { visibility: hidden; }
main { max-width: 860px; margin: 0 auto; padding: 16px 20px 80px; }
.prompt { display: none; }
pre { font: 13.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-x: auto; margin: 0.4em 0; }
.input pre, main > pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: 10px 14px; }
.output_area { padding-left: 14px; overflow-x: auto; }
img { max-width: 100%; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: 3px 10px; }
blockquote { margin: 1em 0; padding: 1px 16px; border-left: 4px solid #8fb4e3; background: var(--soft); }
math[display="block"] { margin: 0.8em 0; overflow-x: auto; }
mtd { padding: 0.1em; } mtd[columnalign="right"] { text-align: right; } mtd[columnalign="left"] { text-align: left; }
"""


class Renderer(IPythonRenderer):
    """Markdown to HTML, with formulas as MathML."""

    def block_math(self, body: str) -> str:
        return to_mathml(body.replace("{aligned}", "{align*}"), display="block")  # aligned is one that latex2mathml lacks

    def inline_math(self, body: str) -> str:
        return to_mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return to_mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", display="block")


def to_html(markdown: str) -> str:
    return MarkdownWithMath(renderer=Renderer(escape=False)).render(markdown)


def page(title: str, body: str, lectures: list[Path]) -> str:
    """A whole page: the links to all the others, and `body`."""
    pages = [("Course", "index"), *((path.stem.replace("_", " "), path.stem) for path in lectures), ("Instructors", "instructors")]
    links = "".join(f'<a href="{name}.html"{" aria-current=page" if name == title else ""}>{text}</a>' for text, name in pages)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}{HtmlFormatter().get_style_defs('.highlight')}</style></head>"
        f"<body><nav>{links}</nav><main>{body}</main></body></html>"
    )


def build() -> None:
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir(parents=True)
    lectures = sorted((ROOT / "notebooks").glob("*.ipynb"))

    exporter = HTMLExporter(template_name="basic")
    exporter.register_preprocessor(TagRemovePreprocessor(remove_cell_tags={"setup"}), enabled=True)
    exporter.register_filter("markdown2html", to_html)
    for lecture in lectures:
        body, _ = exporter.from_notebook_node(nbformat.read(lecture, as_version=4))
        (SITE / f"{lecture.stem}.html").write_text(page(lecture.stem, body, lectures), encoding="utf-8")

    guide = to_html((ROOT / "docs" / "instructors.md").read_text(encoding="utf-8"))
    (SITE / "instructors.html").write_text(page("instructors", guide, lectures), encoding="utf-8")

    front = re.sub(r'(href=")notebooks/(\w+)\.ipynb"', r'\1\2.html"', to_html((ROOT / "README.md").read_text(encoding="utf-8")))
    front = front.replace('href="docs/instructors.md"', 'href="instructors.html"')
    for picture in set(re.findall(r'src="(docs/[^"]+)"', front)):
        (SITE / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / picture, SITE / picture)
    (SITE / "index.html").write_text(page("index", front, lectures), encoding="utf-8")
    print(f"{len(lectures)} lectures: open {SITE.relative_to(ROOT)}/index.html")


if __name__ == "__main__":
    build()
