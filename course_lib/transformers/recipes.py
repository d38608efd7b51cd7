"""How the checkpoints of topic 09 are trained and measured. Run one with `python -m course_lib train NAME --preset cpu`."""

import math
from dataclasses import replace
from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from .. import metrics
from ..datasets import Dataset, Text, binarise, load, to_float
from ..datasets.pairs import END, TASKS, letters
from ..recipes import Budget, Recipe, as_far_as_known, floats_and_labels, images_and_labels, standard_error
from .bpe import BPE
from .language import GPT, ImageGPT, PieceGPT
from .masked import MaskedLM
from .translation import Translator, exact_matches
from .vision import ViT

PIECE = 128  # symbols a language model is trained on at once, and sees at most
BPE_SYMBOLS = 512


def text_pieces(text: Text) -> Tensor:
    """Overlapping pieces of a text."""
    return text.pieces(PIECE, PIECE // 8)


@lru_cache
def bpe_of(name: str, symbols: int = BPE_SYMBOLS) -> BPE:
    """The pieces of words learned from the training split of a text."""
    text = load(name, "train")
    return BPE.learn(text.decode(text.x), symbols)


def bpe_pieces(text: Text) -> Tensor:
    """Overlapping pieces of a text in symbols of its BPE."""
    return replace(text, x=bpe_of(text.name).encode(text.decode(text.x))).pieces(PIECE, PIECE // 8)


def keep_merges(model: PieceGPT, tensors: Tensor) -> None:
    """Tell the model what its symbols stand for."""
    model.merges.copy_(torch.tensor(bpe_of("manual").merges))


@torch.no_grad()
def measure_text(model: nn.Module, text: Text) -> dict:
    """−log p of a text in pieces of 128 that each begin with nothing: nats and bits a character."""
    x = text.pieces(PIECE)
    nats = -torch.cat([model.log_prob(part) for part in x.split(100)]) / PIECE
    return per_character(nats, x.numel())


def per_character(nats: Tensor, characters: int) -> dict:
    """What the texts' records hold of pieces (n,), nats a character; the errors are those of a mean over pieces."""
    numbers = {}
    for unit, value in {"nats": nats, "bits": nats / math.log(2)}.items():
        numbers |= {f"{unit}_per_character": value.mean().item(), f"{unit}_per_character_error": standard_error(value)}
    return as_far_as_known(numbers) | {"characters": characters}


@torch.no_grad()
def measure_bpe(model: PieceGPT, text: Text) -> dict:
    """The same for symbols of a BPE: bits a character, since symbols of other alphabets are longer or shorter."""
    bpe = model.bpe
    x = replace(text, x=bpe.encode(text.decode(text.x))).pieces(PIECE)
    nats = -torch.cat([model.log_prob(part) for part in x.split(100)])
    characters = torch.tensor([len(bpe.decode(row)) for row in x])
    numbers = per_character(nats / characters.float().mean(), int(characters.sum()))
    return numbers | {"characters_per_symbol": characters.float().mean().item() / PIECE}


@torch.no_grad()
def measure_masked(model: MaskedLM, text: Text, draws: int = 16) -> dict:
    """An upper bound of −log p in bits a character, and BERT's score, which is none: nats a symbol with 15 % hidden."""
    x = text.pieces(PIECE)
    nats = -torch.cat([model.elbo(part, draws) for part in x.split(100)]) / PIECE
    hidden = torch.stack([model.masked_cross_entropy(part) for part in x.split(100)]).mean()
    return per_character(nats, x.numel()) | {"masked_cross_entropy": hidden.item(), "draws": draws}


def short_ones_too(data: Dataset) -> tuple[Tensor, Tensor]:
    """Sources and targets, short numbers many times: else one text in sixty has two digits, and they are not learned."""
    dates = (data.x[:, :1] == letters("iso")[0]).squeeze(1)
    length = (data.x != END).sum(1)
    times = torch.where(dates | (length >= 36), 1, torch.where(length < 22, 20, 3))
    rows = torch.arange(len(data)).repeat_interleave(times)
    return data.x[rows], data.y[rows]


@torch.no_grad()
def measure_translation(model: Translator, data: Dataset) -> dict:
    """The share of held-out texts that are translated without a wrong character, for each task."""
    right = exact_matches(model, data.x, data.y)
    first = data.x[:, 0].long()  # the first letter says which task
    shares = {task: right[first == letters(task)[0]].float().mean().item() for task in TASKS}
    return shares | {"exact": right.float().mean().item(), "test_texts": len(data)}


@torch.no_grad()
def measure_pictures(model: ImageGPT, data: Dataset, n: int = 2_000) -> dict:
    """Exact −log p of the test images, binarised once at random, nats an image; and the digit-network FID of n samples."""
    x = binarise(data.x, generator=torch.Generator(data.x.device).manual_seed(0))
    nats = -torch.cat([model.log_prob(part) for part in x.split(250)])
    drawn = metrics.draw(model, n).float()
    numbers = as_far_as_known({"nll": nats.mean().item(), "nll_error": standard_error(nats)})
    return numbers | {"fid": metrics.digit_fid(drawn), "samples": n, "test_images": len(data)}


@torch.no_grad()
def measure_classifier(model: ViT, data: Dataset) -> dict:
    """The share of test images that are read right."""
    guess = torch.cat([model.logits(to_float(part)).argmax(1) for part in data.x.split(500)])
    return {"accuracy": (guess == data.y).float().mean().item(), "test_images": len(data)}


# what a lecture trains while you watch
LIVE = {
    "cpu": Budget(250, 16, 2e-3, warmup=20, clip=1.0, ema=None),
    "gpu": Budget(2_000, 64, 1e-3, warmup=100, clip=1.0, ema=None),
}


def budgets(steps: int, batch_size: int, lr: float, precision: str = "bf16") -> dict[str, Budget]:
    """The two budgets of a transformer; on a GPU five times the steps, with twice the batch. 16 bits help a CPU with wide layers only."""
    return {
        "cpu": Budget(steps, batch_size, lr, warmup=100, clip=1.0, ema=0.99, precision=precision),
        "gpu": Budget(5 * steps, 2 * batch_size, lr, warmup=200, clip=1.0, ema=0.999),
    }


# as many minutes as the LSTM of topic 05 had
SIZE = {"width": 128, "layers": 4, "heads": 4, "context": PIECE}

RECIPES = {
    "gpt": Recipe(partial(GPT, 96, dropout=0.1, **SIZE), "manual", budgets(4_200, 16, 3e-3), measure_text, tensors=text_pieces),
    "gpt_bpe": Recipe(
        partial(PieceGPT, BPE_SYMBOLS, dropout=0.2, **SIZE),
        "manual",
        budgets(3_600, 16, 3e-3),
        measure_bpe,
        tensors=bpe_pieces,
        before=keep_merges,
    ),
    "gpt_shakespeare": Recipe(partial(GPT, 96, **SIZE), "shakespeare", budgets(1_000, 16, 3e-3), measure_text, tensors=text_pieces),
    "masked_text": Recipe(partial(MaskedLM, 96, **SIZE), "manual", budgets(4_200, 16, 3e-3), measure_masked, tensors=text_pieces),
    "image_gpt": Recipe(
        partial(ImageGPT, patch=(2, 4)),  # half as many symbols as patches of 2 × 2, of as many kinds as a byte has
        "mnist",
        {
            "cpu": Budget(5_000, 16, 2e-3, warmup=200, clip=1.0, precision="bf16"),
            "gpu": Budget(46_000, 128, 1e-3, warmup=500, clip=1.0),
        },
        measure_pictures,
        fit={"prepare": binarise},
    ),
    "translator": Recipe(
        partial(Translator, width=96), "translations", budgets(4_000, 64, 2e-3, "no"), measure_translation, tensors=short_ones_too
    ),
    "vit": Recipe(
        ViT, "mnist", budgets(3_000, 64, 1e-3, "no"), measure_classifier, fit={"prepare": floats_and_labels}, tensors=images_and_labels
    ),
}
