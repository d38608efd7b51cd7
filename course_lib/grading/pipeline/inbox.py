"""What lies in the inbox, and whose it is: `collect(folder, "02_autoencoders")`.

The inbox is a folder or a zip, as instructors have it: a notebook or a folder a student, nbgrader's `STUDENT/ASSIGNMENT/`, its exchange's
`STUDENT+ASSIGNMENT+TIME`, or what Moodle and Canvas write. Nothing is unpacked to disk, no link is followed, and only regular files are
opened. Every entry becomes part of a hand-in, or a line that says why not.
"""

import csv
import io
import os
import re
import stat
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from .text import key, listed, plain

LARGEST = 64 << 20  # bytes of a file that is read; a notebook with pictures has a few MB
TOGETHER = 64 << 20  # bytes of all the files that a hand-in brings along
DEEPEST, MOST = 8, 20_000  # folders within folders; entries of one student
ARCHIVES_WITHIN = 3  # a class, in it a student's, in that one more
RATIO = 200  # a zip that shrinks its contents more than this is no homework
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
DOCUMENTS = (".pdf", ".docx", ".doc", ".odt", ".rtf", ".html", ".htm", ".py", ".pages")
NOTEBOOKS = (".ipynb", ".ipynb.json", ".ipynb.txt", ".ipynb.html")

# How the platforms name what they export.
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)_?(?P<file>.*)", re.DOTALL)
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d{2,})_(?P<number>\d{2,})_(?P<file>.+)", re.DOTALL)
EXCHANGE = re.compile(r"(?P<name>[^+]+)\+(?P<assignment>[^+]+)\+(?P<when>\d{4}-\d\d-\d\d[ T]\d\d[:_-]\d\d[:_-]\d\d[^+]*)(\+.*)?", re.DOTALL)
PLATFORMS = (MOODLE, CANVAS, EXCHANGE)
AGAIN = re.compile(r"(?P<name>.*\S)\s*\((?P<n>\d{1,3})\)", re.DOTALL)  # what a browser makes of a second download


@dataclass
class File:
    """A regular file of the inbox. `read()` gives its bytes.

    path: where it lies in the inbox, to show
    when: seconds since 1970, as its folder or archive says
    """

    name: str
    path: str
    size: int
    when: float
    read: Callable[[], bytes]


@dataclass
class Folder:
    """A folder or an archive, with what is in it."""

    name: str
    path: str
    children: list["File | Folder | Refused"]
    archive: bool = False


@dataclass
class Refused:
    """What is not opened, and why."""

    name: str
    path: str
    why: str


Node = File | Folder | Refused


@dataclass
class Notebook:
    """A file that may be the notebook that was handed in, with the files beside it and the time its folder states."""

    file: File
    beside: list[tuple[str, File]] = field(default_factory=list)
    exact: bool = False  # called as the assignment is
    number: int = 0  # of the download
    when: float = 0.0
    stamp: File | None = None  # timestamp.txt


@dataclass
class HandIn:
    """One student's work.

    student: the name, to show
    who: name and number as they are in the inbox: no two have the same
    key: the same for folders and the gradebook
    number: the platform's id, or ""
    notebooks: what may be it, the one that counts first
    remarks: what to say about it
    problem: why nothing can be graded; None where something can
    platform: moodle, canvas, exchange, or ""
    """

    student: str
    who: str = ""
    key: str = ""
    number: str = ""
    notebooks: list[Notebook] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    problem: str | None = None
    platform: str = ""
    entries: list[str] = field(default_factory=list)


@dataclass
class Inbox:
    """All hand-ins; a line for each entry that is none; students of the roster without one, and students who are not on it."""

    handins: list[HandIn]
    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


# --------------------------------------------------------------------------------------------------------------------
# Looking, without touching


def clutter(name: str) -> bool:
    """What systems leave behind: no student is called so."""
    return name.startswith((".", "~$")) or name in ("__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini", "Icon\r")


def unwanted(name: str) -> str:
    """Why a file that begins as clutter does is named all the same: someone may have meant it; "" where nothing is to be said."""
    if name.startswith("~$"):
        return "is what Office leaves beside an open file, and no hand-in"
    hidden = name.startswith(".") and not name.startswith("._") and name.lower().endswith(NOTEBOOKS)
    return "is hidden, its name begins with a dot, and is not graded" if hidden else ""


class _Count:
    """How many entries may still be seen: so many of each student, and fifty times as many in all."""

    def __init__(self, within: "_Count | None" = None):
        self.left = MOST if within else 50 * MOST
        self.within = within

    def __call__(self) -> bool:
        self.left -= 1
        return self.left >= 0 and (self.within is None or self.within())


def look(path: Path) -> Node:
    """The folder, archive or file at `path`.

    Raises:
        ValueError: there is nothing, or something that is none of these
    """
    try:
        mode = os.stat(path).st_mode  # the inbox itself may be a link: the instructor named it
    except (OSError, ValueError) as error:
        raise ValueError(f"There is no {path}: name the folder or zip with the hand-ins (--submissions).") from error
    count = _Count()
    if stat.S_ISDIR(mode):
        return Folder(path.name, "", list(_listing(path, "", 0, count)))
    if stat.S_ISREG(mode):
        return _file(path, path.name, path.name, os.stat(path), count)
    raise ValueError(f"{path} is neither a folder nor a file.")


def _listing(folder: Path | str, shown: str, depth: int, count: _Count) -> Iterator[Node]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if not _passed(entry)), key=lambda entry: entry.name)
    except OSError as error:
        yield Refused("", shown, f"cannot be opened ({error.strerror})")
        return
    for entry in found:
        path = f"{shown}/{entry.name}" if shown else entry.name
        part = count if len(found) == 1 else _Count(count)
        if not part():
            yield Refused(entry.name, path, f"is not looked at: there are more than {MOST:,} entries")
            if depth:
                return
            continue  # each has its line
        try:
            state = entry.stat(follow_symlinks=False)
        except OSError as error:
            yield Refused(entry.name, path, f"cannot be opened ({error.strerror})")
            continue
        if stat.S_ISLNK(state.st_mode) or getattr(entry, "is_junction", lambda: False)():
            yield Refused(entry.name, path, "is a link, and links are not followed")
        elif stat.S_ISDIR(state.st_mode):
            if depth >= DEEPEST:
                yield Refused(entry.name, path, f"lies more than {DEEPEST} folders deep")
            else:
                yield Folder(entry.name, path, list(_listing(entry.path, path, depth + 1, part)))
        elif stat.S_ISREG(state.st_mode):
            why = unwanted(entry.name)
            yield Refused(entry.name, path, why) if why else _file(entry.path, entry.name, path, state, part)
        else:
            yield Refused(entry.name, path, "is no file but a pipe, a socket or a device")


def _passed(entry: os.DirEntry) -> bool:
    """Whether an entry is passed over in silence."""
    return clutter(entry.name) and not (unwanted(entry.name) and entry.is_file(follow_symlinks=False))


def _file(place: Path | str, name: str, shown: str, state: os.stat_result, count: _Count) -> Node:
    def read() -> bytes:
        # what was a file may be a pipe by now: neither wait for it nor follow a link that took its place
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            with open(os.open(place, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ValueError(f"{plain(name)} is no regular file")
                return _bounded(file, name)
        except OSError as error:
            raise ValueError(f"{plain(name)} cannot be opened ({error.strerror})") from None

    file = File(name, shown, state.st_size, state.st_mtime, read)
    return _opened(file, lambda: open(place, "rb"), 1, count) if name.lower().endswith(".zip") else file


def _bounded(file: io.BufferedIOBase, name: str) -> bytes:
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{plain(name)} is larger than {LARGEST >> 20} MB")
    return data


def _opened(file: File, opener: Callable[[], io.BufferedIOBase], level: int, count: _Count) -> Node:
    """An archive as a folder. Its entries are read where they lie; nothing is unpacked to disk."""
    if level > ARCHIVES_WITHIN:
        return Refused(file.name, file.path, f"lies in more than {ARCHIVES_WITHIN} archives")
    if not file.size:
        return Refused(file.name, file.path, "is empty")
    root = Folder(file.name, file.path, [], archive=True)
    try:
        with opener() as raw, zipfile.ZipFile(raw) as archive:
            infos = archive.infolist()
    except Exception as error:  # zipfile has many for what is damaged
        return Refused(file.name, file.path, f"is no zip that can be opened ({plain(error, 80)})")
    folders = {(): root}
    found = []
    for info in infos:
        parts = tuple(part for part in info.filename.replace("\\", "/").split("/") if part not in ("", "."))
        named = bool(parts) and not info.is_dir() and unwanted(parts[-1])
        if parts and not any(clutter(part) for part in parts[: -1 if named else None] if part != ".."):
            found.append((info, parts, named))
    shared = len(os.path.commonprefix([parts if info.is_dir() else parts[:-1] for info, parts, _ in found]))
    counts: dict[tuple, _Count] = {}
    for info, parts, named in found:
        name, student = info.filename.replace("\\", "/"), parts[: shared + 1]
        part = counts.setdefault(student, _Count(count))
        if part.left < 0:
            continue
        if not part():
            why = f"is not looked at: there are more than {MOST:,} entries"
            folders.get(student, root).children.append(Refused(parts[-1], "/".join((file.path, *parts)), why))
            if count.left < 0:
                break
            part.left = -1
            continue
        shown = "/".join((file.path, *parts))
        if ".." in parts or name.startswith("/") or re.match(r"[A-Za-z]:", name) or len(parts) > DEEPEST:
            root.children.append(Refused(parts[-1], shown, "leads out of its archive, and is refused"))
            continue
        place = root
        for depth in range(1, len(parts)):
            if parts[:depth] not in folders:
                folders[parts[:depth]] = Folder(parts[depth - 1], "/".join((file.path, *parts[:depth])), [])
                place.children.append(folders[parts[:depth]])
            place = folders[parts[:depth]]
        if info.is_dir():
            if parts not in folders:
                folders[parts] = Folder(parts[-1], shown, [])
                place.children.append(folders[parts])
            continue
        place.children.append(Refused(parts[-1], shown, named) if named else _entry(info, parts[-1], shown, opener, level, part))
    return root


def _entry(info: zipfile.ZipInfo, name: str, shown: str, opener: Callable, level: int, count: _Count) -> Node:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return Refused(name, shown, "is a link, and links are not followed" if kind == stat.S_IFLNK else "is no regular file")
    if info.flag_bits & 1:
        return Refused(name, shown, "is encrypted")
    if info.file_size > LARGEST:
        return Refused(name, shown, f"would unpack to {info.file_size >> 20:,} MB, and is refused")
    if info.file_size > (1 << 20) and info.file_size > RATIO * max(info.compress_size, 1):
        return Refused(name, shown, f"would unpack to {info.file_size // max(info.compress_size, 1):,} times its size, and is refused")

    def read() -> bytes:
        try:
            with opener() as raw, zipfile.ZipFile(raw) as archive, archive.open(info) as file:
                return _bounded(file, name)
        except ValueError:
            raise
        except Exception as error:  # damaged, an unknown compression, overlapping entries
            raise ValueError(f"{plain(name)} cannot be unpacked ({plain(error, 80)})") from None

    try:
        when = datetime(*info.date_time).timestamp()
    except (ValueError, OverflowError):
        when = 0.0
    file = File(name, shown, info.file_size, when, read)
    if name.lower().endswith(".zip"):

        def inner() -> io.BytesIO:
            return io.BytesIO(read())

        return _opened(file, inner, level + 1, count)
    return file


# --------------------------------------------------------------------------------------------------------------------
# Whose is it?


@dataclass
class _Unit:
    """One entry of the inbox that belongs to a student."""

    node: Node
    number: int = 0
    when: float | None = None
    prefix: str = ""  # what the platform put before the file's name


def collect(
    path: str | Path,
    assignment: str,
    others: Iterable[str] = (),
    roster: str | Path | None = None,
    known: Mapping[str, str] | None = None,
) -> Inbox:
    """Every hand-in for an assignment at `path`, a folder or a zip.

    Args:
        path: the inbox
        assignment: such as 02_autoencoders
        others: the other assignments: folders called so are not for this one
        roster: a CSV of all students, to say who is missing
        known: who → key of those graded before: they keep it, whoever comes after them

    Raises:
        ValueError: no inbox, nothing in it, or a roster that cannot be read
    """
    path = Path(path)
    root = look(path)
    if isinstance(root, Refused):
        raise ValueError(f"{path} {root.why}.")
    entries = root.children if isinstance(root, Folder) else [root]
    entries, lines = _unwrapped(entries, assignment)
    others = {other.casefold() for other in others} - {assignment.casefold()}
    people: dict[tuple[str, str], tuple[HandIn, list[_Unit]]] = {}
    for node in entries:
        found = _who(node, assignment)
        if isinstance(found, str):
            lines.append(f"{plain(node.path or node.name)} {found}")
            continue
        student, unit = found
        handin, units = people.setdefault((student.student, student.number), (student, []))
        units.append(unit)
        handin.remarks += [remark for remark in student.remarks if remark not in handin.remarks]
        handin.entries.append(plain(node.path or node.name))
    for handin, units in people.values():
        _fill(handin, units, assignment, others)
    handins = [handin for handin, _ in people.values()]
    _name(handins, known or {})
    if not handins:
        why = f": {listed(lines)}" if lines else ""
        raise ValueError(
            f"No hand-ins in {path}{why}. Put a notebook STUDENT.ipynb or a folder STUDENT/ with one notebook there for each student, "
            "or name another folder or zip with --submissions."
        )
    inbox = Inbox(handins, lines)
    if roster:
        inbox.missing, inbox.strangers = _missing(read_roster(roster), handins)
    return inbox


def _unwrapped(entries: list[Node], assignment: str) -> tuple[list[Node], list[str]]:
    """The entries that are students', where a folder or zip of the whole class stands around them; and lines about it."""
    lines: list[str] = []
    for _ in range(DEEPEST):
        # Where anybody's hand-in stands beside it, a folder or zip is somebody's too, unless all in it is named as a platform names a class.
        hand_ins = [node for node in entries if isinstance(node, Folder) or not isinstance(_who(node, assignment), str)]
        exports = [node for node in hand_ins if isinstance(node, Folder) and len(_exported(node)) > 1]
        if len(hand_ins) == 1:
            classes = [node for node in hand_ins if isinstance(node, Folder) and _is_class(node, assignment, alone=True)]
        elif exports:
            classes = exports
        else:
            classes = [node for node in hand_ins if isinstance(node, Folder) and _is_class(node, assignment, alone=False)]
            names = [child.name for node in classes for child in node.children]
            if len(set(names)) < len(names):
                classes = []  # the same names in several: attempts of students, not groups of them
        if not classes or len(classes) < len(hand_ins):
            if exports:
                entries = [node for node in entries if not any(node is each for each in exports)]
                entries += _beside_others(exports, entries, assignment, lines)
            break
        entries = [child for node in entries for child in (node.children if any(node is each for each in classes) else [node])]
    return entries, lines


def _beside_others(exports: list[Folder], others: list[Node], assignment: str, lines: list[str]) -> list[Node]:
    """What exports hold that lie beside single hand-ins. Whoever has such a one is not replaced by what a stranger's zip may hold."""
    own = {_letters(found[0].student) for found in (_who(node, assignment) for node in others) if not isinstance(found, str)}
    entries = []
    for export in exports:
        lines.append(f"{plain(export.path or export.name)} is taken as the export of a class, beside single hand-ins")
        for child in export.children:
            found = _who(child, assignment)
            if isinstance(found, str) or _letters(found[0].student) not in own:
                entries.append(child)
            else:
                lines.append(
                    f"{plain(child.path or child.name)} is left out: {plain(found[0].student, 60)} has handed in beside that export"
                )
    return entries


def _exported(folder: Folder) -> set[str]:
    """The students in what one platform wrote: all that may be a hand-in is named its way. Empty for anything else."""
    names = [child.name for child in folder.children if not isinstance(child, File) or child.name.lower().endswith(NOTEBOOKS)]
    if any(pattern.fullmatch(folder.name) for pattern in PLATFORMS):
        return set()
    for pattern in PLATFORMS:
        found = [pattern.fullmatch(name) for name in names]
        if found and all(found):
            return {each[1] + each.groupdict().get("id", "") for each in found}
    return set()


def _is_class(folder: Folder, assignment: str, alone: bool) -> bool:
    """Whether a folder or archive holds students, and is none itself."""
    if any(pattern.fullmatch(folder.name) for pattern in PLATFORMS):
        return False
    if _exported(folder):
        return True
    below = [child for child in folder.children if isinstance(child, Folder)]
    if any(child.name.casefold() == assignment.casefold() for child in below):
        return False  # STUDENT/ASSIGNMENT/
    own = [child for child in folder.children if isinstance(child, File) and child.name.lower().endswith(NOTEBOOKS)]
    full = [child for child in below if _has_notebook(child)]
    if own:
        # several notebooks and nothing that is called as the assignment: a class whose folder was packed
        return alone and len(own) + len(full) > 1 and not any(_stem(child.name)[0].casefold() == assignment.casefold() for child in own)
    if alone and len(folder.children) == 1 and len(full) == 1:
        return any(child.name.casefold() == assignment.casefold() for child in full[0].children) or _is_class(full[0], assignment, True)
    return len(full) > 1


def _has_notebook(folder: Folder) -> bool:
    return any(
        _has_notebook(child) if isinstance(child, Folder) else isinstance(child, File) and child.name.lower().endswith(NOTEBOOKS)
        for child in folder.children
    )


def _stem(name: str) -> tuple[str, int]:
    """A file's name without its ending and the number that a second download gets, and that number."""
    for ending in (*NOTEBOOKS, ".zip", *DOCUMENTS, *OTHER_ARCHIVES):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    again = AGAIN.fullmatch(name)
    return (again["name"], int(again["n"])) if again else (name, 0)


def _who(node: Node, assignment: str) -> tuple[HandIn, _Unit] | str:
    """The student whom an entry belongs to; or why it belongs to nobody."""
    name = unicodedata.normalize("NFC", node.name)
    if isinstance(node, Refused) and unwanted(name):
        return node.why
    if found := MOODLE.fullmatch(name):
        return HandIn(found["name"], number=found["id"], platform="moodle"), _Unit(node, prefix=name[: found.start("file")])
    if found := CANVAS.fullmatch(name):
        late = ["handed in late, says Canvas"] if found["late"] else []
        unit = _Unit(node, int(found["number"]), prefix=name[: found.start("file")])
        return HandIn(found["name"], number=found["id"], platform="canvas", remarks=late), unit
    if found := EXCHANGE.fullmatch(name):
        if found["assignment"] != assignment:
            return f"is for {plain(found['assignment'], 60)}"
        return HandIn(found["name"], platform="exchange"), _Unit(node, when=_seconds(found["when"]))
    if isinstance(node, Folder) and not node.archive:
        again = AGAIN.fullmatch(name)
        return HandIn(again["name"] if again else name), _Unit(node, int(again["n"]) if again else 0)
    stem, number = _stem(name)
    if isinstance(node, File) and not name.lower().endswith((*NOTEBOOKS, *DOCUMENTS, *OTHER_ARCHIVES)):
        return "is no notebook" if node.size else "is empty"
    return HandIn(stem), _Unit(node, number)


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of a date as nbgrader writes it; None for anything else."""
    from dateutil import parser

    text = re.sub(r"(?<=[ T_])(\d\d)[_-](\d\d)[_-](\d\d)", r"\1:\2:\3", text.strip()[:60])  # no colons in names on Windows
    try:
        found = parser.parse(text.replace("_", " "))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _fill(handin: HandIn, units: list[_Unit], assignment: str, others: set[str]) -> None:
    """Find the notebooks of a hand-in, the one that counts first; say what was refused, or why there is none."""
    found: list[tuple[_Unit, Notebook]] = []
    seen: list[str] = []
    for unit in units:
        seen += _search(unit, assignment, others, found)
    if not found:
        handin.problem = _why_none(seen)
        return
    handin.remarks += dict.fromkeys(each.removeprefix("!") for each in seen if each.startswith("!"))

    # the times of copies made together say nothing: then the number of the download counts
    times = [notebook.when for _, notebook in found]
    together = max(times) - min(times) < 60

    def later(pair: tuple[_Unit, Notebook]) -> tuple:
        unit, notebook = pair
        number = max(unit.number, notebook.number)
        if len(units) == 1 or handin.platform in ("moodle", "canvas"):
            return (notebook.exact, *((number, notebook.when) if together else (notebook.when, number)), notebook.file.name)
        return (*((unit.number, notebook.when) if together else (notebook.when, unit.number)), notebook.exact, number, notebook.file.name)

    handin.notebooks = [notebook for _, notebook in sorted(found, key=later, reverse=True)]


def _search(unit: _Unit, assignment: str, others: set[str], found: list[tuple[_Unit, Notebook]]) -> list[str]:
    """Add the notebooks of an entry to `found`; return what else was there: names, and, after a `!`, what to remark."""
    seen: list[str] = []

    def add(file: File, folder: Folder | None) -> None:
        name = unicodedata.normalize("NFC", file.name)
        name = name[len(unit.prefix) :] if unit.prefix and name.startswith(unit.prefix) else name
        if not file.size:
            seen.append(f"{plain(name, 80)} is empty")
            return
        stem, number = _stem(name)
        version = re.fullmatch(r"(.+?)-(\d{1,2})", stem) if unit.prefix else None  # Canvas numbers what is handed in again
        if version and version[1].casefold() == assignment.casefold():
            stem, number = version[1], int(version[2])
        notebook = Notebook(file, exact=stem.casefold() == assignment.casefold(), number=number, when=unit.when or file.when)
        if folder:
            notebook.beside = list(_beside(folder, file, ""))
            notebook.stamp = next((each for each in folder.children if isinstance(each, File) and each.name == "timestamp.txt"), None)
        found.append((unit, notebook))

    def walk(folder: Folder) -> None:
        for child in folder.children:
            if isinstance(child, Refused):
                seen.append(f"!{plain(child.name or folder.name, 80)} {child.why}")
            elif isinstance(child, Folder):
                if child.name.casefold() in others:
                    seen.append(f"{plain(child.name, 80)} is another exercise")
                else:
                    walk(child)
            elif child.name.lower().endswith(NOTEBOOKS):
                add(child, folder)
            else:
                seen.append(plain(child.name, 80))

    def assigned(folder: Folder) -> Folder | None:
        """The folder that is called as the assignment, wherever below."""
        below = [child for child in folder.children if isinstance(child, Folder)]
        for child in below:
            if child.name.casefold() == assignment.casefold() and _has_notebook(child):
                return child
        return next((deeper for child in below if (deeper := assigned(child))), None)

    node = unit.node
    if isinstance(node, Refused):
        seen.append(f"!{plain(node.name, 80)} {node.why}")
    elif isinstance(node, Folder):
        walk(assigned(node) or node)
        if not node.children:
            seen.append("!the archive is empty" if node.archive else "!the folder is empty")
    elif node.name.lower().endswith(NOTEBOOKS):
        add(node, None)
    else:
        seen.append(plain(node.name[len(unit.prefix) :], 80))
    return seen


def _beside(folder: Folder, notebook: File, within: str) -> Iterator[tuple[str, File]]:
    """(name from the notebook's folder, file) of what a notebook may read."""
    for child in folder.children:
        if isinstance(child, Folder) and not child.archive:
            yield from _beside(child, notebook, f"{within}{child.name}/")
        elif isinstance(child, File) and child is not notebook and not child.name.lower().endswith(NOTEBOOKS):
            yield f"{within}{child.name}", child


def _why_none(seen: list[str]) -> str:
    said = [each.removeprefix("!") for each in sorted(dict.fromkeys(seen), key=lambda each: not each.startswith("!"))]  # refusals first
    if not said:
        return "no notebook at all"
    if all(each.startswith("!") or each.endswith(" is empty") for each in seen):
        return listed(said)
    if archives := [each for each in said if each.lower().endswith(OTHER_ARCHIVES)]:
        return f"no notebook, only {listed(said)}: {archives[0]} cannot be opened here, a zip can"
    return f"no notebook at all, only {listed(said)}"


def _name(handins: list[HandIn], known: Mapping[str, str]) -> None:
    """Give everyone a name to show and a key: those of one name get their number with it. A key that somebody has stays theirs."""
    names = [handin.student for handin in handins]
    for handin in handins:
        handin.who = f"{handin.student}\n{handin.number}"
        if names.count(handin.student) > 1 and handin.number:
            handin.student = f"{handin.student} ({handin.number})"
    handins.sort(key=lambda handin: (handin.student.casefold(), handin.student, handin.number))
    taken = {made.casefold(): who for who, made in known.items()}  # capitals alone make no second folder on every system
    here = {handin.who for handin in handins}
    shown: set[str] = set()
    for handin in handins:
        handin.key = known.get(handin.who) or key(handin.student)
        owner = taken.get(handin.key.casefold(), handin.who)
        same = owner not in here and "" in (handin.number, owner.rpartition("\n")[2])  # now with a number, or now without
        if owner != handin.who and not same:
            handin.key = key(f"{handin.student}\n{handin.number}")
        taken[handin.key.casefold()] = handin.who
        handin.student = plain(handin.student, 120)
        if handin.student in shown:  # they differ in what is not shown
            handin.student = f"{handin.student} ({handin.key})"
        shown.add(handin.student)


def files_of(notebook: Notebook, remarks: list[str]) -> dict[str, bytes]:
    """What lies beside a notebook and may be read by it, by name; what is too much is left out, and said."""
    found: dict[str, bytes] = {}
    left, room = [], TOGETHER
    for name, file in notebook.beside[:500]:
        if any(clutter(part) or part == ".." for part in PurePosixPath(name).parts) or name == "timestamp.txt":
            continue
        if file.size > room or len(found) >= 200:
            left.append(name)
            continue
        try:
            found[name] = file.read()
            room -= len(found[name])
        except ValueError:
            left.append(name)
    if left:
        remarks.append(f"{listed([plain(name, 60) for name in left])} beside the notebook too large or unreadable: left out")
    return found


def handed_in_at(notebook: Notebook, remarks: list[str]) -> datetime | None:
    """When nbgrader says it was handed in, in UTC without a zone as the gradebook holds it; None where nothing says so."""
    if not notebook.stamp:
        return None
    try:
        text = notebook.stamp.read()[:200].decode("utf-8-sig")
        seconds = _seconds(text)
        when = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None) if seconds is not None else None
    except (ValueError, OverflowError, OSError):
        when = None
    if when is None or not 2000 <= when.year <= time.gmtime().tm_year + 1:
        remarks.append("timestamp.txt holds no date: ignored")
        return None
    return when


# --------------------------------------------------------------------------------------------------------------------
# The roster


def read_roster(path: str | Path) -> list[dict[str, str]]:
    """The rows of a CSV of students, by lower-case heading. Commas, semicolons or tabs; with or without a mark at its start.

    Raises:
        ValueError: it cannot be read, or holds nobody
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"The roster {path} cannot be read ({error.strerror}).") from None
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    head = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=head.count)
    rows = list(csv.reader(io.StringIO(text.replace("\0", "")), delimiter=delimiter))
    rows = [row for row in rows if any(value.strip() for value in row)]
    names = [name.strip().casefold() for name in rows[0]] if rows else []
    known = ("name", "student", "full name", "first name", "last name", "surname", "username", "user", "login", "id", "email", "e-mail")
    if not any(word in name for name in names for word in known):
        names, rows = ["name", *(f"column {i}" for i in range(2, max(map(len, rows), default=1) + 1))], [[], *rows]
    found = [dict(zip(names, (value.strip() for value in row))) for row in rows[1:]]
    found = [row for row in found if not _name_in(row).casefold().startswith(("points possible", "student, test"))]
    if not found:
        raise ValueError(f"The roster {path} lists nobody: a CSV with a heading such as name,id and a line a student is asked for.")
    return found


def _name_in(row: dict[str, str]) -> str:
    """A student's name in a row of a roster."""
    for heading in ("full name", "fullname", "name", "student", "student name"):
        if row.get(heading):
            return row[heading]
    first = next((row[h] for h in row if h.startswith(("first", "given")) and row[h]), "")
    last = next((row[h] for h in row if h.startswith(("last", "sur", "family")) and row[h]), "")
    return f"{first} {last}".strip() or next((value for value in row.values() if value), "")


def _letters(text: str) -> str:
    """Letters and digits alone, without accents, in lower case: how names of different systems are compared."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isalnum()).casefold()


def _numbered(roster: list[dict[str, str]]) -> list[str]:
    """The headings of the columns that hold numbers of students; where none says so, of those that tell every student from every other."""
    headings = list(dict.fromkeys(heading for row in roster for heading in row))
    said = re.compile(r"\bid|id\b|number|nummer|matri|ident|login|user|\bsis\b")
    found = [each for each in headings if said.search(each) and not re.search("group|section|team|course|phone", each)]
    if found:
        return found
    values = {each: [row[each] for row in roster if row.get(each)] for each in headings if not re.search("name|mail|student", each)}
    return [each for each in values if len(set(values[each])) == len(values[each])]


def _names(row: dict[str, str]) -> set[str]:
    """What a student of the roster may be called: by name in either order, by user name, by address."""
    name = _name_in(row)
    names = {_letters(name), *(_letters(row[h]) for h in row if any(w in h for w in ("user", "login", "name", "mail")) and row[h])}
    names |= {_letters(value.split("@")[0]) for value in row.values() if "@" in value}
    if "," in name:
        names.add(_letters(" ".join(reversed(name.split(",", 1)))))
    words = name.replace(",", " ").split()
    names |= {_letters("".join(words[i:] + words[:i])) for i in range(len(words))}
    first = {_letters(row[h]) for h in row if h.startswith(("first", "given", "last", "sur", "family"))}
    names -= first - {_letters(name)}
    return names - {""}


def _missing(roster: list[dict[str, str]], handins: list[HandIn]) -> tuple[list[str], list[str]]:
    """Who is on the roster and handed nothing in, and who handed something in and is not on it. The surest come first; a row is one student's."""
    numbered = _numbered(roster)
    called = [{_letters(handin.student), _letters(handin.who.rsplit("\n", 1)[0])} for handin in handins]
    pairs = []
    for i, row in enumerate(roster):
        names = _names(row)
        numbers = {row.get(each, "").casefold().removeprefix("participant ").strip() for each in numbered} - {""}
        for j, handin in enumerate(handins):
            named, identified = names & called[j], {handin.number, handin.student.casefold()} & numbers
            pairs += [(2 * bool(named) + bool(identified), i, j)] if named or identified else []
    rows: set[int] = set()
    found: set[int] = set()
    for _, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in rows and j not in found:
            rows.add(i)
            found.add(j)
    strangers = [handin.student for j, handin in enumerate(handins) if j not in found]
    return [plain(_name_in(row), 120) for i, row in enumerate(roster) if i not in rows], strangers
