"""Topic 09 against `transformers`: writing with a cache and without, and a step of training, at the same weights. On the CPU."""

import sys
from functools import partial

import torch
from timing import Report
from torch import Tensor

sys.path.pop(0)  # this folder, whose file of the same name would hide the package
from transformers import GPT2Config, GPT2LMHeadModel, StaticCache  # noqa: E402

from course_lib.distributions import categorical_sample  # noqa: E402
from course_lib.training import seed_everything  # noqa: E402
from course_lib.transformers import GPT  # noqa: E402

N, LENGTH, SYMBOLS = 16, 784, 2


def peer_of(model: GPT) -> GPT2LMHeadModel:
    """GPT-2 of `transformers` with the weights of ours."""
    stack = model.stack
    config = GPT2Config(
        vocab_size=model.symbols + 1,
        n_positions=model.context,
        n_embd=stack.width,
        n_layer=len(stack.blocks),
        n_head=stack.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        attn_implementation="sdpa",
        bos_token_id=model.symbols,
        eos_token_id=None,
    )
    peer = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        peer.transformer.wte.weight.copy_(model.embed.weight)
        peer.transformer.wpe.weight.copy_(stack.learned)
        peer.transformer.ln_f.load_state_dict(stack.norm.state_dict())
        for theirs, ours in zip(peer.transformer.h, stack.blocks):
            theirs.ln_1.load_state_dict(ours.norm.state_dict())
            theirs.ln_2.load_state_dict(ours.mlp[0].state_dict())
            both = [
                (theirs.attn.c_attn, ours.attention.into),
                (theirs.attn.c_proj, ours.attention.out),
                (theirs.mlp.c_fc, ours.mlp[1]),
                (theirs.mlp.c_proj, ours.mlp[3]),
            ]
            for a, b in both:
                a.weight.copy_(b.weight.T)
                a.bias.copy_(b.bias)
    return peer


@torch.no_grad()
def static(peer: GPT2LMHeadModel, uniforms: Tensor) -> Tensor:
    """Write with the static cache of `transformers`: one pass over one symbol each time, without the overhead of `generate`."""
    n, length = uniforms.shape
    cache = StaticCache(config=peer.config, max_cache_len=length)
    new = torch.full((n, 1), SYMBOLS)
    written = []
    for t in range(length):
        logits = peer(input_ids=new, past_key_values=cache, cache_position=torch.tensor([t]), use_cache=True).logits[:, -1, :SYMBOLS]
        new = categorical_sample(uniforms[:, t], logits)[:, None]
        written.append(new)
    return torch.cat(written, 1)


@torch.no_grad()
def some_naive_steps(model: GPT, uniforms: Tensor, steps: list[int]) -> None:
    """Steps of the loop that reads all again for each symbol, at these places."""
    x = torch.zeros(N, LENGTH, dtype=torch.long)
    for t in steps:
        categorical_sample(uniforms[:, t], model.logits(x[:, : t + 1])[:, -1])


def ours_step(model: GPT, optimiser: torch.optim.Optimizer, x: Tensor) -> None:
    optimiser.zero_grad()
    model.loss(x).backward()
    optimiser.step()


def peers_step(peer: GPT2LMHeadModel, optimiser: torch.optim.Optimizer, before: Tensor, x: Tensor) -> None:
    optimiser.zero_grad()
    logits = peer(input_ids=before, use_cache=False).logits
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), x.flatten()).backward()
    optimiser.step()


def main() -> None:
    seed_everything(0)
    report = Report()
    model = GPT(SYMBOLS, width=128, layers=4, heads=4, context=LENGTH, positions="learned").eval()
    peer, uniforms = peer_of(model), torch.rand(N, LENGTH)
    if not torch.equal(model.sample(N, LENGTH, uniforms=uniforms), static(peer, uniforms)):
        sys.exit("both must write the same symbols")
    what = f"{LENGTH} symbols × {N}, 4 layers of 128"
    ours = partial(model.sample, N, LENGTH, uniforms=uniforms)
    # the cost of a step grows smoothly with its place: the middles of eight equal parts have the mean cost of all
    places = [LENGTH * (2 * i + 1) // 16 for i in range(8)]
    report.compare(f"{what} (peer: no cache)", ours, partial(some_naive_steps, model, uniforms, places), 50, rounds=3, part=8 / LENGTH)
    report.compare(f"{what} (peer: static cache of transformers)", ours, partial(static, peer, uniforms), 1.5, rounds=5)
    text = GPT(96, width=128, layers=4, heads=4, context=128, positions="learned")
    other, x = peer_of(text), torch.randint(96, (16, 128))
    mine, theirs = (torch.optim.AdamW(m.parameters(), lr=1e-5, fused=True) for m in (text, other))
    report.compare(
        "a training step, 16 × 128 characters, 4 layers of 128 (peer: GPT-2 of transformers)",
        partial(ours_step, text, mine, x),
        partial(peers_step, other.train(), theirs, text.before(x), x),
        1.0,
        rounds=9,
        calls=2,
    )
    kept = sum(cache.bytes for cache in model.stack.new_cache(N, LENGTH))
    print(f"\nmemory of the cache: {kept / 1e6:.0f} MB; of all weights of attention at once: {4 * 4 * N * LENGTH**2 * 4 / 1e6:.0f} MB")
    report.finish()


if __name__ == "__main__":
    main()
