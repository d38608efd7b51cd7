"""What looks like a trick in the text of a hand-in, said as what is there. Nothing is taken off for it: a trick earns nothing anyway."""

import re

from nbformat import NotebookNode

from .exercise import grade_id

LOOKS = {
    r"\bsys\.(set(?:trace|profile)|_getframe|_current_frames)\b|\bgc\.get_(?:objects|referrers)\b": "looks at running code ({0})",
    r"\bthreading\.set(?:trace|profile)\b|\bsys\.monitoring\b": "looks at running code ({0})",
    r"\bobject\.__setattr__\b|\b__dict__\[|\bctypes\b|\bf_(?:locals|globals|back)\b|\b__closure__\b|\bcell_contents\b": "reaches past an object's own door ({0})",
    r"\b(?:Task|Goal|CheckFailed)\.\w+ *=[^=]|(?:\btype\([^()]*\)|\b[A-Z_]{2,})\.(?:check|cases|answer|truth|known|at_least|slack|chosen|tolerance) *=[^=]": "changes a check ({0})",
    r"\bsetattr\( *(?:Task|Goal|torch|builtins|sys|[A-Z_]{2,}\b)": "changes a check or a library ({0})",
    r"\b(?:torch|math|F|np|numpy|builtins|nn\.functional|torch\.Tensor|Tensor)\.\w+ *=[^=]": "replaces a function of a library ({0})",
    r"\bsys\.modules\[|\bsys\.modules\.|\bsys\.meta_path\b|\bimportlib\.reload\b": "changes what is imported ({0})",
    r"\binput_transformers?\w*\b|\bast_transformers\b|\bevents\.register\b|\bget_ipython\(\)\.(?:run_cell\w*|events|user_ns|ex|ev)\b": "changes how cells run ({0})",
    r"\brun_cell\w*\b|\bset_next_input\b": "runs or writes cells itself ({0})",
    r"\binspect\.(?:getsource\w*|stack|currentframe|getclosurevars)\b|\bgetsource\w*\(": "reads source or frames of others ({0})",
    r"\bos\._exit\b|\bos\.(?:kill|abort|fork|execv\w*|system|popen)\b|\bsubprocess\b|\bmultiprocessing\b": "starts or ends processes ({0})",
    r"\bsocket\b|\burllib\b|\brequests\.(?:get|post)\b|\bhttp\.client\b": "asks the network ({0})",
    r"['\"/](?:solutions|gradebook|submitted|autograded)\b|\bgradebook\.db\b|/proc/|\.\./\.\.|\bos\.(?:walk|environ|listdir|scandir)\b|\bglob\b": "looks at other files or at the environment ({0})",
    r"\braise CheckFailed\b|\bCheckFailed\(": "raises a check's own error ({0})",
    r"\bcourse_lib\.(?!plotting\b|datasets\b)\w+": "uses course_lib beyond what the exercise imports ({0})",
    r"\bfrom course_lib import\b[^\n]*": "uses course_lib beyond what the exercise imports ({0})",
    r"def __(?:eq|ne|torch_function|bool|lt|le|gt|ge|array)__\b": "defines how values compare ({0})",
}


def tricks(notebook: NotebookNode, release: NotebookNode) -> list[str]:
    """One line for each cell and kind."""
    given = {line.strip() for cell in release.cells if cell.cell_type == "code" for line in cell.source.splitlines()}
    found = []
    for i, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        text = "\n".join(line for line in cell.source.splitlines() if line.strip() not in given)
        text = re.sub(r"(?m)^[ \t]*#.*$", "", text)
        for pattern, said in LOOKS.items():
            if match := re.search(pattern, text):
                found.append(f"{grade_id(cell) or f'cell {i}'}: {said.format(' '.join(match[0].split())[:60])}")
    return found
