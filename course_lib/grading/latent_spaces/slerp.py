"""Exercise 01, more without points: a path that keeps its length."""

import numpy as np
import torch
from scipy.spatial import geometric_slerp

from course_lib.grading import Task, grid


def slerp(a, b, t):
    cosine = a @ b / (a.norm() * b.norm())
    angle = cosine.acos()
    arc = ((1 - t) * angle).sin() * a + (t * angle).sin() * b
    return arc / angle.sin()


def truth(a, b, t):
    """The arc between the directions by SciPy, then its weights, which the full vectors get."""
    units = [v.numpy() / np.linalg.norm(v) for v in (a, b)]
    weights = np.linalg.lstsq(np.stack(units, 1), geometric_slerp(*units, t))[0]
    return weights[0] * a + weights[1] * b


SLERP = Task(
    slerp,
    truth,
    cases=[
        (torch.tensor([0.8, 0.1, -0.3]), torch.tensor([-0.2, 0.5, 0.4]), 0.3),
        (torch.tensor([3.0, 1.0]), torch.tensor([-1.5, 2.5]), 0.6),
        (grid(4), grid(4).flip(0), 0.25),
        (torch.tensor([0.5, -0.2, 0.3]), torch.tensor([0.4, 0.6, -0.1]), 0.8),
    ],
    tolerance=2e-5,
    mistakes="""
a straight line: this is the straight line, whose middle is too short.
    return arc / angle.sin() -> return torch.lerp(a, b, t)
a straight line, stretched: a straight line, then stretched: it hurries through the middle. Slerp turns at constant speed.
    return arc / angle.sin() -> return F.normalize(torch.lerp(a, b, t), dim=0){ * torch.lerp(a.norm(), b.norm(), t)|| * a.norm()}
from b to a: it runs from b to a. At t = 0 it should stand at a.
    .sin() * a + (t * angle).sin() * b -> .sin() * b + (t * angle).sin() * a
sin Ω left out: too short by the same factor everywhere: at t = 0 it should be a itself.
    arc / angle.sin() -> arc
bracket of the sum: only one of the two parts is divided by sin Ω: a division comes before a sum. The whole sum needs brackets.
    (t * angle).sin() * b -> (t * angle).sin() * b / angle.sin() ; arc / angle.sin() -> arc
lengths left in the cosine: Ω is wrong unless both vectors have length 1: the cosine is the scalar product of the directions.
    a @ b / (a.norm() * b.norm()) -> {a @ b|(a @ b).clamp(-1, 1)|a @ b / a.norm()|a @ b / b.norm()|a @ b / (a @ a)}
cosine for angle: Ω is the cosine itself, or its arc sine. What undoes a cosine?
    cosine.acos() -> cosine{|.asin()}
unit length: the result has length 1. Only the angle needs directions; what is added up are a and b themselves.
    .acos() -> .acos(); a, b = F.normalize(a, dim=0), F.normalize(b, dim=0)
length put back: the arc is walked with directions alone, and the length put back at the end. What is added up are a and b themselves.
    .acos() -> .acos(); length = torch.lerp(a.norm(), b.norm(), t); a, b = a / a.norm(), b / b.norm() ; arc / -> length * arc /
""",
)
