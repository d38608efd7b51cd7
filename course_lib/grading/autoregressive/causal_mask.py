"""Exercise 05, task 2a: which weights of a kernel stay."""

import torch

from course_lib.grading import Task


def causal_mask(kernel, kind):
    centre = kernel // 2
    mask = torch.zeros(kernel, kernel)
    mask[:centre] = 1
    mask[centre, :centre] = 1
    mask[centre, centre] = kind == "B"
    return mask


MASK = Task(
    causal_mask,
    cases=[(5, "A"), (5, "B"), (3, "A"), (3, "B"), (1, "B")],
    mistakes="""
A and B exchanged: A and B are exchanged: the first layer sees the image itself, so there the centre must be closed.
    "B" -> "A"
centre always open: the centre is open in both kinds. In kind A it would show the network the pixel that it should predict.
    kind == "B" -> 1
centre always closed: the centre is closed in both kinds. From the second layer on it holds no pixel of its own, and may be seen.
    kind == "B" -> 0
open and closed exchanged: open and closed are exchanged: 1 is for what may be seen.
    return mask -> return 1 - mask
future: right turned by 180°: what comes later is open. Convolutions of torch do not turn the kernel round, so above is above.
    return mask -> return mask.flip(0, 1)
columns for rows: rows and columns are exchanged: pixels are read row by row, not column by column.
    return mask -> return mask.T
right for left: in the row of the centre, the pixels to its right are open. They come later.
    return mask -> return mask.flip(1)
rows alone: the rows above are right, but in the row of the centre the pixels to its left are known too.
    mask[centre, :centre] = 1 -> pass
whole row of the centre: the whole row of the centre is open. What lies to its right comes later.
    mask[centre, :centre] = 1 -> mask[centre] = {1|kind == "B"|1 ; mask[centre, centre] = kind == "B" -> pass}
rows below: the rows below the centre are open. They come later.
    mask[:centre] = 1 -> mask[:] = 1{; mask[centre] = 0|| ; kind == "B" -> 1|; mask[centre] = 0 ; :centre] = 1 -> 0] = 0 ; kind == "B" -> 0}
    mask[centre, :centre] = 1 -> mask[centre:, :centre] = 1 ; mask[centre, centre] = kind -> mask[centre:, centre] = kind
one place too far: the row of the centre is open one place too far: kind A ends before the centre, kind B with it.
    mask[centre, centre] = kind == "B" -> mask[centre, : centre + 1 + (kind == "B")] = 1
one place too few: the row of the centre ends one place too early: kind A ends just before the centre, kind B with it.
    mask[centre, :centre] = 1 -> mask[centre, : max(0, centre - 1 + (kind == "B"))] = 1 ; mask[centre, centre] = kind == "B" -> pass
left upper corner: the pixels above, to the right of the centre, are closed. They come earlier as well: whole rows do.
    mask[:centre] -> mask[:centre, : centre + {1]|(kind == "B")]|1] ; kind == "B" -> 1|0] ; mask[centre, :centre] = 1 -> pass}
    mask[:centre] -> mask[:centre, : centre + (kind == "B")] ; mask[centre, :centre] = 1 -> pass ; centre] = kind == "B" -> centre] = 0
row alone: only the row of the centre is used. All rows above come earlier.
    mask[:centre] = 1 -> pass
triangle: a triangle. That masks a matrix which mixes positions; here the places are those of a kernel, round its centre.
    return mask -> return torch.ones(kernel, kernel).{tril(-int(kind == "A"))|triu(int(kind == "A"))|tril()}
axes of a weight: the shape is that of a weight. The mask alone is asked for, (kernel, kernel); it broadcasts.
    return mask -> return mask[None, None]
boolean: the right places, but not as floats. Weights are multiplied by the mask: return floats.
    return mask -> return mask.{bool|long}()
""",
)
