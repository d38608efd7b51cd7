"""Exercise 02, task 5a: the weight of the KL at a training step."""

import numpy as np

from course_lib.grading import Task


def kl_weight(step, warm_up, beta, cycle=None):
    time = step % cycle if cycle else step
    ramp = min(1.0, time / warm_up) if warm_up else 1.0
    return beta * ramp


def truth(step, warm_up, beta, cycle):
    time = step if cycle is None else np.mod(step, cycle)
    return float(np.interp(time, [0, warm_up], [0, beta])) if warm_up else float(beta)


KL_WEIGHT = Task(
    kl_weight,
    truth,
    cases=[
        *((0, 100, 1.0, None), (25, 100, 0.5, None), (50, 100, 4.0, None), (250, 100, 2.0, None), (30, 0, 1.5, None), (0, 0, 3.0, None)),
        *((130, 40, 2.0, 100), (190, 40, 2.0, 100), (30, 40, 2.0, 100), (230, 40, 2.0, 100), (200, 0, 1.5, 100), (100, 40, 2.0, 100)),
    ],
    mistakes="""
no cap: the weight keeps growing after the warm-up. Where does it stop?
    min(1.0, time / warm_up) -> time / warm_up
max for min: β from the start, and more after the warm-up: the larger of two numbers is taken where the smaller is asked for.
    min( -> max(
β forgotten: the weight ends at 1 whatever β is.
    beta * ramp -> ramp{ if warm_up else beta|}
capped at 1: the product is capped at 1. Cap the ramp first, then multiply.
    min(1.0, time / warm_up) -> time / warm_up ; beta * ramp -> min(1.0, beta * ramp){ if warm_up else beta|}
capped at β: the ramp rises to 1 at the end of the warm-up and is cut at β. It should pass through β / 2 half-way.
    min(1.0, time / warm_up) -> min(beta, time / warm_up) ; else 1.0 -> else beta ; beta * ramp -> ramp
0 without a warm-up: right with a warm-up. Without one the weight is 0 for ever: which weight is asked for from the first step?
    else 1.0 -> else 0.0
a jump: 0 and then suddenly β. Half-way through the warm-up the weight is β / 2: is a division rounded down?
    time / -> time //
falling: it falls from β to 0. The KL should start free.
    beta * ramp -> beta * (1 - ramp){ if warm_up else beta|}
cycle ignored: right without a cycle. With one, the ramp begins again.
    step % cycle if cycle else step -> step
cycle taken away once: `cycle` is taken away from the step once. Time starts again in every cycle, and in the first one it needs no change.
    step % cycle -> {step - cycle|max(0, step - cycle)}
    step % cycle if cycle -> step - cycle if cycle and step >{=|} cycle
cycle shifted: the ramp begins again at the wrong time: with a cycle, t is 0 at step 0, `cycle`, 2 · `cycle` and so on.
    step % -> (step {-|+} warm_up) %
remainder by the warm-up: time starts again after every warm-up, so the weight never rests at β. After how many steps should it?
    step % cycle if cycle -> step % warm_up if {cycle and |}warm_up
cycles counted: `//` counts the cycles that are over. How far into the present one is this step?
    % -> //
ramp over the whole cycle: with a cycle, the ramp takes the whole of it. The warm-up takes `warm_up` steps in each cycle.
    time / warm_up) if warm_up -> time / (cycle or warm_up)) if {cycle or |}warm_up
one step early: one step ahead: at step 0 the weight should be 0.
    time / -> (time + 1) /
""",
)
