"""Explorers of faces: one is edited, others are asked for in words."""

import pytest
import torch

from course_lib import checkpoints, training
from course_lib.datasets import faces, to_float
from course_lib.diffusion import ImageDiffusion
from course_lib.gans import GAN
from course_lib.widgets.faces import EDITED, FaceEditor, WordsExplorer


def editor():
    return FaceEditor(checkpoints.shipped("vae_faces"))


def gan():
    training.seed_everything(0)
    return GAN(shape=(3, 16, 16), latents=8, width=8, classes=faces.KINDS, projection=True, norm="none").eval()


def of_words():
    return WordsExplorer(gan(), n=8)


def guided():
    training.seed_everything(0)
    model = ImageDiffusion(shape=(3, 16, 16), width=8, multiples=(1, 2), classes=faces.KINDS).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return WordsExplorer(model, guided=True, n=4, steps=2)


def test_each_slider_draws_its_factor():
    explorer = editor()
    for name, control in explorer.sliders.items():
        before, seen = explorer.y, explorer.view.value
        control.value = control.options[(control.options.index(control.value) + len(control.options) // 2) % len(control.options)]
        changed = (explorer.y != before).nonzero()[:, 0].tolist()
        assert changed == [list(faces.FACTORS).index(name)] and explorer.view.value != seen
    assert set(explorer.sliders) == set(EDITED)


class Forgetful(torch.nn.Module):
    """Puts every face back without its glasses."""

    shape, config = (3, 16, 16), {"latents": 17}

    def encode(self, x):
        return x.flatten(1)

    def decode(self, z):
        bare = to_float(faces.draw(faces.change(self.y[None], glasses="none")))
        return bare.expand(len(z), -1, -1, -1)


def test_words_that_were_lost_are_named():
    model = Forgetful()
    model.y = faces.row({"hair": "long", "hair_colour": "red", "glasses": "dark"})
    explorer = FaceEditor(model, {"hair": "long", "hair_colour": "red", "glasses": "dark"})
    assert "Lost on the way: glasses." in explorer.view.value and "dark glasses" in explorer.view.value
    explorer.sliders["glasses"].value = "none"
    assert "Every word that can be seen is still read." in explorer.view.value


def test_what_cannot_be_edited_is_refused():
    with pytest.raises(ValueError, match=r"must draw faces, \(3, 16, 16\), not \(1, 28, 28\)"):
        FaceEditor(checkpoints.shipped("vae_2d"))
    with pytest.raises(ValueError, match="GAN is told no words"):
        WordsExplorer(GAN(shape=(3, 16, 16), latents=2, width=8))


@pytest.mark.parametrize("make", [of_words, guided])
def test_the_model_is_told_what_the_menus_say_and_no_more(make):
    explorer, heard = make(), []
    sample = explorer.model.sample
    explorer.model.sample = lambda n, *, y, **options: heard.append((y, options)) or sample(n, y=y, **options)
    explorer.menus["glasses"].value = "dark"
    y, options = heard[-1]
    said = {name: faces.ATTRIBUTES[name][int(i)] for name, i in zip(faces.ATTRIBUTES, y[0]) if i >= 0}
    asked = {"mouth": "happy", "hair": "long", "hair_colour": "red", "glasses": "dark"}
    assert asked.items() <= said.items() and (said == asked) == explorer.guided
    if explorer.guided:
        assert options["guidance"] == 2.0
        explorer.guidance.value = 5.0
        assert heard[-1][1]["guidance"] == 5.0
    else:  # the rest as in test faces
        assert torch.equal(y[:, 0], faces.attributes(faces.load("test").y[:8])[:, 0])
    times = len(heard)
    explorer.menus["glasses"].value = "any"
    explorer.menus["glasses"].value = "dark"
    assert len(heard) <= times + 1  # what was drawn once is kept


def test_a_pair_that_training_never_held_is_named():
    explorer = of_words()
    assert "No training face" not in explorer.view.value
    with explorer.held():
        explorer.menus["hair_colour"].value, explorer.menus["glasses"].value = "blue", "dark"
    assert "No training face has both blue hair and dark glasses." in explorer.view.value
    with explorer.held():
        for control in explorer.menus.values():
            control.value = "any"
    assert "Nothing is asked for: 8 faces of any kind." in explorer.view.value
