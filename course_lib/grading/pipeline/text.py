"""Text that strangers wrote, made safe to show: names, remarks, outputs."""

import hashlib
import re
import unicodedata

# Terminals obey these: escape sequences with their arguments, as one piece.
ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|\x9b[0-?]*[ -/]*[@-~]")
# Characters that act instead of being shown: control characters, and those that turn the direction of what follows.
ACTING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
UNSEEN = re.compile("[\u00ad\u200b-\u200d\u2060-\u2064\ufeff]")  # characters without width
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$", *(f"{device}{i}" for device in ("com", "lpt") for i in "0123456789¹²³")}


def whole(text: str) -> str:
    """The text with every half of a surrogate pair replaced, so that it can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def plain(text: object, most: int = 300) -> str:
    """One line of at most `most` characters that no terminal, table or page obeys: control characters become their names."""
    text = UNSEEN.sub("", ESCAPES.sub("", whole(str(text)[: 4 * most + 1000])))
    shown = ACTING.sub("\ufffd", text.replace("\r", "").replace("\n", "⏎").replace("\t", " "))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def block(text: str, most: int) -> str:
    """The same for text of several lines."""
    left = len(text) - 4 * most
    if left > 0:  # what will not be shown is not looked at either
        text = f"{text[: 2 * most]}{text[-2 * most :]}"
    text = ESCAPES.sub("", whole(text)).replace("\r\n", "\n")
    text = re.sub(r"^.*\r(?!$)", "", text, flags=re.MULTILINE)  # a progress bar writes over its own line
    text = ACTING.sub("\ufffd", text.replace("\r", ""))
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\n… {len(text) - most + max(left, 0):,} characters left out …\n{text[-(most // 2) :]}"


def key(name: str) -> str:
    """A name for folders and addresses, on every system and for nbgrader: the name itself where it can be, else close to it.

    Two names that differ get two keys, but for capitals.
    """
    name = unicodedata.normalize("NFC", whole(name))
    safe = UNSEEN.sub("", name)
    safe = "".join(c if c.isalnum() or c in " -_.,+@()=" else "_" for c in safe)  # no brackets, no <>: nbgrader globs, pages show
    safe = safe.strip(" .").encode()[:100].decode(errors="ignore").strip(" .")  # bytes: so long is a file's name at most, with the rest
    if not safe or safe.split(".")[0].casefold().strip() in RESERVED:
        safe = f"_{safe}"
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def listed(names: list[str], most: int = 4) -> str:
    """`a, b and c`; of many the first ones and how many more there are."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cell_of_table(value: object) -> str:
    """A value for a spreadsheet: one that would be run as a formula begins with an apostrophe."""
    text = plain(value, 2000)
    first = unicodedata.normalize("NFKC", text.lstrip()[:1])  # wide ones count, too
    return f"'{text}" if first in ("=", "+", "-", "@", "|", "%") else text
