"""A notebook as it was handed in, whatever wrote it: `read(data, "02_autoencoders.ipynb")`.

Only what grading needs is taken: kind, text and name of each cell. Outputs and all other metadata stay behind, so that nothing in them
can go wrong later.
"""

import base64
import binascii
import json
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from .exercise import grade_id
from .text import plain, whole

MAKE = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
MOST_CELLS = 2_000
MOST_PIECES = 5_000_000  # commas and brackets of the JSON: each becomes an object, of which a grader with less than 1 GB holds no more
LONGEST_CELL = 200_000  # characters; the course's longest has 6,000
MOST_TEXT = 1_000_000  # characters of all cells: each is read as Python several times
PICTURES = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8", "image/gif": b"GIF8"}


def read(data: bytes, name: str) -> NotebookNode:
    """The notebook in a file's bytes. A cell that is none is left out.

    Raises:
        ValueError: it is empty, no JSON, or no notebook, in one sentence
    """
    if not data.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        raise ValueError(f"{plain(name)} is empty")
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_PIECES:
        raise ValueError(f"{plain(name)} has more than {MOST_PIECES // 1_000_000} million entries")
    try:
        found = json.loads(_decoded(data), parse_constant=lambda _: None)  # NaN is no JSON, and stands in old outputs
    except RecursionError:
        raise ValueError(f"{plain(name)} cannot be read as a notebook (nested too deep)") from None
    except MemoryError:
        raise ValueError(f"{plain(name)} cannot be read as a notebook (too large)") from None
    except ValueError as problem:
        raise ValueError(f"{plain(name)} cannot be read as a notebook ({plain(_first_line(problem), 80)})") from None
    cells = _cells(found)
    if cells is None:
        raise ValueError(f"{plain(name)} cannot be read as a notebook (it holds no list of cells)")
    if len(cells) > MOST_CELLS:
        raise ValueError(f"{plain(name)} has {len(cells):,} cells, more than {MOST_CELLS:,}")
    notebook = new_notebook(cells=[cell for each in cells if (cell := _cell(each))])
    if any(len(cell.source) > LONGEST_CELL for cell in notebook.cells):
        raise ValueError(f"{plain(name)} has a cell of more than {LONGEST_CELL:,} characters")
    if sum(len(cell.source) for cell in notebook.cells) > MOST_TEXT:
        raise ValueError(f"{plain(name)} has cells of more than {MOST_TEXT:,} characters together")
    return notebook


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


def _decoded(data: bytes) -> str:
    """The text in any encoding that an editor on some system writes."""
    encoding = json.detect_encoding(data)  # UTF-8, UTF-16 or UTF-32, with a mark or without
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        if encoding not in ("utf-8", "utf-8-sig"):
            raise
        return data.decode("cp1252", "replace")  # saved by an old editor on Windows


def _cells(found: Any) -> list | None:
    """The list of cells in either of the two formats that are in use, 4 and 3."""
    if not isinstance(found, dict):
        return None
    if isinstance(found.get("cells"), list):
        return found["cells"]
    sheets = found.get("worksheets")
    if isinstance(sheets, list):
        return [cell for sheet in sheets if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list) for cell in sheet["cells"]]
    return None


def _cell(cell: Any) -> NotebookNode | None:
    if not isinstance(cell, dict):
        return None
    source = _text(cell.get("source", cell.get("input")))
    kind = cell.get("cell_type")
    if kind == "heading":  # format 3
        kind, source = "markdown", f"{'#' * (cell['level'] if cell.get('level') in range(1, 7) else 1)} {source}"
    if kind not in ("code", "markdown", "raw"):
        return None
    made = MAKE[kind](source)
    if name := grade_id(cell):
        made.metadata["nbgrader"] = NotebookNode(grade_id=whole(name))
    if kind == "markdown" and (pictures := _attachments(cell.get("attachments"))):
        made.attachments = pictures
    return made


def _text(source: Any) -> str:
    """A cell's text: a string or a list of them, with one kind of line end."""
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        return ""
    return whole(source).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd").lstrip("\ufeff")


def _attachments(found: Any) -> dict[str, dict[str, str]]:
    """The pictures of a written answer; whatever is none is left out."""
    kept: dict[str, dict[str, str]] = {}
    for name, kinds in list(found.items())[:20] if isinstance(found, dict) else ():
        for kind, data in kinds.items() if isinstance(kinds, dict) else ():
            if picture := as_picture(kind, data):
                kept[whole(name)] = {kind: picture}
    return kept


def as_picture(kind: Any, data: Any, most: int = 2 << 20) -> str | None:
    """base64 of a PNG, JPEG or GIF of at most `most` bytes; None for anything else, whatever it calls itself."""
    data = "".join(part for part in data if isinstance(part, str)) if isinstance(data, list) else data
    if kind not in PICTURES or not isinstance(data, str) or len(data) > 2 * most:
        return None
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(raw).decode() if raw.startswith(PICTURES[kind]) and len(raw) <= most else None
