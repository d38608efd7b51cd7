"""Exercise 06, task 3b: one step of DDIM."""

from course_lib.grading import Task, grid
from course_lib.grading.diffusion.posterior import CHAIN, given_both


def ddim_step(x, noise, alpha_bar, times, i, eta, fresh):
    t, s = times[i], times[i + 1]
    bar_t, bar_s = alpha_bar[t], alpha_bar[s]
    posterior = (1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s)
    v = eta**2 * posterior
    kept = (1 - bar_s - v).sqrt()
    return bar_s.sqrt() * x + kept * noise + v.sqrt() * fresh


def truth(x, noise, alpha_bar, times, i, eta, fresh):
    t, s = alpha_bar[times[i]], alpha_bar[times[i + 1]]
    variance = eta**2 * given_both(s, t)[1]
    return s.sqrt() * x + (1 - s - variance).clamp(min=0).sqrt() * noise + variance.sqrt() * fresh


DDIM = Task(
    ddim_step,
    truth,
    any_float=True,
    ways=("- v).sqrt() -> - v).clamp(min=0).sqrt()", "times[i + 1] -> max(times[i + 1], 0)"),
    cases=[
        (grid(3, 2).sin(), (3 * grid(3, 2)).cos(), CHAIN, [6, 5, 3, 1, 0], 1, 0.0, grid(3, 2)),
        (grid(2, 1, 2, 2), (4 * grid(2, 1, 2, 2)).sin(), CHAIN, [6, 4, 3, 0], 1, 0.9, (9 * grid(2, 1, 2, 2)).cos()),
        (grid(2, 2), grid(2, 2).cos(), CHAIN, [5, 4, 2, 0], 1, 0.3, grid(2, 2).flip(0)),
        (grid(3, 3), grid(3, 3).flip(0), CHAIN, [6, 5, 2, 0], 2, 1.0, grid(3, 3).sin()),
        (grid(2, 3), grid(2, 3).cos(), CHAIN, [6, 4, 2, 1, 0], 2, 0.6, (5 * grid(2, 3)).sin()),
    ],
    mistakes="""
constant stride: the next time is found by a constant stride. The times need not be evenly spaced: it is the next entry of the list.
    times[i + 1] -> times[i] - {(times[0] - times[1])|1|times[0] // (len(times) - 1)|(times[i - 1] - times[i])}
    times[i + 1] -> times[i] - {(len(alpha_bar) - 1) // (len(times) - 1)|len(alpha_bar) // (len(times) - 1)|len(alpha_bar) // len(times)}
all the way: the step goes all the way to time 0. It should end at the next entry of the list.
    times[i + 1] -> times[-1]
i is no time: i is taken as a time. It says where in the list of times the step begins.
    times[i], times[i + 1] -> {times[i], i + 1|i, i + 1|-1 - i, -2 - i|i + 1, i}
table off by one: off by one: the table starts at t = 0, with ᾱ = 1, so ᾱ of time t stands at place t.
    [t], alpha_bar[s] -> {[t - 1], alpha_bar[s - 1]|[t - 1], alpha_bar[max(s - 1, 0)]|[t + 1], alpha_bar[s + 1]}
    {[t] -> [t - 1]|[t] -> [t + 1]|[s] -> [s - 1]|[s] -> [max(s - 1, 0)]|[s] -> [s + 1]}
a step too early: this is the step before. Step i leads from times[i] to times[i + 1].
    times[i], times[i + 1] -> times[i - 1], times[i]
backwards: s and t are exchanged: the list falls, so the step goes from times[i] to times[i + 1].
    times[i], times[i + 1] -> {times[i + 1], times[i]|times[i], times[i - 1]}
stays at t: x and the noise are put together with ᾱ of time t, where the step begins. It should end at s.
    {bar_s.sqrt() -> bar_t.sqrt() ; bar_s - v -> bar_t - v|bar_s.sqrt() -> bar_t.sqrt()|bar_s - v -> bar_t - v}
β of a single step: right for neighbouring times. Where the list leaves times out, more noise is added than r of two neighbouring times says.
    bar_t / bar_s -> bar_t / alpha_bar[t - 1]
η not squared: right for η = 0 and η = 1. In between, η scales the standard deviation, not the variance.
    eta**2 -> eta
any η taken for 1: right for η = 0 and η = 1. In between, the variance grows with η².
    eta**2 -> (eta > 0)
variance for standard deviation: the fresh noise is multiplied by a variance. Its factor is a standard deviation.
    v.sqrt() * -> v * {|; bar_s - v -> bar_s - v**2}
standard deviation taken off: under the root of the old noise a standard deviation is taken off. Variances add up, so it needs the variance.
    {bar_s - v -> bar_s - v.sqrt()|- v).sqrt() -> ).sqrt() - v.sqrt()}
old noise not reduced: right for η = 0. With fresh noise there is too much in all: what comes new must be taken off the old.
    bar_s - v -> bar_s{| + v}
root of the noise missing: the factor of the old noise lacks its root: this is a variance.
    (1 - bar_s - v).sqrt() -> 1 - bar_s - v {|; v.sqrt() * -> v *}
½ outside the power: powers come before divisions: `a**1/2` is half of a. The root is `a**(1/2)`, or `a**0.5`.
    bar_s.sqrt() * x -> bar_s**1/2 * x {|; - v).sqrt() -> - v)**1/2|; - v).sqrt() -> - v)**1/2 ; v.sqrt() * -> v**1/2 *}
fresh noise taken away: the fresh noise is subtracted. For its distribution a sign is all one, but the check compares numbers: add it.
    + v.sqrt() * fresh -> - v.sqrt() * fresh
ᾱ for α: the factor of x is ᾱ. An amplitude is its root.
    bar_s.sqrt() * x -> bar_s * x {|; - v).sqrt() -> - v)|; - v).sqrt() -> - v) ; v.sqrt() * -> v *}
variance of the step: v is the variance of all the noise between s and t. The factor (1 − ᾱ_s)/(1 − ᾱ_t) is missing: at s = 0 v must be 0.
    (1 - bar_s) / (1 - bar_t) * -> {|; - v).sqrt() -> - v).abs().sqrt()}
variance upside down: right for η = 0. A quotient in the variance is upside down: look at task 2.
    (1 - bar_s) / (1 - bar_t) -> (1 - bar_t) / (1 - bar_s)
r upside down: right for η = 0. r is upside down: it is the share that survives the way from s to t, and cannot be above 1.
    bar_t / bar_s -> bar_s / bar_t {|; 1 - bar_s / bar_t -> bar_s / bar_t - 1|; v.sqrt() -> v.clamp(min=0).sqrt()}
factor of the variance missing: right for η = 0. In the variance something is missing: compare it with that of task 2.
    {/ (1 - bar_t) ->|(1 - bar_s) / -> 1 /|* (1 - bar_t / bar_s) ->|/ (1 - bar_t) * (1 - bar_t / bar_s) ->}
    (1 - bar_t / bar_s) -> (bar_s - bar_t)
another ratio: right for η = 0. In the variance r is not ᾱ_t/ᾱ_s: it has no root, and both times are in it.
    bar_t / bar_s -> (bar_t / bar_s).sqrt()
v rooted too early: right for η = 0. v is a standard deviation here, and then its root is taken again.
    eta**2 * posterior -> eta{|**2} * posterior.sqrt()
no fresh noise: right for η = 0. The old noise is reduced, but `fresh` never comes in.
    v.sqrt() * fresh -> 0
η twice: right for η = 0 and η = 1. The fresh noise is multiplied by η once more: it is in v already.
    v.sqrt() * fresh -> eta * v.sqrt() * fresh
x not scaled: x is added as it is. At time s a part of it has faded: by which factor?
    bar_s.sqrt() * x -> x
x scaled like x_t: x is scaled by √(ᾱ_s/ᾱ_t). That would suit x_t; x is an estimate of the data.
    bar_s.sqrt() * x -> (bar_s / bar_t).sqrt() * x
always deterministic: η plays no part: this is the step for η = 0.
    eta**2 -> 0
always η = 1: η plays no part: this is the step for η = 1.
    eta**2 -> 1
posterior of task 2: right for η = 1. Of the old noise as much is taken off as for η = 1: with less that is new, more of the old stays.
    bar_s - v -> bar_s - posterior
fresh noise scaled by η alone: the fresh noise is not scaled to the step, so there is still noise at s = 0.
    v.sqrt() * fresh -> {|eta * }fresh
    v.sqrt() * -> eta * ; bar_s - v -> bar_s
x and noise exchanged: x and the noise are exchanged: near s = 0 x should be all that is left.
    * x + kept * noise -> * noise + kept * x
noises exchanged: the estimated noise and the fresh one are exchanged. With η = 0 no fresh noise may come in.
    kept * noise + v.sqrt() * fresh -> kept * fresh + v.sqrt() * noise
sign: the noise points the other way. A part of it belongs to x_s, and that part is added.
    + kept * noise -> - kept * noise
""",
)
