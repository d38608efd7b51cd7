"""Exercise 03, task 5b: a label behind the channels of an image."""

import torch
from torch.nn import functional as F

from course_lib.grading import Task, grid


def with_label_planes(x, y, classes):
    hot = F.one_hot(y, classes).to(x)
    planes = hot[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, planes], 1)


def truth(x, y, classes):
    planes = x.new_zeros(len(x), classes, *x.shape[2:])
    for image, label in zip(planes, y):
        image[label] = 1.0
    return torch.cat([x, planes], 1)


# Images as wide as there are classes, so that a row of the label in the wrong place goes unnoticed by PyTorch too.
WITH_PLANES = Task(
    with_label_planes,
    truth,
    cases=[
        (grid(3, 2, 2, 4), torch.tensor([2, 0, 0]), 4),
        (grid(3, 1, 3, 3), torch.tensor([1, 0, 2]), 3),
        (grid(1, 2, 3, 2).double(), torch.tensor([0]), 2),
    ],
    gradient=("x",),
    mistakes="""
the number as brightness: one plane, as bright as the label's number. Then class 9 looks like nine times class 1: give each class a plane of its own.
    F.one_hot(y, classes) -> (y[:, None]{| / classes| / (classes - 1)})
the number in every plane: each new plane holds the label's number. The plane of the class is all 1, the others are all 0.
    F.one_hot(y, classes) -> y[:, None].expand(-1, classes)
planes first: the planes stand before the image. They are asked for behind it.
    [x, planes] -> [planes, x]
one pixel: only one pixel of the plane is 1. A convolution looks at small patches: each must see the label, so the whole plane is 1.
    hot[:, :, None, None].expand(-1, -1, *x.shape[2:]) -> F.pad(hot[:, :, None, None], (0, x.shape[3] - 1, 0, x.shape[2] - 1))
one row: only one row of the plane is 1: with two axes of an index given, the third picks rows. The whole plane is 1.
    (-1, -1, *x.shape[2:]) -> (-1, -1, 1, x.shape[3]) ; [x, planes] -> [x, F.pad(planes, (0, 0, 0, x.shape[2] - 1))]
labels of other images: labels and images are mixed: `repeat` along the batch and a reshape hand them to other images and pixels. Give the one-hot row two axes of length 1 behind it, then `expand`.
    hot[:, :, None, None].expand -> hot.repeat(x[0, 0].numel(), 1).reshape ; (-1, -1, *x.shape -> (len(x), classes, *x.shape
along a row: pixels and planes are mixed: every plane has one column of 1s. The one-hot row is the axis of the planes: give it two axes of length 1 behind it, then `expand`. Repeating it and reshaping puts the numbers elsewhere.
    hot[:, :, None, None].expand(-1, -1, *x.shape[2:]) -> hot[:, None, None].expand(-1, classes, x.shape[2], -1)
counted from 1: the plane of 1s is one too far back. Class 0 has the first plane behind the image.
    F.one_hot(y, classes) -> F.one_hot(y + 1, classes + 1)[:, :classes]
    F.one_hot(y, classes) -> F.one_hot((y {-|+} 1) % classes, classes)
as many planes as there are labels: the number of planes depends on the largest label of the batch. `F.one_hot` counts the classes that it sees unless told.
    F.one_hot(y, classes) -> F.one_hot(y)
one plane too many: one plane too many. With `classes` classes the labels run from 0 to classes − 1.
    F.one_hot(y, classes) -> F.one_hot(y, classes + 1)
ten classes always: always ten planes. Other cases have another number of classes, `classes`.
    F.one_hot(y, classes) -> F.one_hot(y, 10)
shared out: the plane adds up to 1. Each of its pixels is 1.
    .to(x) -> .to(x) / x[0, 0].numel()
one label for all: every image has the planes of the first label. Each has its own.
    F.one_hot(y, classes) -> F.one_hot(y[:1].expand(len(y)), classes)
every label for every image: each image has a plane of 1s for every label of the batch: `[:, y]` takes all images. Each has one plane of its own: give the numbers of the images too, `torch.arange(len(y))`.
    .to(x) -> .to(x).amax(0).expand(len(x), -1)
labels taken for images: in some images every plane is 1: `[y]` picks images by their number. In each image the label picks a plane: give both, the numbers of the images, `torch.arange(len(y))`, and y.
    F.one_hot(y, classes).to(x) -> torch.zeros(len(x), classes).to(x).index_fill(0, y, 1.0)
image in the planes: the plane of the class holds the image. It is all 1.
    [x, planes] -> [x, planes * x[:, :1]]
turned about: 0 and 1 have changed places: the plane of the class is all 1.
    F.one_hot -> 1 - F.one_hot
image left out: these are the planes alone: where is x?
    [x, planes] -> [planes]
image cut off: right values, but no gradient reaches x, so the generator would learn nothing. What cuts the graph?
    [x, planes] -> [x.detach(), planes]
""",
)
