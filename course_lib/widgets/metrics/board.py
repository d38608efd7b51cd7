"""The leaderboard, sorted as the reader likes."""

from collections.abc import Mapping

from ...metrics.leaderboard import COLUMNS, cell, competing, floors, studies, table
from ...plotting.panels import CYCLE, INK, Chart, Mark, Note, Strokes, Table
from .. import WIDE, Explorer, menu

NUMBERS = [key for key in COLUMNS if key not in ("name", "topic", "likelihood", "budget", "pictures")]
# the most important first: the last are left out where the table would stick out
SHOWN = ("name", "topic", "bits_per_dim", "fid", "pictures", "precision", "recall", "coverage", "kid", "budget", "copies")
ALL, STUDIES = "all that compete", "studies"
LOGARITHMIC = ("fid", "kid", "seconds", "minutes", "parameters")


class LeaderboardExplorer(Explorer):
    """Every shipped model of digits, or of faces, in one table, and any two of its columns against each other. Studies are shown apart.

    Args:
        board: as `metrics.leaderboard.read()` gives it

    Attributes:
        sort, family, model, across: the menus: what to sort by and draw upwards, whose rows (those of one family that compete, or the
            studies), which row stands out, what to draw across
    """

    def __init__(self, board: Mapping):
        if not board.get("rows"):
            raise ValueError("the leaderboard has no rows: run `python -m course_lib leaderboard`, or load the shipped one with read()")
        self.board = board
        # of faces and of digits not the same numbers are measured
        measured = [key for key in NUMBERS if any(row.get(key) is not None for row in board["rows"])]
        options = [(COLUMNS[key][0].strip(" ↑↓"), key) for key in measured]
        families = sorted({row["topic"] for row in board["rows"]})
        self.sort = menu("sort by", options, "fid")
        self.family = menu("rows", [ALL, *families, *([STUDIES] if studies(board) else [])])
        with_bits = next((row["name"] for row in board["rows"] if row["bits_per_dim"] is not None), None)  # its mark is seen at once
        self.model = menu("model", [row["name"] for row in board["rows"]], with_bits)
        self.across = menu("across", options, "bits_per_dim")
        super().__init__([self.sort, self.family, self.model, self.across])

    def rows(self) -> list[Mapping]:
        """Those of the family that compete, or the studies."""
        if self.family.value == STUDIES:
            return studies(self.board)
        return [row for row in competing(self.board) if self.family.value in (ALL, row["topic"])]

    def panels(self):
        sort, chosen = self.sort.value, self.model.value
        columns, heading = list(dict.fromkeys((*SHOWN[:2], sort, *SHOWN[2:]))), COLUMNS[sort][0]
        rows = table(self.board, sort, columns, self.rows())
        marked = [i for i, row in enumerate(rows) if row["model"] == chosen]
        alt = f"{len(self.rows())} models by {heading}: " + ", ".join(f"{row['model']} {row[heading]}" for row in rows)
        while (shown := Table(f"sorted by {heading}", rows, alt, heading, marked)).size[0] > WIDE:
            left_out = COLUMNS[columns.pop()][0]
            rows = [{name: value for name, value in row.items() if name != left_out} for row in rows]
        return [[self.chart()], [shown], [Note(self.words(), WIDE)]]

    def chart(self) -> Chart | Note:
        """One dot a model, one colour a family."""
        x, y = self.across.value, self.sort.value
        there = [row for row in self.rows() if row[x] is not None and row[y] is not None]
        if not there:
            return Note(f"No model of {self.family.value} has both {COLUMNS[x][0]} and {COLUMNS[y][0]}, so there is nothing to draw.", WIDE)
        families = sorted({row["topic"] for row in self.board["rows"]})
        log_x, log_y = (key in LOGARITHMIC and all(row[key] > 0 for row in there) for key in (x, y))
        strokes = []
        for family in dict.fromkeys(row["topic"] for row in there):
            own = [row for row in there if row["topic"] == family]
            color = CYCLE[families.index(family) % len(CYCLE)]
            strokes.append(Strokes([row[x] for row in own], [row[y] for row in own], family, color, 9))
        marks = [Mark(row[x], row[y], row["name"], INK) for row in there if row["name"] == self.model.value]
        names = [COLUMNS[key][0] for key in (x, y)]
        told = "; ".join(f"{row['name']} {row[x]:.4g}, {row[y]:.4g}" for row in there)
        return Chart(
            f"{names[1]} against {names[0]}", *names, f"{names[1]} against {names[0]}: {told}", strokes=strokes, marks=marks,
            log_x=log_x, log_y=log_y, width=600, height=330,
        )  # fmt: skip

    def words(self) -> str:
        board, chosen = self.board, next(row for row in self.board["rows"] if row["name"] == self.model.value)
        text = f"{board['samples']:,} samples of each model against as many test images of {board['data']}, measured on {board['device']}. "
        if chosen["bits_per_dim"] is None:
            text += f"{chosen['name']} has no likelihood. "
        else:
            text += f"Bits of {chosen['name']}: {chosen['likelihood']}. "
        thing = "face" if board["data"] == "faces" else "digit"
        text += f"Its samples are nearer to a training image than a new {thing} is in {chosen['closer']:.0%} of pairs. "
        told = ", ".join(f"{cell(row, 'fid')} ({row['name']})" for row in floors(board))
        return text + f"Real {thing}s have an FID of {told}: so much a perfect sampler of such pictures would get."
