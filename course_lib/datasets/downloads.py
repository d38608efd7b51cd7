"""Data sets that are downloaded once, checked, and kept."""

import gzip
import math
import os
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .core import BROKEN, Dataset, check_sha256, hashes, images_from, labels_from
from .shipped import mnist_small
from .texts import Text, encode

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
    "shakespeare": ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",),
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
    "shakespeare": {"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
}
# where a student may have put the files below COURSE_DATA_DIR: our name, torchvision's, or the folder itself.
# Fashion-MNIST's files are named like MNIST's, so they need a folder of their own.
FOLDERS = {
    "mnist": ("mnist", "MNIST/raw", "."),
    "fashion_mnist": ("fashion_mnist", "FashionMNIST/raw"),
    "cifar10": ("cifar10", "."),
    "shakespeare": ("text", "shakespeare", "."),
}

FASHION = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cache_dir() -> Path:
    """The folder where downloads are kept."""
    import pooch

    return Path(pooch.os_cache("course_lib"))


def idx_dataset(name: str, split: str) -> Dataset:
    """MNIST or Fashion-MNIST."""
    part, n = ("t10k", 10_000) if split == "test" else ("train", 60_000)

    def read(stem: str, shape: tuple[int, ...]) -> np.ndarray:
        sha256 = SHA256[stem] if name == "mnist" else None
        return _obtain(name, f"{stem}.gz", lambda path: _read_idx(path, shape, sha256))

    x = images_from(read(f"{part}-images-idx3-ubyte", (n, 28, 28)), 1, 28, 28)
    y = labels_from(read(f"{part}-labels-idx1-ubyte", (n,)))
    if name == "mnist" and split == "train":
        held_out = set(hashes(mnist_small("test").x))
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
        check_sha256(raw, sha256)
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def cifar10(split: str) -> Dataset:
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
    return Dataset("cifar10", split, images_from(records[:, 1:], 3, 32, 32), labels_from(records[:, 0]), classes=CIFAR)


def shakespeare(split: str) -> Text:
    """A million characters of Shakespeare's plays, put together by A. Karpathy."""
    sha256 = ARCHIVE_SHA256["shakespeare"]["input.txt"]

    def read(path: Path) -> str:
        raw = path.read_bytes()
        check_sha256(raw, sha256)
        return raw.decode()

    text = encode(_obtain("shakespeare", "input.txt", read, also="tinyshakespeare.txt"))
    cut = len(text) * 9 // 10
    return Text("shakespeare", split, text[:cut] if split == "train" else text[cut:])


def _obtain(name: str, file: str, read: Callable[[Path], Any], also: str | None = None) -> Any:
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
        f"or use {'manual' if name == 'shakespeare' else 'mnist_small'}, which needs no network. Tried " + "; ".join(problems)
    )


def _files(name: str) -> list[str]:
    one = {"cifar10": "cifar-10-binary.tar.gz", "shakespeare": "tinyshakespeare.txt"}
    return [one[name]] if name in one else [f"{stem}.gz" for stem in SHA256]


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
