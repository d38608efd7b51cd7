"""Feedback for a student, and a hand-in that may be shown: nothing that a student wrote runs or loads anything.

A page holds the points and hints of every task, the remarks, what a human wrote, and the notebook. It is made of text, checked pictures
and tables; its policy forbids browsers all else.
"""

import html
import re
import time
from collections.abc import Iterable

import bleach
import mistune
from nbformat import NotebookNode
from nbformat.v4 import new_output
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from .exercise import grade_id, is_answer, is_by_hand, task_of
from .notebook import as_picture
from .report import Submission, page, shown
from .text import block, plain

LARGEST = 4 << 20  # characters of a page: a mail takes it
OUTPUT = 20_000  # characters of one text output
CELL = 60_000  # of one cell
PROSE_CELL = 12_000  # of a text cell that is laid out: some texts take a parser very long
OUTPUTS = 40  # of one cell
SECONDS = 20  # that laying out the cells of a notebook may take
TABLE = ["table", "thead", "tbody", "tr", "th", "td", "caption"]
PROSE = [*TABLE, "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "ul", "ol", "li", "blockquote"]
STYLE = f"""
body {{ font: 16px/1.6 system-ui, sans-serif; color: #1d2733; max-width: 860px; margin: 0 auto; padding: 16px 20px 80px; }}
pre {{ font: 13px/1.5 ui-monospace, monospace; overflow-x: auto; margin: 0.4em 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
.code pre {{ background: #f5f7f9; border: 1px solid #d9dde3; border-radius: 6px; padding: 8px 12px; }}
.out {{ padding-left: 14px; }} .bad {{ color: #a11; }} .good {{ color: #176b2c; }} img {{ max-width: 100%; }}
table {{ border-collapse: collapse; }} td, th {{ border: 1px solid #d9dde3; padding: 3px 10px; text-align: left; vertical-align: top; }}
.graded {{ border-left: 4px solid #8fb4e3; padding-left: 12px; }} blockquote {{ border-left: 4px solid #8fb4e3; margin: 1em 0; padding: 1px 16px; }}
{HtmlFormatter().get_style_defs(".highlight")}
"""


def feedback(each: Submission, most: dict[str, float], assignment: str, notebook: NotebookNode | None, comments: dict[str, str]) -> str:
    """A student's page.

    Args:
        each: what became of the hand-in
        most: the points to be had, by task
        notebook: executed; None where nothing could be graded
        comments: what a human wrote, by the name of the answer's cell
    """
    parts = [f"<h1>{html.escape(assignment)}</h1><p>{html.escape(plain(each.student, 120))}</p>"]
    if each.graded:
        parts.append(f"<p><b>{shown(each.total)} of {shown(sum(most.values()))} points</b>{_still(each, most)}</p>")
    else:
        parts.append("<p><b>This could not be graded.</b> Please hand it in again, or ask your teacher.</p>")
    if each.remarks:
        parts.append("<h2>Remarks</h2><ul>" + "".join(f"<li>{html.escape(plain(remark))}</li>" for remark in each.remarks) + "</ul>")
    hints = _hints(notebook) if notebook else {}
    if each.graded:
        parts.append("<h2>Tasks</h2><table><tr><th>task</th><th>points</th><th>what was said</th></tr>")
        for task in dict.fromkeys([*most, *each.mistakes]):
            points = f"{shown(each.points.get(task))} of {shown(most[task])}" if task in most else ""
            said = [hints.get(task) or each.mistakes.get(task, ""), comments.get(task, "")]
            text = "<br>".join(html.escape(block(line, 2_000)).replace("\n", "<br>") for line in said if line)
            parts.append(f"<tr><td>{html.escape(plain(task, 80))}</td><td>{points}</td><td>{text}</td></tr>")
        parts.append("</table>")
    if notebook:
        parts.append("<h2>Your notebook</h2>")
        room = LARGEST - sum(map(len, parts)) - 20_000
        until = time.monotonic() + SECONDS
        for cell in notebook.cells:
            if time.monotonic() > until:
                parts.append("<p>The rest is left out: it takes too long to lay out.</p>")
                break
            try:
                made = _cell(cell, each, most, comments)
            except Exception:  # tables in tables in tables: one cell must not cost the others
                made = "<p>This cell cannot be shown.</p>"
            if len(made) > room:
                parts.append("<p>The rest is left out: the page would be too large.</p>")
                break
            room -= len(made)
            parts.append(made)
    return page(f"{assignment}: feedback", "\n".join(parts), STYLE)


def _still(each: Submission, most: dict[str, float]) -> str:
    waiting = [task for task in most if task in each.points and each.points[task] is None]
    return f"; {html.escape(', '.join(waiting))} will be read by a human" if waiting else ""


def _hints(notebook: NotebookNode) -> dict[str, str]:
    """What the first failing check of each task said."""
    found: dict[str, str] = {}
    for cell in notebook.cells:
        name = grade_id(cell)
        if cell.cell_type != "code" or not name or not name.startswith(("check_", "grade_")):
            continue
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                said = output.get("evalue") or output.get("ename", "")
                found.setdefault(task_of(name), re.sub(r" \[[^\[\]/]+/[^\[\]]+\]$", "", said.strip()))
    return found


def _cell(cell: NotebookNode, each: Submission, most: dict[str, float], comments: dict[str, str]) -> str:
    name = grade_id(cell)
    parts = []
    if cell.cell_type == "code":
        if not (name and name.startswith("grade_")):  # a hidden test stays hidden
            parts.append(f'<div class="code">{highlight(block(cell.source, CELL), PythonLexer(), HtmlFormatter())}</div>')
        parts += [_output(output) for output in cell.get("outputs", [])[:OUTPUTS]]
    elif cell.cell_type == "markdown":
        parts.append(markdown(cell.source, cell.get("attachments") or {}))
    else:
        parts.append(f"<pre>{html.escape(block(cell.source, CELL))}</pre>")
    if name and cell.metadata.nbgrader.get("grade") and (task := task_of(name)) in most and each.graded:
        parts.append(f"<p><b>{html.escape(task)}: {shown(each.points.get(task))} of {shown(most[task])} points</b></p>")
    if name and comments.get(name):
        parts.append(f"<blockquote>{html.escape(block(comments[name], 5_000))}</blockquote>")
    mine = name and (is_answer(cell) or is_by_hand(cell) or cell.metadata.nbgrader.get("grade"))
    return f'<div class="{"graded" if mine else "cell"}">{"".join(parts)}</div>'


def _output(output: NotebookNode) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return f'<div class="out"><pre>{html.escape(block(_joined(output.get("text")), OUTPUT))}</pre></div>'
    if kind == "error":
        lines = _joined(output.get("traceback"), "\n") or f"{output.get('ename', '')}: {output.get('evalue', '')}"
        said = "" if _joined(output.get("evalue"))[:200] in lines else f"{output.get('evalue', '')}\n"
        return f'<div class="out bad"><pre>{html.escape(block(said + lines, OUTPUT))}</pre></div>'
    data = output.get("data") or {}
    for mime in ("image/png", "image/jpeg", "image/gif"):
        if picture := as_picture(mime, data.get(mime)):
            return f'<div class="out"><img alt="output" src="data:{mime};base64,{picture}"></div>'
    if "<table" in _joined(data.get("text/html")):
        return f'<div class="out">{_cleaned(_joined(data["text/html"])[:OUTPUT], TABLE)}</div>'
    if text := _joined(data.get("text/plain")):
        return f'<div class="out"><pre>{html.escape(block(text, OUTPUT))}</pre></div>'
    return ""


def _joined(value: object, between: str = "") -> str:
    return between.join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


def markdown(source: str, attachments: dict[str, dict[str, str]] | None = None) -> str:
    """A text cell as HTML without links, scripts or styles. Its pictures are those that it brings along."""
    found: list[str] = []

    def picture(match: re.Match) -> str:
        for mime, data in (attachments or {}).get(match[2], {}).items():
            if checked := as_picture(mime, data):
                found.append(f'<img alt="{html.escape(plain(match[1], 200))}" src="data:{mime};base64,{checked}">')
                return f"\ue000{len(found) - 1}\ue001"
        return match[0]

    def formula(match: re.Match) -> str:
        found.append(f"<code>{html.escape(match[0])}</code>")  # as it was typed: `_` and `*` mean other things in Markdown
        return f"\ue000{len(found) - 1}\ue001"

    text = block(source, CELL).replace("\ue000", "").replace("\ue001", "")
    if len(text) > PROSE_CELL:
        return f"<pre>{html.escape(text)}</pre>"
    text = re.sub(r"\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,300}\$", formula, text)
    text = re.sub(r"!\[([^\]\n]{0,300})\]\(attachment:([^)\s]{1,200})\)", picture, text)
    try:
        made = _cleaned(mistune.html(text), PROSE)
    except RecursionError:  # quotes in quotes in quotes
        made = f"<pre>{html.escape(text)}</pre>"
    return re.sub("\ue000(\\d+)\ue001", lambda match: found[int(match[1])] if int(match[1]) < len(found) else "", made)


def _cleaned(text: str, tags: list[str]) -> str:
    """HTML with these tags alone, without attributes; what scripts and styles hold goes with them, other tags leave their text."""
    text = re.sub(r"<(script|style|iframe|object|svg|math|template|noscript)\b.*?(</\1\s*>|\Z)", "", text, flags=re.DOTALL | re.IGNORECASE)
    return bleach.clean(text, tags=set(tags), attributes={}, protocols=set(), strip=True, strip_comments=True)


# --------------------------------------------------------------------------------------------------------------------
# For the form grader, whose page runs with the instructor's rights


def harmless(notebook: NotebookNode) -> NotebookNode:
    """A hand-in that nbgrader's form grader may show. It renders what it finds, so nothing is left to find.

    Outputs keep text and checked pictures. In text cells a space without width parts each `<` and each link from what it begins.
    """
    cells = []
    for cell in notebook.cells:
        cell = NotebookNode({**cell})
        if cell.cell_type == "code":
            kept = [made for output in cell.get("outputs", [])[:OUTPUTS] if (made := _kept(output))]
            cell.outputs, cell.execution_count = kept, None
        else:
            if "attachments" in cell:
                pictures = {
                    name: {mime: data for mime, each in kinds.items() if (data := as_picture(mime, each))}
                    for name, kinds in cell.attachments.items()
                    if re.fullmatch(r"[\w .()-]{1,100}", name)
                }
                cell.attachments = NotebookNode({name: kinds for name, kinds in pictures.items() if kinds})
            if cell.cell_type == "markdown":
                cell.source = inert(cell.source, cell.get("attachments") or {})
        cells.append(cell)
    return NotebookNode({**notebook, "cells": cells})


def inert(source: str, pictures: Iterable[str] = ()) -> str:
    """Markdown in which no tag, link or command of a formula begins; to the eye the same.

    pictures: the names of attachments that are there; a missing one would end the form grader's page
    """
    source = block(source, CELL)
    source = re.sub(r"<(?=[A-Za-z/!?])", "<\u200b", source)
    there = "|".join(map(re.escape, pictures)) or r"\0"
    source = re.sub(rf"\](?=\((?!attachment:(?:{there})\))|\[|:)", "]\u200b", source)
    return re.sub(r"\\(?=(?:href|require|style|class|cssId|unicode|includegraphics|url|input|def|newcommand|let)\b)", "\\\\\u200b", source)


def _kept(output: NotebookNode) -> NotebookNode | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = output.get("name") if output.get("name") in ("stdout", "stderr") else "stdout"
        return new_output("stream", name=name, text=block(_joined(output.get("text")), OUTPUT))
    if kind == "error":
        lines = [block(_joined(output.get("traceback"), "\n"), OUTPUT)]
        return new_output(
            "error", ename=plain(output.get("ename", "")), evalue=block(str(output.get("evalue", "")), 5_000), traceback=lines
        )
    data = output.get("data") or {}
    kept = {mime: checked for mime, value in data.items() if (checked := as_picture(mime, value))}
    if text := _joined(data.get("text/plain")):
        kept["text/plain"] = block(text, OUTPUT)
    return new_output("display_data", data=kept) if kept else None
