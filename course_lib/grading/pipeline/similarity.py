"""Which hand-ins share unusual code. It is shown and not judged: there may be an innocent reason.

Code is compared as runs of tokens in which names are all alike, so that renaming hides nothing; comments are compared as they are. What
the exercise gave, the usual answers, and what many of the class wrote, is taken out first.
"""

import io
import keyword
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from .text import plain

RUN = 14  # tokens: about a line and a half
LEAST = 12  # unusual runs in common, about three lines
MOST = 100_000  # characters of a student's code
USUAL = 0.15  # of the class: what so many wrote is what one writes


def tokens(source: str) -> list[tuple[str, int]]:
    """(token, line) with every name that is no keyword as `v`, numbers and strings as they are; as far as it can be read."""
    found: list[tuple[str, int]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                found.append((token.string if keyword.iskeyword(token.string) else "v", token.start[0]))
            elif token.type in (tokenize.OP, tokenize.NUMBER) or (token.type == tokenize.STRING and '"""' not in token.string):
                found.append((token.string, token.start[0]))
    except (tokenize.TokenError, SyntaxError, ValueError, IndentationError):
        pass
    return found


def pieces(source: str) -> dict[object, int]:
    """The runs and comments of a text, each with the line it begins in."""
    found: dict[object, int] = {}
    read = tokens(source)
    for i in range(len(read) - RUN + 1):
        found.setdefault(hash(tuple(token for token, _ in read[i : i + RUN])), read[i][1])
    for i, line in enumerate(source.splitlines(), 1):
        comment = " ".join(line.partition("#")[2].split())
        if len(comment) >= 15:
            found.setdefault(f"# {comment}", i)
    return found


def alike(handins: Mapping[str, Iterable[str]], usual: Iterable[str], most: int = 30) -> list[tuple[str, str, str, str]]:
    """Pairs of hand-ins with unusual code in common, the most first: (a, b, how much, the lines where the longest piece begins).

    Args:
        handins: by student, the texts of code that they wrote; MOST characters of them are compared, and the rest is not looked at
        usual: texts whose code means nothing when it is shared: the release, right answers
    """
    known = set().union(*(pieces(text) for text in usual)) if usual else set()
    written = {}
    for student, texts in handins.items():
        lines, found, room = [], {}, MOST
        for text in texts:  # one by one: no run goes on from one answer into the next
            text = text[:room]
            room -= len(text)
            for piece, line in pieces(text).items():
                if piece not in known:
                    found.setdefault(piece, len(lines) + line)
            lines += text.splitlines()
        written[student] = (lines, found)
    counts = Counter(piece for _, found in written.values() for piece in found)
    limit = max(2, USUAL * len(written))
    owners = defaultdict(list)
    for student, (_, found) in written.items():
        for piece in found:
            if 2 <= counts[piece] <= limit:
                owners[piece].append(student)
    shared: dict[tuple[str, str], list[object]] = defaultdict(list)
    for piece, students in owners.items():
        for i, a in enumerate(students):
            for b in students[i + 1 :]:
                shared[a, b].append(piece)
    rows = []
    for (a, b), common in shared.items():
        comments = [piece for piece in common if isinstance(piece, str)]
        weight = len(common) + 3 * len(comments)
        if weight < LEAST:
            continue
        text, found = written[a]
        shown = sorted({found[piece] for piece in common})
        share = len(common) / max(1, min(len(written[a][1]), len(written[b][1])))
        excerpt = "\n".join(plain(text[n - 1], 140) for n in shown[:6])
        rows.append((weight, a, b, f"{len(shown)} lines, {100 * share:.0f} % of what is unusual in the shorter one", excerpt))
    return [row[1:] for row in sorted(rows, key=lambda row: (-row[0], row[1], row[2]))[:most]]
