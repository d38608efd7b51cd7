"""Python's own reading of source text, for threads that read at the same time."""

import ast
import re
import threading

MAGIC = re.compile(r"^([ \t]*)[%!?].*$", re.MULTILINE)
_ONE_AT_A_TIME = threading.Lock()  # Python 3.11 counts the depth of all trees under way together, and fails where two threads make one


def parsed(text: str) -> ast.Module:
    """The syntax tree of Python.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse` does
    """
    with _ONE_AT_A_TIME:
        return ast.parse(text)


def parsed_cell(source: str) -> ast.Module:
    """The same for a cell: its magic lines count as `pass`."""
    return parsed(MAGIC.sub(r"\1pass", source))
