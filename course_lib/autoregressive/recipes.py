"""How the checkpoints of topic 05 are trained and measured. Run one with `python -m course_lib train NAME --preset cpu`."""

import math
from functools import partial

import torch
from torch import Tensor, nn

from .. import metrics
from ..datasets import Dataset, Text, batches, binarise, faces, to_float
from ..distributions import bits_per_dim, mu_law
from ..metrics.recipes import measure_told
from ..recipes import Budget, Recipe, as_far_as_known, images_and_labels, standard_error, words_and_faces
from .made import MADE
from .pixels import GatedPixelCNN, PixelCNN, PixelRNN
from .sequences import CharLSTM, WaveNet

PIECE = 128  # characters a language model is trained on at once


def uva_pixelcnn() -> GatedPixelCNN:
    """A gated PixelCNN of 0.83 million parameters for 8-bit digits: no more than in the tutorial whose number it is held against."""
    return GatedPixelCNN(width=74)


def black_and_white(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """A `prepare` for labelled images: every pixel drawn anew as 0 or 1."""
    return binarise(batch[0]), batch[1]


@torch.no_grad()
def measure_bits(model: nn.Module, data: Dataset, n: int = 2_000) -> dict:
    """Exact bits per dimension on the test images, and the digit-network FID of n samples."""
    bits = torch.cat([model.bits_per_dim(part) for part in data.x.split(100)]).mean()
    drawn = metrics.draw(model, n)
    return {
        "bits_per_dim": bits.item(),
        "fid": metrics.digit_fid(to_float(drawn.to(torch.uint8))),
        "samples": n,
        "test_images": len(data),
    }


@torch.no_grad()
def measure_faces(model: GatedPixelCNN, data: Dataset, n: int = 10_000) -> dict:
    """Exact bits per dimension of test faces, told the words of each; FID of n faces for such words, and how often words are obeyed."""
    words = faces.attributes(data.y)
    bits = torch.cat([model.bits_per_dim(x, y) for x, y in batches((data.x[:n], words[:n]), 250, shuffle=False)])
    numbers = {"bits_per_dim": bits.mean().item(), "bits_per_dim_error": standard_error(bits)}
    return as_far_as_known(numbers) | measure_told(model, data, n) | {"test_images": len(bits)}


@torch.no_grad()
def measure_nats(model: nn.Module, data: Dataset) -> dict:
    """Exact −log p of the test images, binarised once at random, nats an image."""
    x = binarise(data.x, generator=torch.Generator(data.x.device).manual_seed(0))
    told = [data.y] if getattr(model, "classes", 0) else []
    nats = [-model.log_prob(*part) for part in batches((x, *told), 250, shuffle=False)]
    return {"nll": torch.cat(nats).mean().item(), "test_images": len(data)}


def pieces(text: Text) -> Tensor:
    """Overlapping pieces of a text for training, int64 (n, PIECE)."""
    return text.pieces(PIECE, PIECE // 8)


@torch.no_grad()
def measure_text(model: CharLSTM, text: Text) -> dict:
    """−log p of a text in bits a character, in pieces of 512 that each begin with nothing, and the share of right first guesses."""
    x = text.x.long()[: len(text) // 512 * 512].view(-1, 512)
    logits = torch.cat([model.logits(part) for part in x.split(50)])
    nats = nn.functional.cross_entropy(logits.flatten(0, 1), x.flatten())
    return {
        "bits_per_character": nats.item() / math.log(2),
        "first_guess": (logits.argmax(-1) == x).float().mean().item(),
        "characters": x.numel(),
    }


def quantised(data: Dataset) -> Tensor:
    """Sounds as whole numbers 0 to 255, int64 (n, time)."""
    return mu_law(data.x)


@torch.no_grad()
def measure_sound(model: WaveNet, data: Dataset) -> dict:
    """−log p in bits a sample of sound."""
    x = quantised(data)
    bits = torch.cat([bits_per_dim(model.log_prob(part), x.shape[1]) for part in x.split(10)])
    return {"bits_per_sample": bits.mean().item(), "test_sounds": len(x)}


# --- the recipes

# what a lecture trains while you watch
LIVE = {
    "cpu": Budget(300, 32, 3e-3, warmup=20, clip=1.0, ema=None),
    "gpu": Budget(1_500, 64, 3e-3, warmup=50, clip=1.0, ema=None),
}


# about 100 epochs
IMAGES_ON_GPU = Budget(46_000, 128, 1e-3, warmup=500, clip=1.0)


def image_budgets(steps: int, batch_size: int = 16) -> dict[str, Budget]:
    """The two budgets of a pixel model."""
    return {"cpu": Budget(steps, batch_size, 1e-3, warmup=200, clip=1.0, precision="bf16"), "gpu": IMAGES_ON_GPU}


def sequence_budgets(steps: int, batch_size: int, lr: float = 2e-3) -> dict[str, Budget]:
    """The two budgets of a model of text or sound."""
    return {
        "cpu": Budget(steps, batch_size, lr, clip=1.0),
        "gpu": Budget(5 * steps, 2 * batch_size, lr, clip=1.0),
    }


BITS = {"output": "bernoulli", "levels": 2}
DIGITS = {"tensors": lambda data: data.x, "fit": {"prepare": binarise}}

RECIPES = {
    "pixelcnn_8bit": Recipe(partial(GatedPixelCNN, width=48), "mnist", image_budgets(9_000), measure_bits),
    "pixelcnn_faces": Recipe(
        partial(GatedPixelCNN, (3, 16, 16), width=40, dilations=(1, 2, 1, 4, 1, 2, 1), classes=faces.KINDS, coordinates=True),
        "faces",
        image_budgets(12_000),
        measure_faces,
        tensors=words_and_faces,
    ),
    # too large for half an hour of a CPU, so it is not shipped
    "pixelcnn_8bit_large": Recipe(uva_pixelcnn, "mnist", {"gpu": IMAGES_ON_GPU}, measure_bits),
    "pixelcnn_gated": Recipe(partial(GatedPixelCNN, width=32, **BITS), "mnist", image_budgets(12_000), measure_nats, **DIGITS),
    "pixelcnn_classes": Recipe(
        partial(GatedPixelCNN, width=24, dilations=(1, 2, 1, 4, 1), classes=10, **BITS),
        "mnist",
        image_budgets(8_000),
        measure_nats,
        fit={"prepare": black_and_white},
        tensors=images_and_labels,
    ),
    "pixelcnn_blind": Recipe(partial(PixelCNN, **BITS), "mnist", image_budgets(10_000), measure_nats, **DIGITS),
    "pixelrnn": Recipe(partial(PixelRNN, **BITS), "mnist", image_budgets(5_000, 32), measure_nats, **DIGITS),
    "made": Recipe(MADE, "mnist", image_budgets(20_000, 100), measure_nats, **DIGITS),
    "wavenet": Recipe(WaveNet, "sounds", sequence_budgets(1_500, 8), measure_sound, tensors=quantised),
    "char_lstm": Recipe(partial(CharLSTM, symbols=96, width=256), "manual", sequence_budgets(2_500, 32), measure_text, tensors=pieces),
}
