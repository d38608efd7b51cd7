"""Exercise 06, task 6b: Euler's steps."""

import torch

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import Field
from course_lib.grading.running import observe


def integrate(velocity, x, times):
    places = [x]
    for i in range(len(times) - 1):
        t, s = times[i], times[i + 1]
        told, h = torch.full((len(x),), t, dtype=x.dtype), s - t
        v = velocity(places[-1], told)
        places.append(places[-1] + h * v)
    return places[-1]


def truth(velocity, x, times):
    for t, s in zip(times, times[1:]):
        x = torch.add(x, velocity(x, torch.full((len(x),), t).to(x)), alpha=s - t)
    return x


class Steps(Task):
    """Counts how often the field of a right answer is asked, too."""

    def _compare(self, answer, cases, hidden, gradient):
        super()._compare(answer, cases, hidden, gradient)
        for i, case in enumerate(cases, 1):
            where, steps = f"{hidden}case {i}", len(case[2]) - 1
            calls = observe(answer, self._names(), case, self._wanted(), gradient).calls
            if calls != steps:
                self._fail("calls", f"right place, but the field is asked {calls} times for {steps} steps, in {where}: once a step.")


EULER = Steps(
    integrate,
    truth,
    cases=[
        (Field(1.1), grid(5, 2), [1.0, 0.6, 0.35, 0.02, 0.0]),
        (Field(0.6), grid(3, 1, 2, 2), [1.0, 0.9, 0.5, 0.3, 0.1]),
        (Field(1.7), 3 * grid(2, 3), [0.8, 0.55, 0.2]),
        (Field(0.9), grid(1, 4).double(), [1.0, 0.7, 0.4]),
    ],
    mistakes="""
sign: it walks away from the data: the velocity points to growing t, and here t falls. What sign has s − t?
    s - t -> t - s
equal steps: all steps are equally long. The times need not be evenly spaced: each step has its own length.
    s - t -> {(times[-1] - times[0]) / (len(times) - 1)|-1 / (len(times) - 1)|-1 / len(times)|1 / (len(times) - 1)|1 / len(times)}
    {s - t -> times[1] - times[0]|places = [x] -> places, times = [x], [*times, 0.0] ; s - t -> -1 / (len(times) - 1)}
all the way at each step: each step goes all the way to t = 0. It should go to the next time only.
    s - t -> {-t|t|s|-s}
velocity not scaled: the velocity is added as it is. How long does a step last?
    h * v -> {|-}v
time of the end: the field is told the time where the step ends. x is still where it begins.
    (len(x),), t -> (len(x),), s
time in the middle: the field is told a time in the middle of the step. x is still where it begins.
    (len(x),), t -> (len(x),), (t + s) / 2
one time for all steps: the field is told the same time at every step. Time goes on.
    (len(x),), t -> (len(x),), {times[0]|times[-1]|0|1}
time counted the other way: the field is told 1 − t. It counts as the list does: t = 1 is noise.
    (len(x),), t -> (len(x),), 1 - t
number of the step: the field is told the number of the step. It wants its time.
    (len(x),), t -> (len(x),), {i|i / (len(times) - 1)|1 - i / (len(times) - 1)}
last step missing: the last step is missing: between n times lie n − 1 steps.
    range(len(times) - 1) -> range({len(times) - 2|1, len(times) - 2})
first step missing: the first step is missing: it begins at times[0], and entries of a list are counted from 0.
    range(len(times) - 1) -> range(1, len(times) - 1)
field at the start: the field is always asked at the start. x has moved on.
    velocity(places[-1], -> velocity(x,
steps forgotten: each step begins at the start again, so only the last one counts.
    places[-1] + h * v -> x + h * v {|; velocity(places[-1], -> velocity(x,}
nothing moves: x comes back as it was. A sum is a new tensor: does x get it?
    return places[-1] -> return x
clipped: x is clipped. On its way it holds noise, and may lie anywhere.
    {places[-1] + h * v -> (places[-1] + h * v).clamp|return places[-1] -> return places[-1].clamp}({-1, 1|-2, 2|-3, 3})
on to 0: right for lists that end at 0. Elsewhere it goes on to 0, and should stop at times[-1].
    places = [x] -> places, times = [x], [*times, 0.0]
velocity alone: x is replaced by the step. The step is added to it.
    places[-1] + h * v -> h * v
to the end in one step: it goes straight from the first place to the last. Each entry of the list is a stop, where the field is asked anew.
    places = [x] -> places, times = [x], [times[0], times[-1]]
times reversed: the times are walked in the reverse order. They fall: x is noise at the first of them.
    places = [x] -> places, times = [x], {times[::-1]|sorted(times)}
one step alone: only the first step is made: is the `return` inside the loop?
    places = [x] -> places, times = [x], times[:2]
a better method: a method with two evaluations for each step. It is more exact, but Euler's is asked for: one evaluation a step.
    h * v -> h * (v + velocity(places[-1] + h * v, told + h)) / 2
    v = velocity(places[-1], told) -> v = velocity(places[-1] + h / 2 * velocity(places[-1], told), told + h / 2)
every place returned: every place on the way is returned. The last one is asked for.
    return places[-1] -> return {torch.stack(places)|places}
""",
)
