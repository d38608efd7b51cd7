"""Exercise 06, task 6a: the straight path and its velocity."""

import torch

from course_lib.grading import Task, grid


def path_and_velocity(x, noise, t):
    t = t.view(-1, *[1] * (x.ndim - 1))
    point = (1 - t) * x + t * noise
    velocity = noise - x
    return point, velocity


def truth(x, noise, t):
    """The velocity by autograd: how x_t changes with t, example by example."""
    one = torch.ones((), dtype=x.dtype)
    at = [torch.func.jvp(lambda u, i=i: torch.lerp(x[i], noise[i], u), (t[i].to(x),), (one,)) for i in range(len(x))]
    return torch.stack([point for point, _ in at]), torch.stack([slope for _, slope in at])


PATH = Task(
    path_and_velocity,
    truth,
    results=("x_t", "velocity"),
    cases=[
        (grid(4, 4), (3 * grid(4, 4)).sin(), torch.tensor([0.1, 0.0, 0.55, 0.8])),
        (grid(3, 2, 3, 3), (5 * grid(3, 2, 3, 3)).cos(), torch.tensor([0.9, 0.3, 1.0])),
        (grid(2, 2, 2).sin(), grid(2, 2, 2).flip(1), torch.tensor([0.65, 0.2])),
        (grid(1, 5).double(), grid(1, 5).double().cos(), torch.tensor([0.7]).double()),
    ],
    mistakes="""
data and noise exchanged: the path runs from noise to data. Many papers count so; here t = 0 is the data, as in the tasks before.
    (1 - t) * x + t * noise -> t * x + (1 - t) * noise ; noise - x -> x - noise
points exchanged: the velocity is right, but the path runs the other way: at t = 0 it should be at the data.
    (1 - t) * x + t * noise -> t * x + (1 - t) * noise
velocity backwards: x_t is right, but the velocity points to the data. With growing t the path moves towards the noise.
    noise - x -> x - noise
variance kept: x_t lies on a curve: the squares of its factors add up to 1. On a straight path the factors themselves do.
    (1 - t) * x + t * -> {(1 - t).sqrt() * x + t.sqrt()|(1 - t) * x + (1 - (1 - t) ** 2).sqrt()|(1 - t**2).sqrt() * x + t} *
    (1 - t) * x + t * -> (u := t * math.pi / 2).cos() * x + u.sin() * {|; noise - x -> math.pi / 2 * (u.cos() * noise - u.sin() * x)}
    (1 - t) * x + t * -> (1 - t).sqrt() * x + t.sqrt() * ; noise - x -> noise / t.sqrt() / 2 - x / (1 - t).sqrt() / 2
velocity scaled by t: x_t is right, but this is the way gone so far. The velocity is the same all along a straight path.
    noise - x -> {t * (noise - x)|(noise - x) / t|(noise - x) / (1 - t)}
velocity by a quotient: x_t is right, and so is the velocity, but not at one end of the path, where it is 0/0. Differentiate the path by t.
    noise - x -> {(point - x) / t|(point - x) / t.clamp(min=1e-9)|(noise - point) / (1 - t)|(noise - point) / (1 - t).clamp(min=1e-9)}
velocity from x_t: x_t is right, but the velocity goes from x_t to the noise: that is the way still to go. Differentiate the path by t.
    noise - x -> noise - point
noise as the target: x_t is right, but the target is noise or data alone. Differentiate the path by t.
    velocity = noise - x -> velocity = {noise|x|point|-x}
sum for difference: x_t is right, but the velocity is a sum. What is the derivative of 1 − t?
    noise - x -> noise + x
v of diffusion: x_t is right, but this is v, the target of diffusion with another path. Differentiate this path by t.
    noise - x -> (1 - t) * noise - t * x
along the wrong axis: each example has its own t, but yours runs along another axis. Broadcasting starts at the last one.
    .view(-1, *[1] * (x.ndim - 1)) -> {|[:, None]}
always four axes: right for images, but other inputs come back with too many axes: let the number of added axes follow x.
    *[1] * (x.ndim - 1) -> {1, 1, 1|*[1] * (1 if x.ndim == 2 else 3)}
one t for the batch: the whole batch gets one t. Each example has its own.
    .view(-1, *[1] * (x.ndim - 1)) -> {[0]|.mean()|[-1]}
noise added to all of x: the data never fade: at t = 1 nothing of them should be left.
    (1 - t) * x -> x {|; noise - x -> noise}
order: x_t and the velocity are exchanged.
    point, velocity -> velocity, point
""",
)
