"""The release with a student's answers in it: `repair(submitted, release)`.

Locked cells come from the release. An answer is known by the name of its cell. Where that was lost, or where the cell of that name does
not hold it, it is looked for by what it defines: in cells of the student's own, in the check, in a neighbour that it was merged with.
"""

import ast
import functools
import re
import unicodedata
from dataclasses import dataclass, field

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from .exercise import grade_id, is_answer, is_by_hand
from .syntax import parsed_cell
from .text import listed

MAKE = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
ACCENTS = 2_000  # on one letter they take normalizing the square of their number


@dataclass
class _Found:
    """Where an answer is. `cell`: its number in the hand-in; `source`: its text; `remark`: what to say, or None."""

    cell: int | None
    source: str
    remark: str | None = None
    moved: set[int] = field(default_factory=set)


def fits(submitted: NotebookNode, release: NotebookNode) -> bool:
    """Whether anything in a hand-in belongs to this exercise: a name, a text, a function."""
    masters = {name: cell for cell in release.cells if (name := grade_id(cell))}
    texts = {_squeezed(cell.source) for cell in release.cells if len(cell.source) > 40}
    wanted = {name: _function(cell) for name, cell in masters.items() if is_answer(cell)}
    special = [name for name in masters if name not in ("setup", "imports", "data")]
    for cell in submitted.cells:
        if grade_id(cell) in special or _squeezed(cell.source) in texts:
            return True
        if any(function and _defines(cell.source, function) for function in wanted.values()):
            return True
    return False


def answered(submitted: NotebookNode, release: NotebookNode) -> bool:
    """Whether any answer in a hand-in is another text than the release's."""
    repaired, _ = repair(submitted, release)
    blank = {name: _squeezed(cell.source) for cell in release.cells if (name := grade_id(cell)) and is_answer(cell)}
    return any(_squeezed(cell.source) != blank[name] for cell in repaired.cells if (name := grade_id(cell)) in blank)


def repair(submitted: NotebookNode, release: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The release with the student's answers in it, and what had to be put right, each as a sentence.

    Of several copies of an answer the last one counts that was worked on. The student's other cells stay after the cell they followed;
    untouched copies of an answer cell are left out, since they would undo the answer above them.
    """
    masters = {name: cell for cell in release.cells if (name := grade_id(cell))}
    cells = submitted.cells
    names = _identify(cells, release)
    copies = {name: [i for i, each in enumerate(names) if each == name] for name in masters}
    remarks: list[str] = []
    found = {name: _answer(name, cells, names, masters, copies, release) for name, master in masters.items() if is_answer(master)}

    chosen = {name: each.cell for name, each in found.items() if each.cell is not None and names[each.cell] == name}
    chosen |= {name: indices[-1] for name, indices in copies.items() if indices and name not in found}
    moved = {i for each in found.values() for i in each.moved}
    extras: dict[str | None, list[NotebookNode]] = {None: []}
    after = None
    for i, (cell, name) in enumerate(zip(cells, names)):
        if name is not None and chosen.get(name) == i:
            after = name
        elif (
            i in moved
            or (name and not is_answer(masters[name]))
            or (name and _untouched(cell, masters[name]))
            or _merged_with_locked(cell.source, masters)
            and not name
        ):
            continue
        else:
            own = MAKE[cell.cell_type](cell.source)
            if cell.get("attachments"):
                own.attachments = cell.attachments
            extras.setdefault(after, []).append(own)

    deleted: list[str] = []
    changed: list[str] = []
    whole = list(extras[None])
    for name, master in masters.items():
        cell = NotebookNode({**master, "metadata": master.metadata})
        if name in found:
            each = found[name]
            if each.remark:
                remarks.append(each.remark)
            if each.cell is None:
                remarks.append(f"{name} was deleted: put back blank")
            else:
                cell.source = each.source
                origin = cells[each.cell]
                if names[each.cell] == name and origin.cell_type != master.cell_type and not each.remark:
                    remarks.append(f"{name} had become a {origin.cell_type} cell: changed back to {master.cell_type}")
                if master.cell_type == "markdown" and origin.get("attachments"):
                    cell.attachments = origin.attachments
        elif not copies[name]:
            deleted.append(name)
        elif not _same(cells[copies[name][-1]], master) and not any(copies[name][-1] == each.cell for each in found.values()):
            changed.append(name)
        whole += [cell, *extras.get(name, [])]
    holders = {each.cell for each in found.values() if each.remark}
    deleted = [name for name in deleted if not any(_holds(cells[i].source, masters[name].source) for i in holders if i is not None)]
    if deleted:
        remarks.append(f"{listed(deleted)} {'was' if len(deleted) == 1 else 'were'} deleted: put back")
    if changed:
        remarks.append(
            f"{listed(changed)} {'was changed: put back as it was' if len(changed) == 1 else 'were changed: put back as they were'}"
        )
    repaired = NotebookNode({**release, "cells": whole})
    for i, cell in enumerate(repaired.cells):
        cell["id"] = f"cell-{i}"
    repaired.nbformat, repaired.nbformat_minor = 4, 5
    _names_in.cache_clear()  # what a hand-in was is not kept for the class
    return repaired, remarks


# --------------------------------------------------------------------------------------------------------------------
# Which cell is which


def _identify(cells: list[NotebookNode], release: NotebookNode) -> list[str | None]:
    """For each submitted cell the name of the release's cell that it is, or None for one of the student's own."""
    masters = {name: cell for cell in release.cells if (name := grade_id(cell))}
    names = [name if (name := grade_id(cell)) in masters else None for cell in cells]
    before = dict(zip([grade_id(cell) for cell in release.cells[1:]], release.cells[:-1]))
    squeezed = [_squeezed(cell.source) for cell in cells]
    for name, master in masters.items():
        if name in names:
            continue
        if not is_answer(master):
            _claim(name, master, masters, names, squeezed)
            continue
        function = _function(master)
        previous = _squeezed(before[name].source) if name in before else None
        for i, cell in enumerate(cells):
            if names[i] is not None:
                continue
            same_text = squeezed[i] == _squeezed(master.source)
            same_function = function and cell.cell_type != "markdown" and _defines(cell.source, function)
            same_place = not function and i and previous and squeezed[i - 1] == previous
            if same_place and any(squeezed[i] == _squeezed(each.source) for each in release.cells if each is not master):
                continue  # the answer was deleted, and the next cell of the release stands there
            if same_text or (same_function and not _check_in(cell.source, masters)) or same_place:
                names[i] = name
    return names


def _claim(name: str, master: NotebookNode, masters: dict[str, NotebookNode], names: list[str | None], squeezed: list[str]) -> None:
    """Find a locked cell by its text. Hidden tests all look alike: the first one below the cell before it is the one."""
    same = [i for i, text in enumerate(squeezed) if names[i] is None and text == _squeezed(master.source)]
    order = list(masters)
    above = [names.index(each) for each in order[: order.index(name)] if each in names]
    if same:
        names[next((i for i in same if above and i > above[-1]), same[0])] = name


def _answer(
    name: str, cells: list, names: list, masters: dict[str, NotebookNode], copies: dict[str, list[int]], release: NotebookNode
) -> _Found:
    """The answer of one cell: its own last worked-on copy, else where it ended up."""
    master, mine = masters[name], copies[name]
    if is_by_hand(master) and master.cell_type == "markdown":
        return _written(name, cells, names, masters, mine, release)
    function = _function(master)
    worked = [i for i in mine if not _untouched(cells[i], master)]
    good = [i for i in worked if not function or _defines(cells[i].source, function)]
    if good:
        i = good[-1]
        others = [each for each in mine if each != i and not _untouched(cells[each], master)]
        remark = None
        if others:
            which = "last one" if i == mine[-1] else "last answered one"
            remark = f"{name} was there {len(others) + 1} times: the {which} counts"
        return _Found(i, _without_checks(cells[i].source, masters, copies), remark)
    if function and (found := _elsewhere(name, function, cells, names, masters, copies)):
        return found
    if worked or mine:
        i = (worked or mine)[-1]
        return _Found(i, cells[i].source)
    return _Found(None, "")


def _elsewhere(
    name: str, function: str, cells: list, names: list, masters: dict[str, NotebookNode], copies: dict[str, list[int]]
) -> _Found | None:
    """An answer that is not in its own cell, by the function that it defines. The student's own cells come first, the last one of them."""
    master = masters[name]

    def kind(i: int) -> int:
        if names[i] is None:
            return 0 if cells[i].cell_type == "code" else 3
        return 2 if is_answer(masters[names[i]]) else 1

    places = sorted((kind(i), -i) for i, cell in enumerate(cells) if names[i] != name and _defines(cell.source, function))
    for place in places:
        what, i = place[0], -place[1]
        source = _answer_in(cells[i], function, name, masters)
        if source and _squeezed(source) != _squeezed(master.source) and not _is_stub(source):
            break
    else:
        return None
    where = {
        0: "a cell of your own",
        1: "the check cell" if names[i] == f"check_{name}" else f"the locked cell {names[i]}",
        2: f"the cell of {names[i]}",
        3: f"a {cells[i].cell_type} cell",
    }[what]
    if what == 0 and _check_in(cells[i].source, masters):
        where = "the check cell"
    return _Found(i, source, f"{name}: your answer was found in {where}", {i} if what in (0, 3) else set())


def _answer_in(cell: NotebookNode, function: str, name: str, masters: dict[str, NotebookNode]) -> str:
    """The part of a cell that is one task's answer: without the text of locked cells and without what other tasks define."""
    text = _without_locked(cell.source, masters)
    others = {f for other, master in masters.items() if other != name and is_answer(master) and (f := _function(master))}
    tree = _parsed(text)
    if tree is None:
        start = re.search(_definition(function), text, re.MULTILINE)
        if not start:
            return ""
        lines = text[start.start() :].split("\n")
        end = next((n for n, line in enumerate(lines[1:], 1) if line and not line[0].isspace() and not line.startswith((")", "#"))), None)
        return "\n".join(lines[:end]).strip("\n")
    lines = text.split("\n")
    kept, last = [], 0
    for node in tree.body:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        part = lines[last : node.end_lineno]
        last = max(node.end_lineno, first)
        bound = _bound([node])
        if bound & others and function not in bound:
            continue
        kept += part
    return "\n".join(kept).strip("\n")


def _written(name: str, cells: list, names: list, masters: dict, mine: list[int], release: NotebookNode) -> _Found:
    """A written answer: its own cell, else own text cells below it, else what was added to the question above it."""
    master = masters[name]
    worked = [i for i in mine if not _untouched(cells[i], master)]
    if worked:
        i = worked[-1]
        others = len(worked) - 1
        return _Found(i, cells[i].source, f"{name} was there {others + 1} times: the last one counts" if others else None)
    known = [(_squeezed(cell.source), cell.source) for cell in release.cells if cell.cell_type == "markdown"]
    if mine:  # answered below, in new cells, up to the next cell of the exercise
        below, end = [], {text for text, _ in known}
        for i in range(mine[-1] + 1, len(cells)):
            if names[i] is not None or _squeezed(cells[i].source) in end or cells[i].cell_type == "code":
                break
            if cells[i].source.strip():
                below.append(i)
        if below:
            source = "\n\n".join(cells[i].source for i in below)
            return _Found(below[0], source, f"{name}: your answer was found in a cell of your own", set(below))
    order = [grade_id(cell) for cell in release.cells]
    question = next((c for c in reversed(release.cells[: order.index(name)]) if c.cell_type == "markdown"), None)
    for i, cell in enumerate(cells):
        if question is None or len(question.source) < 3 or _squeezed(cell.source) == _squeezed(question.source):
            continue
        text, asked = _composed(cell.source).strip(), _composed(question.source).strip()
        if text.startswith(asked) and (names[i] is None or not is_answer(masters[names[i]])):
            rest = text[len(asked) :].replace(master.source.strip(), "").strip()
            if rest:
                return _Found(i, rest, f"{name}: your answer was found in the cell of the question", set() if names[i] else {i})
    if mine:
        return _Found(mine[-1], cells[mine[-1]].source)
    return _Found(None, "")


# --------------------------------------------------------------------------------------------------------------------
# Text and code


def _squeezed(source: str) -> str:
    """A text without what editors change on their own: spaces at line ends, empty lines around, how accents are written."""
    return "\n".join(line.rstrip() for line in _composed(source).strip().splitlines())


def _composed(text: str) -> str:
    few = text.isascii() or sum(map(bool, map(unicodedata.combining, text))) <= ACCENTS
    return unicodedata.normalize("NFC", text) if few else text


def _untouched(cell: NotebookNode, master: NotebookNode) -> bool:
    return not cell.source.strip() or _same(cell, master, kinds=False)


def _same(cell: NotebookNode, master: NotebookNode, kinds: bool = True) -> bool:
    """Whether a cell says the same as the release's: a formatter may have been at it."""
    if kinds and cell.cell_type != master.cell_type:
        return False
    if _squeezed(cell.source) == _squeezed(master.source):
        return True
    if master.cell_type != "code":
        return cell.source.split() == master.source.split()
    trees = _parsed(cell.source), _parsed(master.source)
    try:
        return all(tree is not None and tree.body for tree in trees) and ast.dump(trees[0]) == ast.dump(trees[1])
    except RecursionError:  # brackets in brackets in brackets
        return False


def _parsed(source: str) -> ast.Module | None:
    """The syntax tree of a cell, its magic lines left out; None where it is no Python."""
    try:
        return parsed_cell(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@functools.lru_cache(maxsize=4096)
def _names_in(source: str) -> frozenset[str] | None:
    """What a cell binds at its top level; None where it is no Python."""
    tree = _parsed(source)
    return None if tree is None else frozenset(_bound(tree.body))


def _bound(nodes: list[ast.stmt]) -> set[str]:
    """Names that statements bind at the top level of a cell, also below `if`, `try` and `with`."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        else:
            for part in ("body", "orelse", "finalbody"):
                found |= _bound([each for each in getattr(node, part, []) or [] if isinstance(each, ast.stmt)])
            for handler in getattr(node, "handlers", []):
                found |= _bound(handler.body)
    return found


def _definition(function: str) -> str:
    name = re.escape(function)
    return rf"^[ \t]*(?:(?:async\s+)?def\s+{name}\s*[(\[]|class\s+{name}\b|{name}\s*(?::[^=\n]+)?=(?!=))"


def _defines(source: str, function: str) -> bool:
    """Whether a cell makes something of this name; one with a mistake in its grammar is searched line by line."""
    if function not in source:
        return False
    names = _names_in(source)
    if names is None:
        return bool(re.search(_definition(function), source, re.MULTILINE))
    return function in names


def _function(master: NotebookNode) -> str | None:
    """The name that an answer cell of the release defines."""
    found = re.search(r"^(?:def|class) (\w+)|^(\w+) *=", master.source, re.MULTILINE) if master.cell_type == "code" else None
    return found and (found[1] or found[2])


def _is_stub(source: str) -> bool:
    return bool(re.search(r"raise NotImplementedError\(\)\s*$", source)) and "YOUR CODE HERE" in source


def _locked_texts(masters: dict[str, NotebookNode]) -> list[str]:
    return [master.source.strip() for master in masters.values() if not is_answer(master) and master.source.strip()]


def _without_locked(source: str, masters: dict[str, NotebookNode]) -> str:
    """A cell's text without that of locked cells that it was merged with or typed into."""
    for text in sorted(_locked_texts(masters), key=len, reverse=True):
        if text in source:
            source = re.sub(rf"^{re.escape(text)}[ \t]*$", "", source, flags=re.MULTILINE)
    return source.strip("\n")


def _holds(source: str, locked: str) -> bool:
    return locked.strip() in source and bool(re.search(rf"^{re.escape(locked.strip())}[ \t]*$", source, re.MULTILINE))


def _check_in(source: str, masters: dict[str, NotebookNode]) -> bool:
    """Whether the text of a check stands in a cell."""
    return any(name.startswith("check_") and _holds(source, master.source) for name, master in masters.items())


def _merged_with_locked(source: str, masters: dict[str, NotebookNode]) -> bool:
    """Whether a cell of the student's own is nothing but copies of locked cells."""
    return bool(source.strip()) and not _without_locked(source, masters).strip()


def _without_checks(source: str, masters: dict[str, NotebookNode], copies: dict[str, list[int]]) -> str:
    """An answer without the check that was merged into it: the check comes back as a cell of its own."""
    gone = {name: master for name, master in masters.items() if not copies[name] and name.startswith(("check_", "grade_"))}
    return _without_locked(source, gone) if gone and any(_holds(source, master.source) for master in gone.values()) else source
