"""Exercise 03, task 4: a DCGAN generator."""

import contextlib

import torch
from torch import nn

from course_lib.grading import Outcome, Task
from course_lib.grading.words import describe


def dcgan_generator(latents, channels):
    sizes = [latents, *channels]
    layers = []
    for i, (a, b) in enumerate(zip(sizes, channels)):
        last = i == len(channels) - 1
        stride, padding = (2, 1) if i else (1, 0)
        layers += [nn.ConvTranspose2d(a, b, 4, stride, padding, bias=last)]
        layers += [nn.Tanh()] if last else [nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers)


def unrolled(network):
    """Its layers in order, those of nested Sequentials too."""
    return [layer for part in network for layer in (unrolled(part) if isinstance(part, nn.Sequential) else [part])]


NORMS = (nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm, nn.BatchNorm1d, nn.LocalResponseNorm)
SOFT = (nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.PReLU, nn.Softplus, nn.ReLU6, nn.SELU, nn.Mish, nn.CELU)
RESIZERS = (nn.Upsample, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.PixelShuffle, nn.MaxUnpool2d)


def broken(network, latents, channels):
    """Each rule, by the label of its mistake, and whether the network breaks it. The last convolution may have a bias or not."""
    layers, sizes, wider = unrolled(network), [latents, *channels], channels[::-1]
    places = [i for i, layer in enumerate(layers) if isinstance(layer, nn.ConvTranspose2d)]
    convs = [layers[i] for i in places]
    *hidden, end = [layers[i + 1 : j] for i, j in zip(places, [*places[1:], None])] or [[]]  # what follows each, up to the next
    given = [(conv.in_channels, conv.out_channels) for conv in convs]

    def has(kinds, where=layers):
        return any(isinstance(layer, kinds) for layer in where)

    def chain(*sizes):
        return [*zip(sizes[:-1], sizes[1:])]

    asked = [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU] * (len(channels) - 1) + [nn.ConvTranspose2d, nn.Tanh]
    return {
        "a class of one's own": not all(getattr(type(layer), "__module__", "").startswith("torch.nn.") for layer in layers),
        "fully connected": has((nn.Linear, nn.Flatten, nn.Unflatten)),
        "resized": has(RESIZERS),
        "ordinary convolution": has(nn.Conv2d),
        "z left out": given == chain(*channels),
        "wrong number": len(convs) != len(channels),
        "channels reversed": given in (chain(latents, *wider), chain(*wider, latents)),
        "another chain of channels": given != chain(*sizes),
        "kernel": any(conv.kernel_size != (4, 4) for conv in convs),
        "first one strided": any(conv.stride != (1, 1) for conv in convs[:1]),
        "first one padded": any(conv.padding != (0, 0) for conv in convs[:1]),
        "not strided": any(conv.stride != (2, 2) for conv in convs[1:]),
        "not padded": any(conv.padding != (1, 1) for conv in convs[1:]),
        "another norm": has(NORMS),
        "no batch norm": not all(has(nn.BatchNorm2d, part) for part in hidden),
        "image normalised": has(nn.BatchNorm2d, end),
        "dropout": has((nn.Dropout, nn.Dropout2d)),
        "another activation": has(SOFT),
        "sigmoid at the end": has(nn.Sigmoid),
        "ReLU on the image": has(nn.ReLU, end),
        "no end": not has(nn.Tanh, end),
        "tanh everywhere": any(has(nn.Tanh, part) for part in hidden),
        "ReLU missing": not all(has(nn.ReLU, part) for part in hidden),
        "norm after the ReLU": any(has(nn.ReLU, part[:1]) for part in hidden),
        "bias kept": any(conv.bias is not None for conv in convs[:-1]),
        "features of a batch norm": any(
            has(nn.BatchNorm2d, [x]) and x.num_features != conv.out_channels for conv, part in zip(convs, hidden) for x in part
        ),
        "something else": [*map(type, layers)] != asked
        or any((conv.output_padding, conv.dilation, conv.groups) != ((0, 0), (1, 1), 1) for conv in convs),
    }


class Rules(Task):
    """A task whose answer is a network. What is compared is the number of the first rule that it breaks, 0 if none."""

    def check(self, answer, hidden=None):
        with torch.random.fork_rng(devices=[]):  # a new network draws its weights, and a check leaves the random numbers alone
            super().check(answer, hidden)

    def _read(self, outcome, inputs):
        result = outcome.values[0] if len(outcome.values) == 1 else list(outcome.values)
        if not isinstance(result, nn.Sequential):
            self._fail("type", f"an nn.Sequential is asked for, got {describe(result)}.")
        if any(map(nn.parameter.is_lazy, result.parameters())):
            with contextlib.suppress(Exception):
                device = next(result.parameters()).device
                result(torch.zeros(2, inputs[0], 1, 1, device=device))  # lazy layers learn their sizes
        return Outcome((next((i for i, breaks in enumerate(broken(result, *inputs).values(), 1) if breaks), 0),))

    def _explain(self, answers, truths, cases, first, where_, gradient):
        """A rule that is broken in some cases only is named with the first of them."""
        number = answers[first].values[0]
        self._fail(f"m{number}", f"in {where_}: {self.known[number - 1].hint}")


DCGAN = Rules(
    dcgan_generator,
    cases=[(6, (8, 4, 1)), (5, (4, 3)), (10, (7, 6, 2, 2))],  # two are equal: a layer cannot be told by its channels
    mistakes="""
a class of one's own: a class of your own is in it, and the check cannot look inside. Build it from the layers of torch.nn alone.
    layers = [] -> layers = [type("Own", (nn.Module,), {})()]
fully connected: a fully connected or reshaping layer is in it. z comes as an image of 1×1: the first transposed convolution makes 4×4 of it.
    layers = [] -> layers = [nn.Flatten(), nn.Linear(latents, latents), nn.Unflatten(1, (latents, 1, 1))]
resized: it grows or shrinks the image by a fixed layer (pooling, upsampling). In a DCGAN the strides of transposed convolutions do that, so it is learned.
    nn.ConvTranspose2d(a, b, 4, stride, padding, bias=last) -> nn.Upsample(scale_factor=2 if i else 4), nn.Conv2d(a, b, 3, padding=1)
ordinary convolution: an ordinary convolution is in it: with stride 2 it halves the image. Which layer doubles it?
    ConvTranspose2d -> Conv2d
z left out: one transposed convolution is missing: the first leads from the latents to channels[0].
    sizes = [latents, *channels] -> sizes, channels = channels, channels[1:]
wrong number: it has another number of transposed convolutions than `channels` has entries. Each entry is what one of them returns.
    sizes = -> channels = (*channels, channels[-1]); sizes =
channels reversed: the channels run backwards. A generator goes from many channels at 4×4 to those of the image.
    sizes = -> channels = channels[::-1]; sizes =
another chain of channels: the channels are not those given: latents → channels[0] → channels[1] → … → channels[-1].
    sizes = -> channels = [2 * c for c in channels[:-1]] + [channels[-1]]; sizes =
kernel: a kernel is not 4×4. With stride 2, a kernel of 4 reaches each pixel equally often; one of 3 gives a chequered pattern.
    b, 4 -> b, 3
first one strided: the first transposed convolution has a stride. From 1×1, with stride 1 and no padding, a kernel of 4 makes 4×4.
    (2, 1) if i else (1, 0) -> (2, 1)
first one padded: the first transposed convolution is padded, and padding cuts the result of a transposed one: 2×2 in place of 4×4.
    (1, 0) -> (1, 1)
not strided: a later transposed convolution does not double the image: look at its stride.
    (2, 1) -> (1, 1)
not padded: a later transposed convolution makes more than twice the size: 4 × 4 becomes 10 × 10 without padding.
    (2, 1) -> (2, 0)
another norm: it normalises, but not by batch norm over images: that is `nn.BatchNorm2d`.
    BatchNorm2d -> InstanceNorm2d
no batch norm: a batch norm is missing: one follows each transposed convolution but the last. Without it a deep generator often collapses at the start.
    nn.BatchNorm2d(b), ->
image normalised: batch norm follows the last convolution too. It would give every batch of images one mean and one contrast.
    [nn.Tanh()] -> [nn.BatchNorm2d(b), nn.Tanh()]
dropout: dropout is in it. The rules have none: the noise of a generator is z.
    nn.ReLU() -> nn.ReLU(), nn.Dropout()
another activation: an activation is neither ReLU nor tanh. The leaky one belongs to the discriminator.
    nn.ReLU() -> nn.LeakyReLU(0.2)
sigmoid at the end: a sigmoid is in it: images would lie in [0, 1]. The data here lie in [−1, 1]: which function ends there?
    nn.Tanh() -> nn.Sigmoid()
ReLU on the image: a ReLU follows the last convolution, so no pixel can be below 0, and the data reach down to −1.
    nn.Tanh() -> nn.ReLU(), nn.Tanh()
no end: after the last convolution its pixels may be any number. Which function brings them into [−1, 1]?
    nn.Tanh() ->
tanh everywhere: tanh is used before the end too. Between the layers stands ReLU.
    nn.ReLU() -> nn.Tanh()
ReLU missing: a ReLU is missing. Without one between them, two convolutions are one linear map.
    , nn.ReLU() ->
norm after the ReLU: a batch norm stands after its ReLU. In a DCGAN it comes first: convolution, batch norm, ReLU.
    nn.BatchNorm2d(b), nn.ReLU() -> nn.ReLU(), nn.BatchNorm2d(b)
bias kept: a convolution before a batch norm has a bias. The batch norm takes every mean away, the bias with it: switch it off.
    bias=last -> bias=True
features of a batch norm: a batch norm has another number of features than its convolution puts out. `nn.BatchNorm2d(n)` normalises the n channels that reach it.
    nn.BatchNorm2d(b) -> nn.BatchNorm2d({b + 1|a})
something else: every rule seems kept, but the layers are not convolution, batch norm, ReLU, …, convolution, tanh: print the network and compare.
    nn.ReLU() -> nn.ReLU(), nn.{ReLU|Identity}()
""",
)
