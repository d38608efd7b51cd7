"""The report on a class: a table, CSV for people and for platforms, and a page for the next lecture."""

import csv
import html
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .text import cell_of_table, plain

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 1100px; margin: 24px auto; padding: 0 20px; }
table { border-collapse: collapse; margin: 8px 0 20px; } td, th { border: 1px solid #d9dde3; padding: 3px 9px; text-align: right; }
td:first-child, th:first-child, td.text, th.text { text-align: left; } tr.most td { color: #667; }
.bar { display: inline-block; height: 10px; background: #4a86cf; } code, pre { font: 13px ui-monospace, monospace; }
pre { background: #f5f7f9; border: 1px solid #d9dde3; border-radius: 6px; padding: 8px 12px; overflow-x: auto; white-space: pre-wrap; }
"""
# nothing on a page of ours runs, and nothing comes from elsewhere, whatever a hand-in smuggles in
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


@dataclass
class Submission:
    """What became of one student's work.

    student: the name, to show
    points: by task, None where a human still has to grade
    mistakes: by task, what the checks said: a known mistake's label or a kind of failure
    remarks: what was repaired, or why it was not graded
    seen: what looked like a trick, as what was seen
    key: the name for folders and the gradebook
    number: the platform's id
    """

    student: str
    points: dict[str, float | None] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    graded: bool = False
    seen: list[str] = field(default_factory=list)
    key: str = ""
    number: str = ""
    platform: str = ""
    waiting: bool = False

    @property
    def total(self) -> float:
        return sum(points or 0 for points in self.points.values())

    @property
    def open(self) -> bool:
        """Whether a human still has to give points."""
        return self.graded and None in self.points.values()


@dataclass
class Report:
    """The class. `str(report)` is the table, then the mistakes and how many made them, then the remarks.

    most: the points to be had, by task
    lines: what else lies in the inbox, and why it is no hand-in
    missing: students of the roster without a hand-in
    strangers: students with a hand-in who are not on the roster
    alike: pairs of hand-ins with the same unusual code, each as (a, b, how much, an example)
    """

    assignment: str
    most: dict[str, float]
    submissions: list[Submission]
    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    alike: list[tuple[str, str, str, str]] = field(default_factory=list)

    def mistakes(self) -> list[tuple[str, str, int]]:
        """(task, mistake, number of students), the most frequent first within each task."""
        counts = Counter((task, label) for each in self.submissions for task, label in each.mistakes.items())
        order = list(dict.fromkeys([*self.most, *(task for task, _ in counts)]))
        return sorted(((*key, n) for key, n in counts.items()), key=lambda row: (order.index(row[0]), -row[2], row[1]))

    def rows(self) -> Iterator[list[str]]:
        """The table: a head, the points to be had, and one row a student."""
        yield ["student", *self.most, "total"]
        yield ["at most", *map(shown, self.most.values()), shown(sum(self.most.values()))]
        for each in self.submissions:
            if each.graded:
                yield [plain(each.student, 60), *(shown(each.points.get(task)) for task in self.most), shown(each.total)]
            else:
                yield [plain(each.student, 60), *("–" for _ in self.most), "…" if each.waiting else "–"]

    def _n(self) -> int:
        return sum(each.graded for each in self.submissions)

    def remarks(self) -> list[tuple[str, str]]:
        """(student, remark), as one line each."""
        return [(plain(each.student, 60), plain(remark)) for each in self.submissions for remark in each.remarks]

    def seen(self) -> list[tuple[str, str]]:
        return [(plain(each.student, 60), plain(remark)) for each in self.submissions for remark in each.seen]

    def __str__(self) -> str:
        rows = list(self.rows())
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) for row in rows]
        if any(each.open for each in self.submissions):
            lines += ["", "? is graded by hand: in JupyterLab, Nbgrader → Formgrader. Then run this again."]
        if counts := self.mistakes():
            lines += ["", "What went wrong, and for how many:"]
            width = max(len(task) for task, _, _ in counts)
            lines += [f"  {plain(task, 80).ljust(width)}  {n:3d} × {plain(label, 120)}" for task, label, n in counts]
        if remarks := self.remarks():
            lines += ["", "Remarks:", *(f"  {student}: {remark}" for student, remark in remarks)]
        if seen := self.seen():
            lines += ["", "Seen, and worth a look:", *(f"  {student}: {what}" for student, what in seen)]
        if self.alike:
            lines += ["", "The same unusual code, which may have an innocent reason:"]
            lines += [f"  {plain(a, 60)} and {plain(b, 60)}: {how}" for a, b, how, _ in self.alike]
        if self.missing:
            lines += ["", f"On the roster without a hand-in: {', '.join(map(plain, self.missing))}"]
        if self.strangers:
            lines += ["", f"Not on the roster: {', '.join(map(plain, self.strangers))}"]
        if self.lines:
            lines += ["", "In the inbox, and no hand-in:", *(f"  {plain(line)}" for line in self.lines)]
        return "\n".join(lines)

    # ----------------------------------------------------------------------------------------------------------------
    # Files

    def write(self, folder: Path) -> None:
        """Every form of the report: `report_ASSIGNMENT.csv`, `.html`, and `_canvas.csv` and `_moodle.csv`. Each replaces its old one whole."""
        self.write_csv(folder / f"report_{self.assignment}.csv")
        replace(folder / f"report_{self.assignment}.html", self.page())
        replace(folder / f"report_{self.assignment}_canvas.csv", table(self.for_canvas()), "utf-8-sig")
        replace(folder / f"report_{self.assignment}_moodle.csv", table(self.for_moodle()), "utf-8-sig")

    def write_csv(self, path: Path) -> None:
        """The table with each student's mistakes and remarks, for a spreadsheet."""
        found: list[list[object]] = []
        for i, row in enumerate(self.rows()):
            each = self.submissions[i - 2] if i > 1 else None
            if each is None:
                found.append([*row, *(["mistakes", "remarks", "seen", "id"] if i == 0 else [""] * 4)])
                continue
            said = "; ".join(f"{task}: {label}" for task, label in each.mistakes.items())
            found.append([each.student, *row[1:], said, "; ".join(map(plain, each.remarks)), "; ".join(map(plain, each.seen)), each.number])
        found += [[name, *("–" for _ in self.most), "–", "", "not handed in", "", ""] for name in self.missing]
        replace(path, table(found), "utf-8-sig")  # the mark makes Excel read UTF-8

    def for_canvas(self) -> list[list[object]]:
        """Rows for Canvas's *Import grades*: a total that is not complete stays empty, so that nothing wrong is published."""
        head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", self.assignment]
        rows: list[list[object]] = [head, ["    Points Possible", "", "", "", "", shown(sum(self.most.values()))]]
        return rows + [[each.student, each.number, "", "", "", self._final(each)] for each in self.submissions]

    def for_moodle(self) -> list[list[object]]:
        """Rows for Moodle's grading worksheet."""
        rows: list[list[object]] = [["Identifier", "Full name", "Grade", "Maximum grade", "Feedback comments"]]
        for each in self.submissions:
            number = f"Participant {each.number}" if each.number and each.platform == "moodle" else each.number
            said = "; ".join([*(f"{task}: {label}" for task, label in each.mistakes.items()), *map(plain, each.remarks)])
            rows.append([number, each.student, self._final(each), shown(sum(self.most.values())), said])
        return rows

    def _final(self, each: Submission) -> str:
        return shown(each.total) if each.graded and not each.open else ""

    def page(self) -> str:
        """The report as a page that runs nothing and loads nothing."""
        parts = [f"<h1>{html.escape(self.assignment)}</h1><p>{self._summary()}</p>"]
        rows = list(self.rows())
        parts.append("<table><tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0]) + "</tr>")
        for i, row in enumerate(rows[1:]):
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            parts.append(f"<tr{' class=most' if i == 0 else ''}>{cells}</tr>")
        parts.append(self._averages() + "</table>")
        if counts := self.mistakes():
            n = max(self._n(), 1)
            parts.append(
                "<h2>Where the next lecture can start</h2><table><tr><th>task</th><th class=text>what went wrong</th><th>students</th><th class=text>share</th></tr>"
            )
            for task, label, count in sorted(counts, key=lambda row: -row[2]):
                bar = f'<span class="bar" style="width: {round(160 * count / n)}px"></span> {100 * count / n:.0f} %'
                parts.append(
                    f"<tr><td>{html.escape(plain(task, 80))}</td><td class=text>{html.escape(plain(label, 120))}</td>"
                    f"<td>{count}</td><td class=text>{bar}</td></tr>"
                )
            parts.append("</table>")
        for title, pairs in (("Remarks", self.remarks()), ("Seen, and worth a look", self.seen())):
            if pairs:
                items = "".join(f"<li><b>{html.escape(student)}</b>: {html.escape(what)}</li>" for student, what in pairs)
                parts.append(f"<h2>{title}</h2><ul>{items}</ul>")
        if self.alike:
            parts.append(
                "<h2>The same unusual code</h2><p>What the exercise gave, and what many wrote, is taken out. "
                "There may be an innocent reason.</p>"
            )
            for a, b, how, example in self.alike:
                parts.append(f"<p><b>{html.escape(plain(a, 60))}</b> and <b>{html.escape(plain(b, 60))}</b>: {html.escape(how)}</p>")
                lines = "\n".join(map(plain, example.splitlines()))
                parts.append(f"<pre>{html.escape(lines)}</pre>" if example else "")
        lists = {"On the roster without a hand-in": self.missing, "Not on the roster": self.strangers}
        for title, names in (lists | {"In the inbox, and no hand-in": self.lines}).items():
            if names:
                parts.append(f"<h2>{title}</h2><ul>" + "".join(f"<li>{html.escape(plain(name))}</li>" for name in names) + "</ul>")
        return page(f"Report: {self.assignment}", "\n".join(parts), STYLE)

    def _summary(self) -> str:
        graded = [each for each in self.submissions if each.graded]
        said = f"{len(self.submissions)} hand-ins, {len(graded)} graded"
        if graded:
            said += f", on average {sum(each.total for each in graded) / len(graded):.1f} of {shown(sum(self.most.values()))} points"
        waiting = sum(each.open for each in graded)
        return said + (f"; {waiting} with answers to be graded by hand" if waiting else "") + "."

    def _averages(self) -> str:
        graded = [each for each in self.submissions if each.graded]
        if not graded:
            return ""
        cells = []
        for task in self.most:
            given = [each.points[task] for each in graded if each.points.get(task) is not None]
            cells.append(f"{sum(given) / len(given):.2f}" if given else "?")
        mean = sum(each.total for each in graded) / len(graded)
        return "<tr class=most><td>average</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"<td>{mean:.2f}</td></tr>"


def page(title: str, body: str, style: str) -> str:
    """A whole page under a policy that lets nothing run and nothing load."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def table(rows: Sequence[Sequence[object]]) -> str:
    """Rows as CSV in which no cell is a formula, wherever a spreadsheet splits."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([[cell_of_table(value) for value in row] for row in rows])
    return out.getvalue()


def replace(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a file so that there is the old one or the new one at any moment, and never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(text.encode(encoding, "replace"))
    os.replace(draft, path)


def shown(points: float | None) -> str:
    return "?" if points is None else f"{points:g}"
