# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,slideshow,nbgrader,-all
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # 09 · Transformers
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/deep-generative-course/deep-generative-models/blob/main/notebooks/09_transformers.ipynb) [![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/deep-generative-course/deep-generative-models/main?urlpath=lab/tree/notebooks/09_transformers.ipynb)
#
# **You will be able to**
# - compute attention by hand, mask it, split it into heads, and say what each step is for,
# - tell a network where its inputs stand: sinusoidal, rotary and learned positions,
# - train a GPT on text, and let it write quickly with a cache of keys and values,
# - translate with an encoder and a decoder, and see where the decoder looks,
# - turn BERT into a generator, and compare its bound with a GPT's exact likelihood,
# - read pictures as sentences of patches.
#
# **Time** about 110 minutes. **Hardware** a laptop's CPU; nothing is downloaded, but for GPT-2 in section 16, on Colab. Every picture with sliders needs a running kernel.
# **You need** lectures 00 and 05: the chain rule, teacher forcing, temperature and nucleus. Section 12 looks back at lecture 06.

# %% tags=["setup"]
# The set-up of every notebook. On Colab it adds the course and changes nothing else; elsewhere the course is there already.
import os

if "COLAB_RELEASE_TAG" in os.environ:
    import shutil
    import subprocess
    import sys
    from glob import glob

    from packaging.version import Version

    source = "git+https://github.com/deep-generative-course/deep-generative-models"
    # of wheels in /content the newest; uploaded twice it is called "… (1).whl", and pip takes no such name
    found = glob("/content/deep_generative_course-*.whl")
    if wheels := [(Version(os.path.basename(path).split("-")[1]), os.path.getmtime(path), path) for path in found]:
        version, _, path = max(wheels)
        source = shutil.copy(path, f"/tmp/deep_generative_course-{version}-py3-none-any.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", source, "torchdiffeq"]
    if subprocess.run(install, capture_output=True, env=os.environ | {"GIT_TERMINAL_PROMPT": "0"}).returncode:
        raise SystemExit(
            f"The course could not be installed from {source}: put its wheel (`make colab-bundle` writes it to dist/) into /content, "
            "the folder that opens at the left, and run this cell again."
        )

from course_lib import plotting

plotting.use_style()

import torch  # after the course, which tells threads that wait not to spin

if "COLAB_RELEASE_TAG" in os.environ and not torch.cuda.is_available():
    print("This runtime has no GPU, so training is slow. Runtime → Change runtime type → T4 GPU gives you one.")

# %% slideshow={"slide_type": "slide"}
import math
import os
import time

import torch
import torch.nn.functional as F
from torch import nn

from course_lib import autoregressive as ar
from course_lib import checkpoints, datasets, metrics, training
from course_lib import transformers as tf
from course_lib.datasets.pairs import english, french, held_out, letters
from course_lib.plotting import LossPlot, show_images, show_source, table
from course_lib.recipes import preset_for
from course_lib.widgets import transformers as widgets

training.seed_everything(0)
manual, new_text = datasets.load("manual", "train"), datasets.load("manual", "test")
digits, unseen = datasets.load("mnist_small", "train"), datasets.load("mnist_small", "test")
live = tf.LIVE[preset_for()].options()  # what this machine can train while you watch

# %% [markdown]
# ## First, play
#
# A transformer has learned to translate numbers from English to French, letter by letter. The rules are known, so we know when it is right. It never saw a tenth of the numbers from 100 to 9,999.
#
# **Predict first.** 92 is *quatre-vingt-douze*: four twenties and twelve. Where must the model look when it writes *douze*? On *ninety*, on *two*, or on both?

# %%
translator = checkpoints.load("translator")
widgets.TranslationExplorer(translator)

# %% [markdown]
# > **What to notice.** Each row is a letter that is written, each column a letter that is read; in each row the largest weight is the darkest. You see the last layer, the mean of its heads. To write the *q* of *quatre-vingt* it looks at *ninety*, with over 85 % of its weight, and to write the *d* of *douze* at *two*, with over 90 %. Most rows inside a word are spread. Nobody aligned the two texts.
# > So *two* alone? No, both. 82 is *quatre-vingt-deux*: after the *d* only *ninety* tells *douze* from *deux*. Hand the decoder what the encoder made of *eighty* instead, and it goes on with *deux*. In layer 1 the row of *d* has most of its weight on *ninety*.
# > Type other numbers. 80 ends in *s* and 81 does not; 71 is *soixante et onze*. The rules were never told.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
source, made = "fr:ninety-two", "quatre-vingt-douze"
maps = translator.cross_attention(source, made)[1].mean(0)  # layer 2, mean of the heads
on_ninety, on_two = maps[:, len("fr:") : len("fr:ninety")].sum(1), maps[:, len("fr:ninety") :].sum(1)
assert on_ninety[0] > 0.85 and on_two[made.index("d")] > 0.90
first = translator.cross_attention(source, made)[0].mean(0)[made.index("d")]
assert first[len("fr:") : len("fr:ninety")].sum() > 0.5
(of_92, told), (of_82, _) = (translator.read(torch.tensor([letters(f"fr:{english(n)}", translator.context)])) for n in (92, 82))
of_92[:, len("fr:") : len("fr:ninety-")] = of_82[:, len("fr:") : len("fr:eighty-")]
translator.read = lambda source: (of_92, told)  # what it reads of ninety-two, with "eighty-" in the place of "ninety-"
assert translator.translate(["fr:ninety-two"]) == ["quatre-vingt-deux"]
del translator.read
spread = -(maps * maps.clamp(min=1e-12).log()).sum(1)
assert spread[[0, made.index("d")]].max() < spread[[i for i in range(1, len(made)) if made[i - 1] != "-"]].median()
assert translator.translate([f"fr:{english(n)}" for n in (80, 81, 71)]) == ["quatre-vingts", "quatre-vingt-un", "soixante et onze"]
assert 0.09 < sum(map(held_out, range(10_000))) / 10_000 < 0.11

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · The naive attempt: the mean of what came before
#
# We want $p(x_t\mid x_{<t})$ for text, as in lecture 05. The symbols (**tokens**; here characters) are counted from 0, and in front of them stands ▯, "nothing yet". Give each a vector $e(x)\in\mathbb R^d$, its **embedding**. To predict $x_t$, a network needs *one* vector that sums up the past, however long that is. The simplest is the mean:
#
# $$h_t=\frac1{t+1}\Big(e(▯)+\sum_{j<t}e(x_j)\Big).$$
#
# All $t$ at once cost one running sum. But a mean knows what was said and not *where*, and cannot choose. How bad is that?
#
# Below, a network of two layers takes such a mean in each; sections 2 to 4 build it. Then it may choose: first by *what* the symbols are, then also by *where* they stand.

# %%
SMALL = {"symbols": 96, "width": 64, "layers": 2, "heads": 4, "context": 64}
text_pieces = manual.x.long().unfold(0, 64, 16)
new_pieces = new_text.x.long()[: 64 * 300].view(300, 64)


def bits(model, x=new_pieces):
    """Bits a character on text that no model has seen."""
    with torch.no_grad():
        return -model.log_prob(x).mean().item() / x.shape[1] / math.log(2)


def ask_nothing(model):
    """Queries that stay 0: then all scores are equal, and attention is the mean of the past."""
    for block in model.stack.blocks:
        d = model.stack.width
        for p in (block.attention.into.weight, block.attention.into.bias):
            p.data[:d] = 0
            p.register_hook(lambda grad, d=d: torch.cat([torch.zeros_like(grad[:d]), grad[d:]]))
    return model


def trained(model, steps=200, **options):
    training.seed_everything(0)
    settings = tf.LIVE["cpu"].options() | {"steps": steps, "progress": False} | options  # small everywhere
    return training.fit(model, text_pieces, **settings).model.eval()


training.seed_everything(0)
mean_model = trained(ask_nothing(tf.GPT(**SMALL)))
training.seed_everything(0)
by_what = trained(tf.GPT(**SMALL, positions="none"))
training.seed_everything(0)
asking = trained(tf.GPT(**SMALL))


def counted(n, x, **how):
    """Bits a character of an n-gram, each piece by itself, as for the networks."""
    gram = ar.NGram(manual.x.long(), 96, n, **how)
    return -sum(gram.log_prob(piece) for piece in x).item() / x.numel() / math.log(2)


counts = {n: counted(n, new_pieces) for n in (1, 2)}
table(
    [
        *({"model": f"{n}-gram: counts", "bits a character": round(b, 2)} for n, b in counts.items()),
        {"model": "mean of the past, 200 steps", "bits a character": round(bits(mean_model), 2)},
        {"model": "the same network, choosing by what, 200 steps", "bits a character": round(bits(by_what), 2)},
        {"model": "the same network, choosing by what and where, 200 steps", "bits a character": round(bits(asking), 2)},
    ]
)

# %% [markdown]
# > **What to notice.** With the mean, two layers and all their weights are no better than counting pairs of characters. To choose by what the symbols are helps little in so few steps. Choosing by what *and* where gains more than a quarter of a bit with the same steps. Section 2 builds the choice, section 5 the places.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert counts[2] < bits(mean_model) < counts[1] and bits(mean_model) - bits(asking) > 0.25
assert 0 < bits(mean_model) - bits(by_what) < 0.06
for block in mean_model.stack.blocks:  # its queries are 0, and its weights those of a mean
    assert (block.attention.into.weight[:64] == 0).all() and (block.attention.into.bias[:64] == 0).all()
weights = mean_model.attention_maps(new_pieces[:1])[0, 0, 0]
assert torch.allclose(weights[9, :10], torch.full((10,), 0.1))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Attention: a soft look-up
#
# Think of a dictionary: you have a **query**, compare it with the **keys**, and take the **value** of the key that fits. To learn by gradients, the look-up is made soft: take a bit of every value, the more the better its key fits.
#
# From its vector $h_i$ every place makes three others: a query $q_i=W_qh_i$, a key $k_i=W_kh_i$ and a value $v_i=W_vh_i$. Place $i$ then reads
#
# $$\sum_j a_{ij}v_j,\qquad a_{ij}=\frac{e^{s_{ij}}}{\sum_{j'}e^{s_{ij'}}},\qquad s_{ij}=\frac{q_i\cdot k_j}{\sqrt d}.$$
#
# $s_{ij}$ are the **scores**, $a_{ij}$ the **attention weights**: for each $i$ they are a distribution over $j$. $d$ is the length of a query, here that of $h_i$. With $q_i=0$ all weights are equal: the mean of section 1.
#
# With one query, key and value a row this is $\mathrm{softmax}(QK^\top/\sqrt d)\,V$, **scaled dot-product attention**. It is **self-attention** where all three come from the same text.

# %%
show_source(tf.attention)
q, k, v = torch.randn(2, 5, 8), torch.randn(2, 7, 8), torch.randn(2, 7, 3)
read, weights = tf.attention(q, k, v)
print(
    f"weights sum to 1: {torch.allclose(weights.sum(-1), torch.ones(2, 5))}; equal to torch's: "
    f"{torch.allclose(read, F.scaled_dot_product_attention(q, k, v), atol=1e-6)}"
)  # test it

# %% [markdown]
# **Why the root?** Let the entries of $q$ and $k$ be independent, with mean 0 and variance 1. Then $q\cdot k$ is a sum of $d$ terms of variance 1: its standard deviation is $\sqrt d$. Softmax of large scores picks one key and forgets the others; then its gradient vanishes, and nothing is learned.

# %%
rows = []
for d in (4, 64, 1024):
    q, k = torch.randn(200, d), torch.randn(16, d)
    for name, scale in {"divided by √d": d**0.5, "not": 1.0}.items():
        a = (q @ k.T / scale).softmax(-1)
        slope = (a * (1 - a)).mean()  # of a weight with respect to its own score
        rows.append({"d": d, "scores": name, "largest weight of 16": round(a.amax(-1).mean().item(), 2), "slope": f"{slope:.4f}"})
table(rows)

# %% [markdown]
# > **What to notice.** Divided, the largest of 16 weights stays near a quarter at every $d$. Not divided, at $d=1024$ it is above 0.9, and the slope is less than a tenth.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
largest = {(row["d"], row["scores"]): row["largest weight of 16"] for row in rows}
assert all(0.2 < largest[d, "divided by √d"] < 0.32 for d in (4, 64, 1024)) and largest[1024, "not"] > 0.9
slopes = {(row["d"], row["scores"]): float(row["slope"]) for row in rows}
assert slopes[1024, "not"] < 0.1 * slopes[1024, "divided by √d"]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · The causal mask
#
# A language model is trained on all places of a text at once (teacher forcing). Place $i$ must then not see $x_i$, which it has to predict, nor what comes later. Lecture 05 cut the weights of convolutions. Here we cut scores: where $j>i$, set $s_{ij}=-\infty$ *before* the softmax, so that $a_{ij}=0$ and the rest still sums to 1.
#
# **Predict first.** Without the mask, which input will a model learn to read, and what will its loss be?

# %%
widgets.MaskExplorer()

# %% [markdown]
# > **What to notice.** With the mask half of the table is white: place $i$ reads the $i+1$ inputs up to its own. The input is shifted by one (▯ stands for "nothing yet"), so place $i$ holds $x_{i-1}$, and its own input is no secret. Without the mask place $i$ may read place $i+1$, where its answer stands: it learns to copy it, and the loss can fall to nearly 0 (section 14).

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert tf.causal_mask(18).sum() == 18 * 19 // 2 and tf.causal_mask(18)[8].sum() == 9
weights = tf.GPT(7, width=16, layers=1, heads=2, context=9).attention_maps(torch.randint(7, (1, 9)))
assert (weights.triu(1) == 0).all() and torch.allclose(weights.sum(-1), torch.ones(()))
assert tf.GPT(7).before(torch.tensor([[4, 5, 6]])).tolist() == [[7, 4, 5]]  # place i holds the symbol before it

# %%
show_source(tf.causal_mask)
gpt = tf.GPT(7, width=16, layers=2, heads=2, context=9)
x = torch.randint(7, (1, 9))
later = x.clone()
later[:, 5:] = (x[:, 5:] + 1) % 7
print(
    "predictions that changed with x₅ and what follows:", (gpt.logits(x) != gpt.logits(later)).any(2)[0].nonzero().flatten().tolist()
)  # test it

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Heads, and the block
#
# One softmax looks for one thing. A letter may need two: which word is this, and how far am I in it? So the queries, keys and values of $d$ numbers are cut into $H$ **heads** of $d/H$ numbers (**multi-head attention**). Each head has its own scores, divided by $\sqrt{d/H}$; what they find is put side by side and mixed by $W_o$. This takes as many multiplications as one head, with $H$ times as many weights $a_{ij}$.
#
# Then each place *thinks*, by itself, with an MLP of one hidden layer, four times as wide. Both steps *add* to the vector that passes through (the **residual stream**), and both read it through a **LayerNorm**: subtract the mean of the $d$ numbers, divide by their standard deviation, then multiply and shift each by learned numbers. The paper of 2017 had the norm after the sum. Before it (**pre-norm**), gradients have a free way down:
#
# $$x\leftarrow x+\mathrm{Attention}(\mathrm{Norm}(x)),\qquad x\leftarrow x+\mathrm{MLP}(\mathrm{Norm}(x)).$$
#
# This is the **block**. Every model of this lecture is a stack of it.

# %%
show_source(tf.Attention.forward)
show_source(tf.Block)
ours, theirs = tf.Block(12, 3), nn.TransformerEncoderLayer(12, 3, 48, 0.0, nn.GELU("tanh"), batch_first=True, norm_first=True)
theirs.self_attn.in_proj_weight.data, theirs.self_attn.in_proj_bias.data = ours.attention.into.weight.data, ours.attention.into.bias.data
theirs.self_attn.out_proj.load_state_dict(ours.attention.out.state_dict())
theirs.linear1.load_state_dict(ours.mlp[1].state_dict())
theirs.linear2.load_state_dict(ours.mlp[3].state_dict())
x = torch.randn(2, 6, 12)
print(f"our block is torch's: {torch.allclose(ours(x), theirs(x), atol=1e-5)}")  # test it

# %% [markdown]
# **Weights.** $W_q,W_k,W_v,W_o$ have $4d^2$ numbers, the MLP $8d^2$. A block has about $12d^2$, whatever the number of heads and the length of the text. **Initial values.** $2L$ terms are added to the stream by $L$ layers, and the variances of independent terms add up. So the last matrix of each starts $\sqrt{2L}$ times smaller, and the sum keeps its size (GPT-2).

# %%
sizes = []
for layers in (2, 12, 48):
    stack = tf.Transformer(64, layers, 4, 32, "none")
    naive = tf.Transformer(64, layers, 4, 32, "none")
    for name, weight in naive.named_parameters():
        if name.endswith(("out.weight", "mlp.3.weight")):
            nn.init.normal_(weight, std=0.02)
    x = 0.02 * torch.randn(8, 32, 64)
    grown = []
    for model in (stack, naive):
        h = x
        for block in model.blocks:
            h = block(h)
        grown.append((h.std() / x.std()).item())
    sizes.append({"layers": layers, "growth of the stream": round(grown[0], 1), "without the smaller start": round(grown[1], 1)})
print(f"weights of a block of width 64: {sum(p.numel() for p in tf.Block(64, 4).parameters()):,}; 12 · 64² = {12 * 64**2:,}")
table(sizes)

# %% [markdown]
# > **What to notice.** With the smaller start the stream of 48 layers is as large as that of 2. Without it, it grows with the depth.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
growth = {row["layers"]: (row["growth of the stream"], row["without the smaller start"]) for row in sizes}
assert growth[48][0] < 1.3 * growth[2][0]
assert growth[48][1] > 2 * growth[2][1] and growth[48][1] > 2 * growth[48][0]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Where am I?
#
# Attention without a mask is a sum over $j$: shuffle the inputs, and the outputs are shuffled with them (it is **permutation-equivariant**). "Dog bites man" and "man bites dog" are one set. So positions must enter some other way:
#
# - **learned**: a vector for each position, added to the input;
# - **sinusoidal**: a clock with many hands, added too, and nothing to learn;
# - **rotary** (RoPE): cut $q_i$ and $k_j$ into pairs of entries, $m=0,1,\dots$, and turn pair $m$ by the angles $i\omega_m$ and $j\omega_m$. With $R_\alpha$, a turn by $\alpha$, the product depends on $j-i$ alone:
#
# $$\langle R_{i\omega}\,q,\;R_{j\omega}\,k\rangle=\langle q,\;R_{(j-i)\omega}\,k\rangle,\qquad \omega_m=10000^{-2m/d}.$$
#
# Here $d$ is the length of one head. The hands of the sinusoidal clock have the same speeds. In this lecture the GPTs have rotary positions, the translator sinusoidal, the ViT learned ones.
#
# **Predict first.** Move both positions by the same amount. Which of the three pictures will change?

# %%
widgets.PositionExplorer()

# %% [markdown]
# > **What to notice.** The fast hands tell neighbours apart, the slow ones far places. Shift both: all hands turn, the lines move over the table, and the product stays. It is largest at distance 0 and falls to both sides for four steps. Farther out it goes up and down, and never comes as high again.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
clock = tf.sinusoidal_positions(128, 32)
products = clock @ clock.T
assert all(torch.allclose(products.diagonal(k), products[0, k], atol=1e-3) for k in (1, 4, 40))  # the distance alone
assert (products.argmax(1) == torch.arange(128)).all() and (products[0, :5].diff() < 0).all()
assert products[0, 5:65].max() < products[0, 3] and products[0, 5] > products[0, 4] and products[0, 64] > products[0, 48]

# %%
show_source(tf.rotary)
order = torch.randperm(9)
x = torch.randn(1, 9, 16)
for positions in tf.POSITIONS:
    stack = tf.Transformer(16, 2, 2, 9, positions)
    stack.apply(lambda m: nn.init.normal_(m.weight, std=0.3) if isinstance(m, nn.Linear) else None)
    print(
        f"{positions:>10}: shuffled inputs give shuffled outputs: {torch.allclose(stack(x)[:, order], stack(x[:, order]), atol=1e-4)}"
    )  # test it
q, k = torch.randn(1, 8), torch.randn(1, 8)
apart = [(tf.rotary(q, i) @ tf.rotary(k, i + 3).T).item() for i in (0, 5, 50)]
print("rotary products at distance 3, from 0, 5 and 50:", [round(value, 4) for value in apart])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · GPT
#
# Put it together: characters become vectors, the vectors pass a causal stack, and each is compared with the vectors of all characters: $\text{logits}_t=E\,h_t$. The table $E$ that reads is the one that writes (**weight tying**). The loss is $-\log p(x_t\mid x_{<t})$, averaged: nats a character.

# %%
show_source(tf.GPT.logits)
show_source(tf.GPT.log_prob)

# %% tags=["nbval-ignore-output"]
training.seed_everything(0)
tiny = tf.GPT(**SMALL)
before = tiny.sample(1, 100)[0]
run = training.fit(tiny, text_pieces, **live, watch=LossPlot())
tiny = run.model.eval()

# %%
training.seed_everything(1)
print(
    f"--- before\n{manual.decode(before)}\n\n--- after {run.step} steps: {bits(tiny):.2f} bits a character\n{manual.decode(tiny.sample(1, 300)[0])}"
)

# %% [markdown]
# The shipped one has four layers of width 128, a context of 128 characters, and had 4,200 steps. It writes Python's manual, nearly.

# %%
shipped = checkpoints.load("gpt")
training.seed_everything(0)
start = datasets.encode("The import statement ").long()[None]
print(manual.decode(shipped.sample(1, 500, temperature=0.7, start=start)[0]))

# %% [markdown]
# **Predict first.** Set *top k* to 1. In lecture 05 the LSTM ran into a circle. Will the transformer?

# %%
widgets.NextCharacterExplorer(shipped, manual, "The import statemen")

# %% [markdown]
# > **What to notice.** It does too. Greedy text soon says again what it said before: *the class instance of the class instance of the class*. Other prompts end in blanks or stars. So it is the rule that runs in circles, and not the LSTM. Set *top k* to all, and it stops.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
prompts = ("The import statemen", "The ", "If ")
greedy = [
    manual.decode(shipped.sample(1, 500, keep=lambda z: ar.top_k(z, 1), start=datasets.encode(prompt).long()[None])[0])
    for prompt in prompts
]
drawn = [manual.decode(text) for text in shipped.sample(4, 500, uniforms=torch.rand(4, 500, generator=torch.Generator().manual_seed(0)))]


def new(text):
    """The share of stretches of 12 characters that are met for the first time."""
    return len({text[i : i + 12] for i in range(len(text) - 12)}) / (len(text) - 12)


assert max(map(new, greedy)) < 0.6 < 0.75 < min(map(new, drawn))
assert "the class instance of the class instance of the class" in greedy[0].replace("\n", " ")
assert greedy[1].endswith(20 * "*") and greedy[2].endswith(20 * " ")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Where does it look?
#
# The weights $a_{ij}$ can be looked at. In the text below a phrase comes back. **Predict first.** To predict the letter after the second *va*, what should a head look at?

# %%
masked = checkpoints.load("masked_text")
play = widgets.TextAttentionExplorer({"GPT": shipped, "BERT": masked}, "the value of the dictionary; the val")
play

# %% [markdown]
# > **What to notice.** Most heads read the last few letters: 11 or more of the 16 put over 70 % of their weight on the five nearest. Of BERT's heads some read nearly only what follows, some nearly only what came before.
# > The answer is the *l* after the first *va*. A head that finds where the same letters stood before, and copies what came *after*, is an **induction head**. Ours has none: on letters at random, written twice, no head puts 5 % of its weight there, and they cost as much the second time as the first. Two layers can be enough for one (Olsson et al. 2022); ten minutes of this text were not.
# > Weights say what was read, not why. A head may be ignored by the layers above it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
maps = shipped.attention_maps(x_new := new_text.x.long()[: 40 * 128].view(40, 128))
i = torch.arange(5, 128)
nearest = sum(maps[..., i, i - k].mean((1, 3)) for k in range(5))  # (layers, heads)
assert (nearest > 0.7).sum() >= 11 and nearest.numel() == 16
random = torch.randint(33, 90, (50, 40))
twice = torch.cat([random, random], 1)
with torch.no_grad():
    first = -shipped.log_prob(random)
    again = -shipped.log_prob(twice) - first
assert abs((again - first).mean()) < 0.05 * first.mean()
j = torch.arange(42, 80)  # place j holds the symbol before it, so what came after the first time stands at j - 39
assert shipped.attention_maps(twice)[..., j, j - 39].mean((1, 3)).max() < 0.05
ahead = masked.attention_maps(x_new).triu(1).sum(-1)[..., 20:108].mean((1, 3))
behind = masked.attention_maps(x_new).tril(-1).sum(-1)[..., 20:108].mean((1, 3))
assert (ahead > 0.9).any() and (behind > 0.9).any() and (maps.triu(1) == 0).all()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Writing with a cache
#
# To write $n$ characters naively, all that is there is read again for each new one: $1+2+\dots+n$ places. But with a causal mask nothing that comes later changes the keys and values of earlier places. So keep them (the **KV cache**): each new character computes its own $q,k,v$, appends $k,v$, and looks at what is kept. Its position must go on counting.
#
# The table below has the memory, too: of the cache, and of all weights $a_{ij}$ of a pass if they were kept at once. Torch's own attention never keeps them.

# %%
show_source(tf.KVCache)
u = torch.rand(2, 60)
print(f"same text as the naive loop: {torch.equal(shipped.sample(2, 60, uniforms=u), shipped.sample_naive(2, 60, uniforms=u))}")  # test it

# %% tags=["nbval-ignore-output"]
rows = []
for length in (32, 64, 128):
    seconds = []
    for draw in (shipped.sample, shipped.sample_naive):
        draw(4, 8)
        started = time.thread_time()  # what other programs do meanwhile does not count
        draw(4, length)
        seconds.append(time.thread_time() - started)
    cache = sum(kept.bytes for kept in shipped.stack.new_cache(4, length))
    table_bytes = 4 * 4 * 4 * length**2 * 4  # float32, layers × texts × heads × n × n
    rows.append(
        {
            "characters": length,
            "cached (s)": round(seconds[0], 3),
            "naive (s)": round(seconds[1], 3),
            "times": round(seconds[1] / seconds[0], 1),
            "cache (kB)": cache // 1000,
            "weights aᵢⱼ (kB)": table_bytes // 1000,
        }
    )
table(rows)

# %% [markdown]
# **Predict first.** How long must a text be until attention costs more than all matrices together, at width 128?

# %%
widgets.CostExplorer()

# %% [markdown]
# > **What to notice.** The matrices cost $12Ld^2$ multiplications a place, attention $2Lnd$: equal at $n=6d$, 768 characters at width 128. Short texts are cheap to look at. At 16,384 places attention takes more than 20 times as much as the matrices.
# > With a cache, writing costs no more than reading once. Without, a thousand characters cost more than 400 times as much. The price is memory, which grows with the text and with every text that is written side by side.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
cost = widgets.CostExplorer()
cost.width.value = 128
matrices, looking = cost.products(768)
assert matrices == looking and cost.products(16_384)[1] > 20 * cost.products(16_384)[0]
cached = cost.writing(1024)
cost.cache.value = "without"
assert cost.writing(1024) > 400 * cached and cached < 1.01 * sum(cost.products(1024))
cost.close()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Pieces of words
#
# Characters make long texts. Words make an alphabet without end. In between: **byte-pair encoding** (BPE). Begin with characters. Join the pair of neighbours that is most frequent, and again, until there are as many symbols as you want. No piece goes from one word into the next. (GPT-2 begins with the 256 bytes instead of characters, so it can read any file.) Each symbol is one row of the table $E$.

# %%
show_source(tf.BPE.learn, open=False)
pieces_model = checkpoints.load("gpt_bpe")
bpe = pieces_model.bpe
sentence = "The import statement returns a dictionary of unknownish objects."
cut = bpe.encode(sentence)
print("|".join(bpe.pieces[i] for i in cut.tolist()))
print(f"{len(sentence)} characters, {len(cut)} symbols; read back: {bpe.decode(cut) == sentence}")  # test it
print("the first joined:", [bpe.pieces[96 + i] for i in range(12)], "… the last:", [p for p in bpe.pieces[-8:]])

# %%
widgets.NextCharacterExplorer(pieces_model, bpe, "The import state")

# %% [markdown]
# > **What to notice.** Frequent words are one symbol, space included; *unknownish* falls to pieces, and no word of our characters is unreadable. A context of 128 symbols now reaches more than twice as far. Nats a *symbol* cannot be compared between alphabets: bits a *character* can. (For pieces of words they are, strictly, a bound from above: the same text can be cut in other ways, and the probability of those is not counted.)

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert len(bpe.encode(" dictionary")) == len(bpe.encode(" statement")) == 1 and len(bpe.encode(" unknownish")) >= 3
assert bpe.decode(bpe.encode("Zyx; (wv) ~")) == "Zyx; (wv) ~"
assert pieces_model.record["numbers"]["characters_per_symbol"] > 2 and pieces_model.context == 128

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Encoder and decoder
#
# Translation has two texts. An **encoder** reads the source, without a causal mask: all of it is known. A **decoder** writes the target, causally, and in each block looks at the encoder's vectors too. In this **cross-attention** the queries come from the target, keys and values from the source. (A GPT is a decoder without a source: **decoder-only**.)
#
# $$p(y\mid x)=\prod_t p(y_t\mid y_{<t},x).$$
#
# Our source says what is wanted: `fr:ninety-two`, `en:quatre-vingt-douze`, `iso:March 5, 2024`. One model does all three.

# %%
show_source(tf.Translator.logits)
tasks = [
    "fr:ninety-two",
    "en:quatre-vingt-douze",
    "iso:March 5, 2024",
    "iso:5 March 2024",
    "iso:05/03/2024",
    "fr:one million",
    "iso:May 35, 2024",
]
for source, made in zip(tasks, translator.translate(tasks)):
    print(f"{source:>24} → {made}")

# %%
sample = [n for n in range(10_000) if held_out(n)][::10]
made = translator.translate([f"fr:{english(n)}" for n in sample])
right = [m == french(n) for m, n in zip(made, sample)]
print(f"held-out numbers, English to French: {sum(right)} of {len(right)} exact")
numbers = translator.record["numbers"]
table(
    [
        {"task": name, "exact on held-out texts": f"{numbers[task]:.1%}"}
        for name, task in {"English → French": "fr", "French → English": "en", "date → ISO": "iso"}.items()
    ]
)

# %% [markdown]
# > **What to notice.** It is exact on nearly all numbers that it never saw: a table of what it read would know none of them. Asked for *one million*, which is outside of all it knows, it answers all the same: it never says that it does not know. And the 35th of May is no day: it writes 2024-05-35.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert all(numbers[task] > 0.985 for task in ("fr", "en", "iso")) and sum(right) / len(right) > 0.95
million, may = translator.translate(["fr:one million", "iso:May 35, 2024"])
assert million and may == "2024-05-35"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Looking both ways: BERT
#
# Without a causal mask a model cannot be trained to predict the next symbol: it would see it. **BERT** hides some symbols behind a mask ▢ and predicts those from all others, left and right. The loss, the **masked cross-entropy**, is averaged over the hidden symbols, 15 % of all. (Of these, BERT replaces only eight in ten by ▢, one by a random symbol, and leaves one as it is: later texts have no ▢.) Ours has BERT's network, but was trained on every share from 0 to 1. Section 12 says why.

# %%
show_source(tf.MaskedLM.hidden_nats)
text = "The import statement finds a module."
x = datasets.encode(text).long()[None]
sides = []
for place in (0, 4, 27):
    hide = torch.zeros_like(x, dtype=torch.bool)
    hide[0, place] = True
    with torch.no_grad():
        p = masked.logits(x.masked_fill(hide, masked.mask))[0, place].softmax(0)
        left_only = shipped.logits(x)[0, place].softmax(0)
    sides.append((p[x[0, place]].item(), left_only[x[0, place]].item()))
    print(
        f"{text[:place]}▢{text[place + 1 :]}   BERT gives “{text[place]}” {p[x[0, place]]:.2f}, the GPT, from the left alone, {left_only[x[0, place]]:.2f}"
    )

# %% [markdown]
# > **What to notice.** The first letter of a word is hard to guess from the left alone. What follows it helps: each of the three letters gets over 20 points of probability more.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert len(sides) == 3 and all(both > left + 0.20 for both, left in sides)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Masked diffusion: BERT learns to write
#
# A model that fills gaps can write: begin with all hidden, fill in one place, then another, in any order. What is the likelihood of that?
#
# Let $\sigma$ be an order of the $n$ places, drawn at random. Filling in that order has $\log p(x\mid\sigma)=\sum_k\log p(x_{\sigma_k}\mid x_{\sigma_{<k}})$, and $p(x)=\mathbb E_\sigma\,p(x\mid\sigma)$. By Jensen $\log p(x)\ge\mathbb E_\sigma\log p(x\mid\sigma)$. While $m$ places are hidden, they are a random set of $m$, and the next one is any of them, each with probability $1/m$. So
#
# $$-\log p(x)\;\le\;\sum_{m=1}^{n}\frac1m\;\mathbb E_{\text{set of }m}\Big[\sum_{i\text{ hidden}}-\log p(x_i\mid\text{not hidden})\Big]\;=\;\int_0^1\frac1t\;\mathbb E_{\text{each hidden with prob. }t}\Big[\sum_{i\text{ hidden}}-\log p(x_i\mid\dots)\Big]dt.$$
#
# The second step: if each place is hidden with probability $t$, one given set of $m$ has the probability $t^m(1-t)^{n-m}$. Its weight is $\int_0^1t^{m-1}(1-t)^{n-m}\,dt=1\big/\big(m\tbinom nm\big)$. There are $\tbinom nm$ such sets: together $\frac1m$ of their mean.
#
# The right side is **masked diffusion**: the noise of lecture 06 becomes "hidden". Here $t$ is a time, from 0 (data) to 1 (all is hidden), and the share that is hidden. As about $tn$ places are, the integrand is $n$ times the masked cross-entropy at share $t$. So the bound is BERT's loss averaged over *all* shares. At 15 % alone it bounds nothing.

# %%
show_source(tf.MaskedLM.nats)
toy = tf.MaskedLM(3, width=16, layers=1, heads=2, context=4)
x = torch.randint(3, (1, 4))
with torch.no_grad():
    draws = torch.stack([-toy.elbo(x.expand(500, 4), 8) for _ in range(4)]).flatten()
    print(
        f"bound by enumeration of all 15 sets: {tf.exact_bound(toy, x).item():.3f} nats; by {len(draws)} draws: {draws.mean():.3f} ± {draws.std() / len(draws) ** 0.5:.3f}"
    )  # test it

# %% [markdown]
# **Predict first.** Fill all holes in *one* step. Each is drawn from its own distribution, given what was there at the start. What will the words look like?

# %%
widgets.MaskedTextExplorer(masked)

# %% [markdown]
# > **What to notice.** Count the words of three letters or more that stand in the manual. With a step for each hole they are a few, less than one in eight. In one step the letters do not know of each other, and there is hardly any. *Confident* fills the sure places first, and more of its words are known; but what it draws is no longer the mean over orders that the bound is about.
# > It is a weak writer: after as many minutes, over seven in ten words of the GPT are known. The masked model has more to learn, a prediction for every set of gaps. What it can do, and a GPT as we trained it cannot, is fill a gap with both sides given.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
vocabulary = set(manual.decode(manual.x).split())


def known(texts):
    """The share of words of more than two letters that stand in the manual."""
    found = [word in vocabulary for text in texts for word in manual.decode(text).split() if len(word) > 2]
    return sum(found) / len(found)


training.seed_everything(0)
slow, quick, sure = (masked.sample(10, 96, **how) for how in ({}, {"steps": 1}, {"order": "confident"}))
assert known(quick) < 0.03 < known(slow) < 1 / 8 and known(sure) > known(slow) + 0.02
assert known(shipped.sample(10, 96)) > 0.7 and known(sure) < 0.3

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · Pictures are sentences
#
# **ViT**: cut a picture into patches, make each a vector, add a learned position, put a learned **summary** vector in front (the **class token**), and let a stack without a mask read it. The class is read off the summary. No convolution: that neighbours belong together has to be learned.

# %%
vit = checkpoints.load("vit")
show_source(tf.ViT.logits)
widgets.PatchAttentionExplorer(vit, unseen.x[::25])

# %% [markdown]
# > **What to notice.** Move *query*: the learned vectors of neighbouring patches are more alike than those two steps apart, though nobody said which are neighbours. The corners and the border are alike too, even from one end to the other: with fewer than 2 % of its patches on a stroke, the border has little to be told apart by. Move *layer* and *head*: in layer 4 the heads 3 and 4 put about nine tenths of the summary's weight on the strokes, which fill less than a quarter of the patches; head 2 of layer 2 hardly prefers them.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
places = vit.stack.learned[1:].detach()
alike = torch.cosine_similarity(places[:, None], places[None], dim=2)
row, column = torch.arange(49) // 7, torch.arange(49) % 7
distance = (row[:, None] - row).abs() + (column[:, None] - column).abs()
border = (row % 6 == 0) | (column % 6 == 0)
assert alike[distance == 1].mean() > alike[distance == 2].mean() + 0.2
assert alike[border][:, border].mean() > alike[border][:, ~border].mean() + 0.4 and alike[distance > 10].mean() > 0.6
several = unseen.x[::10].float() / 255
inked = F.avg_pool2d(several, 4).flatten(1) > 0.25
assert inked[:, border].float().mean() < 0.02
summary = vit.attention_maps(several)[:, :, :, 0, 1:]  # (layers, pictures, heads, patches)
on_strokes = ((summary * inked[None, :, None]).sum(-1) / summary.sum(-1)).mean(1)
assert (
    inked.float().mean() < 0.25 and on_strokes[4 - 1, 3 - 1] > 0.85 and on_strokes[4 - 1, 4 - 1] > 0.85 and on_strokes[2 - 1, 2 - 1] < 0.35
)

# %% [markdown]
# **Image GPT** draws: pixels as a text, in reading order. 784 symbols of one bit are long, so ours takes 2 × 4 black-or-white pixels as one symbol of $2^8$: nothing is lost, and $\log p$ is still that of the 784 pixels. What is written can be gone on with, so a picture can be too: give the upper half, and let it write the lower one.
#
# **Predict first.** Which of the four upper halves below leaves the model in doubt about the digit?

# %%
show_source(tf.patches)
image_gpt = checkpoints.load("image_gpt")
halves = datasets.binarise(unseen.x[[5, 105, 205, 405]], generator=torch.Generator().manual_seed(0)).long()
words = image_gpt.words(halves)
print(
    f"{halves[0].numel()} pixels of 2 values are {words.shape[1]} symbols of {image_gpt.gpt.symbols}; "
    f"back again: {torch.equal(tf.from_patches(words, (1, 28, 28), (2, 4), 2), halves)}"
)  # test it
training.seed_everything(0)
gone_on = torch.stack([image_gpt.sample(40, given=half[None, :, :14]) for half in halves])
show_images(torch.cat([halves[:, None], gone_on[:, :9]], 1).flatten(0, 1).float(), columns=10)

# %% [markdown]
# > **What to notice.** On the left the digit itself; beside it, nine pictures with its upper half and a lower half by the model. The 1 stays a 1 in all 40 draws, as the digit network of lecture 07 reads them. The 4 becomes a 4 or a 0, each in more than a quarter of the draws: two strokes side by side can end either way. A model that samples shows its doubt; one that fills in the likeliest pixels would hide it.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
read = [torch.bincount(metrics.predicted_digits(many.float()), minlength=10) for many in gone_on]
assert (gone_on[:, :, :, :14] == halves[:, None, :, :14]).all()  # what was given stays
assert read[1][1] == 40 and read[3][4] > 40 / 4 and read[3][0] > 40 / 4 and read[3][0] + read[3][4] > 35


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · Break it: a model that looks ahead
#
# Forget the mask. Nothing fails: no error, no NaN. The loss is wonderful.

# %%
class Cheat(tf.GPT):
    def logits(self, x):
        return self.head(self.stack(self.embed(self.before(x)), causal=False))


training.seed_everything(0)
cheat = trained(Cheat(**SMALL))
training.seed_everything(2)
table(
    [
        {
            "model": "with the mask",
            "bits a character, as reported": round(bits(asking), 2),
            "it writes": manual.decode(asking.sample(1, 60)[0]).replace("\n", "↵"),
        },
        {
            "model": "without",
            "bits a character, as reported": round(bits(cheat), 2),
            "it writes": manual.decode(cheat.sample(1, 60)[0]).replace("\n", "↵"),
        },
    ]
)

# %% [markdown]
# > **What to notice.** After as many steps the cheat reports less than a fifth of the honest model's bits. It copies the next input, which is not there when it writes: with the mask back on, its weights are worse than the honest ones. **Change a later symbol, and no earlier prediction may move**: that test finds it, the loss does not.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
assert bits(cheat) < bits(asking) / 5
with torch.no_grad():
    later = new_pieces.clone()
    later[:, 40:] = 0
    moved = (
        (cheat.logits(new_pieces)[:, :40] != cheat.logits(later)[:, :40]).any(),
        (asking.logits(new_pieces)[:, :40] != asking.logits(later)[:, :40]).any(),
    )
    honest = tf.GPT(**SMALL)
    honest.load_state_dict(cheat.state_dict())  # its weights with the mask: what it knows without its neighbour's answer
assert moved == (True, False) and bits(honest) > bits(asking)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Numbers
#
# Python's manual, its test split, in pieces of 128 symbols that each begin with nothing. A piece of the GPT on pieces of words has more than twice as many characters, so it reads more of what came before. The transformers have 0.8 to 0.9 million weights, the LSTM 0.6; training times are those of one core. ± is the standard error of a mean over pieces. A bound stands in a column of its own. (The bound comes closer with far more training: on *text8* Shi et al. (2024) report 1.37 bits for masked diffusion, Austin et al. (2021) 1.23 for a transformer that reads from left to right.)

# %%
x = new_text.x.long()[: len(new_text) // 128 * 128].view(-1, 128)
lstm = checkpoints.load("char_lstm")
rows = [{"model": "5-gram (counts)", "bits a character": f"{counted(5, x, strength=20):.2f}", "a bound": "", "minutes": "0"}]
rows.append(
    {"model": "LSTM of lecture 05", "bits a character": f"{bits(lstm, x):.2f}", "a bound": "", "minutes": f"{lstm.record['minutes']:.0f}"}
)
for name, what in {"gpt": "GPT", "gpt_bpe": "GPT on pieces of words", "masked_text": "masked diffusion"}.items():
    entry = checkpoints.record(name)
    told = f"{entry['numbers']['bits_per_character']:.2f} ± {entry['numbers']['bits_per_character_error']:.2f}"
    exact = name != "masked_text"
    rows.append(
        {"model": what, "bits a character": told if exact else "", "a bound": "" if exact else told, "minutes": f"{entry['minutes']:.0f}"}
    )
table(rows)

# %%
entry = checkpoints.record("gpt_shakespeare")
table(
    [
        {
            "model": "GPT, 4 layers of width 128, context 128, tiny Shakespeare",
            "test": f"{entry['numbers']['nats_per_character']:.3f} nats a character",
            "budget": f"{entry['minutes']:.1f} min of one core",
        },
        {
            "model": "nanoGPT's CPU setting (its README): the same text, layers and width, context 64",
            "test": "1.88 nats a character",
            "budget": "about 3 min of a laptop",
        },
        {
            "model": "ViT, 4 × 4 patches, MNIST",
            "test": f"{checkpoints.record('vit')['numbers']['accuracy']:.1%} right",
            "budget": f"{checkpoints.record('vit')['minutes']:.0f} min of one core",
        },
        {
            "model": "image GPT, 2 × 4 patches, 0.84 M weights, binarised MNIST",
            "test": "{nll:.1f} ± {nll_error:.1f} nats an image".format(**checkpoints.record("image_gpt")["numbers"]),
            "budget": f"{checkpoints.record('image_gpt')['minutes']:.0f} min of one core: 1.4 times through the training images",
        },
        {
            "model": "image GPT of pytorch-generative (its README), 0.40 M weights, binarised MNIST",
            "test": "79.17 nats an image",
            "budget": "457 times through the training images",
        },
    ]
)

# %% [markdown]
# > **What to notice.** In as many minutes the GPT gets ahead of the LSTM. The error alone would not show it, for some pieces are hard for both; compared piece by piece, the GPT is better on more than two thirds. Both are ahead of counting. Pieces of words change nothing that the errors could show. The masked model's number is a bound, so it says "at most"; it has to know every order, not one. Its masked cross-entropy at a share of 15 % is smaller, 2.3 bits a hidden character, and measures something else. The image GPT is 4.5 nats behind a published one that saw every picture more than three hundred times as often.

# %% slideshow={"slide_type": "skip"} tags=["claim"]
with torch.no_grad():
    saved = (shipped.log_prob(x) - lstm.log_prob(x)) / 128 / math.log(2)
assert saved.mean() > 0.05 and saved.mean() > 5 * saved.std() / len(saved) ** 0.5 and (saved > 0).float().mean() > 2 / 3
assert float(rows[0]["bits a character"]) > float(rows[1]["bits a character"]) > bits(shipped, x)
records = {name: checkpoints.record(name) for name in ("gpt", "gpt_bpe", "masked_text", "char_lstm")}
assert all(8 < entry["minutes"] < 12.5 for entry in records.values())
assert records["masked_text"]["numbers"]["bits_per_character"] > records["gpt"]["numbers"]["bits_per_character"] + 0.2
assert checkpoints.record("gpt_shakespeare")["numbers"]["nats_per_character"] < 1.88
entry = checkpoints.record("image_gpt")
assert round(entry["numbers"]["nll"] - 79.17, 1) == 4.5 and round(entry["steps"] * 16 / 59_000, 1) == 1.4 and 457 / 1.4 > 300
assert round(records["masked_text"]["numbers"]["masked_cross_entropy"] / math.log(2), 1) == 2.3  # at a share of 0.15
gpt, words = (records[name]["numbers"] for name in ("gpt", "gpt_bpe"))
assert abs(gpt["bits_per_character"] - words["bits_per_character"]) < words["bits_per_character_error"]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16 · A larger one
#
# The smallest GPT-2 is the same stack with learned positions: 12 layers of width 768, a context of 1,024, 124 million weights, BPE of 50,257 symbols. On Colab, with `transformers`, it is a download away. Without a network our own model goes on writing.

# %% tags=["nbval-ignore-output"]
prompt = "Once upon a time, a student trained a transformer. "
if "COLAB_RELEASE_TAG" in os.environ:
    from transformers import pipeline

    write = pipeline("text-generation", "gpt2")
    print(write(prompt, max_new_tokens=80, do_sample=True)[0]["generated_text"])
else:
    print("No download here, so the GPT of this lecture writes, which has read Python's manual and nothing else:\n")
    training.seed_everything(3)
    print(manual.decode(shipped.sample(1, 300, temperature=0.7, start=datasets.encode(prompt).long()[None])[0]))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17 · Check yourself
#
# <details><summary><b>1.</b> You mask by setting weights to 0 after the softmax. What goes wrong?</summary>
#
# The rows no longer sum to 1, and the forbidden scores still shape the others through the denominator: the future leaks. Set scores to −∞ before the softmax.
# </details>
#
# <details><summary><b>2.</b> Does a model with twice the heads and the same width have more weights?</summary>
#
# No. The heads share the width: each gets half as many numbers. <i>Not</i> "twice": W<sub>q</sub>, W<sub>k</sub>, W<sub>v</sub>, W<sub>o</sub> stay d × d.
# </details>
#
# <details><summary><b>3.</b> With a cache, the first character is right and all that follow are odd. What do you look at?</summary>
#
# Positions that restart at 0 for every new character. Compare the cached logits with those of the full pass at each step.
# </details>
#
# <details><summary><b>4.</b> A causal stack without positions: does it know the order?</summary>
#
# Partly. The mask gives each place another number of inputs, so something of the order gets in. Without a mask it knows none. <i>Not</i> "no": only the unmasked one is equivariant to every shuffle.
# </details>
#
# <details><summary><b>5.</b> A BERT has 0.9 nats a hidden character at 15 %, a GPT 1.3 nats a character. Is BERT the better model of text?</summary>
#
# That cannot be said. BERT sees 85 % of the text, both sides of each gap. Only the bound, averaged over all shares, may stand beside the GPT's likelihood.
# </details>
#
# <details><summary><b>6.</b> Model A has 2.9 nats a symbol with BPE, model B 1.3 nats a character. Which is better?</summary>
#
# Divide by the characters of a symbol: with 2.5 of them A has 1.16 nats a character, and is better here.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18 · Summary, and when things go wrong
#
# - Attention is a soft look-up: a weighted mean of values, the weights from products of queries and keys.
# - One block, stacked: look around, then think, each added to the stream. A mask makes it a language model; a memory makes it a translator; hiding symbols makes it BERT; hiding every share makes BERT a diffusion, and the weight 1/t makes its loss a bound.
# - Order comes from positions; a causal mask tells only a little of it. Rotary ones know distances.
# - With a cache a new symbol reads itself and looks back, instead of reading all again. It costs memory. Attention costs $n^2$, the matrices $n$.
#
# | you see | look at | cure |
# |---|---|---|
# | a loss too good to be true | change a later symbol: does an earlier logit move? | mask before the softmax, shift the input |
# | loss stuck near log(symbols) | scores of ± 30; the rate | divide by √d; warm-up; smaller rate |
# | loss stuck where counting single symbols is | sinusoids of size 1 beside embeddings of size 0.02 | embeddings times √d, as in the paper of 2017; or rotary |
# | NaN in the first row | a row of the mask with nothing to see | let each place see itself |
# | cached text differs | positions, order of append | count on; append before you look |
# | spikes in the loss | late in training, large rate | clip gradients at 1, cosine to 0, pre-norm |
# | train far below test | small text, many passes | dropout, fewer weights, more text |
# | out of memory | n × n weights; the cache | `scaled_dot_product_attention`; smaller batch; shorter context |
# | the text runs in circles | temperature 0, top-k 1 | nucleus 0.9 |
#
# **Cost** of $L$ layers of width $d$ and $n$ symbols. $12Ld^2$ multiplications a symbol and $2Ldn$ for looking back; training is three times that. Memory of a cache: $2Ldn$ numbers a text.
# **Several GPUs**: `accelerate launch -m course_lib train gpt_shakespeare --preset gpu`.
#
# **Care.** A fluent text is not a true one: our translator answers every question, right or wrong, in the same voice. Language models repeat what they read, private lines and prejudice included, and are used to write in other people's names. Say when a text was written by a model.
#
# **Now you**: [exercise 09](../exercises/09_transformers/09_transformers.ipynb), 20 points.
#
# **Read on.** Bahdanau et al., attention before transformers (arXiv:1409.0473) · Vaswani et al., *Attention Is All You Need* (arXiv:1706.03762) · Radford et al., GPT (2018) and GPT-2 (2019) · Devlin et al., BERT (arXiv:1810.04805) ·
# Su et al., RoPE (arXiv:2104.09864) · Xiong et al., *On Layer Normalization in the Transformer Architecture* (arXiv:2002.04745) · Press & Wolf, weight tying (arXiv:1608.05859) · Sennrich et al., BPE (arXiv:1508.07909) · Elhage et al., *A Mathematical Framework for Transformer Circuits* (2021) and Olsson et al., *In-context Learning and Induction Heads* (arXiv:2209.11895) ·
# Chen et al., iGPT (2020) · Dosovitskiy et al., ViT (arXiv:2010.11929) · Austin et al., D3PM (arXiv:2107.03006) · Hoogeboom et al., *Autoregressive Diffusion Models*, the bound by random orders (arXiv:2110.02037) · Sahoo et al. (arXiv:2406.07524) and Shi et al. (arXiv:2406.04329), masked diffusion · Dao et al., FlashAttention (arXiv:2205.14135)
