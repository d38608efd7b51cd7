"""The registry of every explorer of the course, with how to make one, and what holds for all of them.

`test_widgets.py` runs the checks. The makers stand beside the tests of what is special about their explorers.
"""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import ipywidgets as widgets
import numpy as np
import test_autoencoders_widgets as autoencoders
import test_autoregressive_widgets as autoregressive
import test_diffusion_widgets_images as diffusion_images
import test_diffusion_widgets_points as diffusion_points
import test_energy_based_widgets as energy_based
import test_faces_widgets as faces
import test_flows_widgets as flows
import test_gans_widgets_games as gans_games
import test_gans_widgets_images as gans_images
import test_latent_spaces_widgets as latent_spaces
import test_metrics_widgets as metrics
import test_start_here_widgets as start_here
import test_transformers_widgets as transformers
import torch
from PIL import Image
from views import told, values_of

from course_lib.widgets import WIDE


@dataclass(frozen=True)
class Made:
    """How to make an explorer for the checks, and what is special about it.

    make: gives one
    figure: of how many characters its static figure may be: notebooks hold several of them in 1.5 MB
    wide: of how many pixels a panel may be; what fits beside or below its controls when left out
    longest: of how many characters the name of a control may be
    numbers: whether the words of every picture hold at least one
    without: names of controls that need not redraw
    prepare: called with the explorer before its controls are moved
    corners: whether all controls are sliders, which can stand at any of their ends together
    """

    make: Callable[[], Any]
    figure: int = 250_000
    wide: int | None = None
    longest: int = 12
    numbers: bool = True
    without: tuple[str, ...] = ()
    prepare: Callable[[Any], None] | None = None
    corners: bool = False

    @cached_property
    def explorer(self) -> Any:
        """One for all checks: making it is what takes long."""
        return self.make()


# topic-Explorer, or topic-Explorer-variant
EVERY = {
    "start_here-KLExplorer": Made(start_here.KLExplorer, 120_000, wide=620, corners=True),
    "start_here-TableExplorer": Made(start_here.TableExplorer, 120_000, corners=True),
    "start_here-JensenExplorer": Made(start_here.JensenExplorer, 120_000, corners=True),
    "start_here-LikelihoodExplorer": Made(start_here.likelihood, 120_000, corners=True),
    "start_here-FamilyChooser": Made(start_here.FamilyChooser, 120_000, wide=620, corners=True),
    "latent_spaces-JointTableExplorer": Made(latent_spaces.joint),
    "latent_spaces-ComponentExplorer": Made(latent_spaces.component),
    "latent_spaces-RandomExplorer": Made(latent_spaces.random_images),
    "latent_spaces-InterpolationExplorer": Made(latent_spaces.interpolation, wide=800),
    "latent_spaces-TopicExplorer": Made(latent_spaces.topic),
    "latent_spaces-MissingExplorer": Made(latent_spaces.missing, longest=15),  # "training images"
    "autoencoders-LatentExplorer": Made(autoencoders.latent, 200_000, numbers=False),
    "autoencoders-BetaExplorer": Made(autoencoders.beta, 200_000, numbers=False),
    "autoencoders-BottleneckExplorer": Made(autoencoders.bottleneck, 200_000, numbers=False),
    "autoencoders-LatentMap": Made(autoencoders.latent_map, 200_000, numbers=False),
    "autoencoders-NoiseExplorer": Made(autoencoders.noise, 200_000, numbers=False),
    "autoencoders-AnomalyExplorer": Made(autoencoders.anomaly, 200_000, numbers=False),
    "autoencoders-AnnealingPlayback": Made(autoencoders.annealing, 200_000, numbers=False),
    "autoencoders-DebiasingExplorer": Made(autoencoders.debiasing, 200_000, numbers=False, without=("smoothing α",)),
    "gans-OptimalExplorer": Made(gans_games.OptimalExplorer, 200_000),
    "gans-GameExplorer": Made(gans_games.GameExplorer, 200_000),
    "gans-TrainingMovie": Made(gans_games.movie, 200_000),
    "gans-CollapseLab": Made(gans_games.lab, 200_000),
    "gans-LiveGAN": Made(gans_games.live, 200_000),
    "gans-ConditionalExplorer": Made(gans_images.conditional, 200_000),
    "gans-StyleExplorer": Made(gans_images.style, 200_000),
    "gans-ArithmeticExplorer": Made(gans_images.arithmetic, 200_000, wide=800),
    "gans-ArithmeticExplorer-unread": Made(partial(gans_images.arithmetic, None), 200_000, wide=800),
    "gans-TranslationExplorer": Made(gans_images.translation, 200_000),
    "gans-TranslationExplorer-small": Made(gans_images.small, 200_000),
    "flows-ChangeOfVariablesExplorer": Made(flows.ChangeOfVariablesExplorer),
    "flows-LayerExplorer": Made(flows.layered),
    "flows-TemperatureExplorer": Made(flows.warm, wide=510),
    "flows-CounterfactualExplorer": Made(flows.counterfactual, wide=WIDE),
    "flows-TrajectoryExplorer": Made(flows.carried),
    "flows-InversionExplorer": Made(flows.InversionExplorer),
    "autoregressive-DrawingExplorer": Made(autoregressive.drawing),
    "autoregressive-ReceptiveFieldExplorer": Made(autoregressive.ReceptiveFieldExplorer),
    "autoregressive-ColourExplorer": Made(autoregressive.colours, wide=WIDE),
    "autoregressive-CompletionExplorer": Made(autoregressive.completion, wide=WIDE, prepare=autoregressive.draw_when_moved),
    "autoregressive-NextPixelExplorer": Made(autoregressive.grey),
    "words-NextCharacterExplorer": Made(autoregressive.characters, without=("prompt",)),  # a text has no ends, but its own tests
    "autoregressive-DilationExplorer": Made(autoregressive.DilationExplorer),
    "autoregressive-ClassExplorer": Made(autoregressive.classes),
    "diffusion-DDIMExplorer": Made(diffusion_images.ddim),
    "diffusion-GuidanceExplorer": Made(diffusion_images.guidance),
    "diffusion-InpaintExplorer": Made(diffusion_images.painting, prepare=diffusion_images.fill_when_moved),
    "diffusion-EditExplorer": Made(diffusion_images.editing),
    "diffusion-NoiseExplorer": Made(diffusion_points.noisy),
    "diffusion-ScoreExplorer": Made(diffusion_points.ScoreExplorer),
    "diffusion-ReverseExplorer": Made(diffusion_points.reversed_),
    "diffusion-TrajectoryExplorer": Made(diffusion_points.followed),
    "metrics-CorruptionExplorer": Made(metrics.corruption, 320_000),
    "metrics-SampleSizeExplorer": Made(metrics.sizes, 320_000),
    "metrics-FeatureExplorer": Made(metrics.features, 320_000),
    "metrics-CoverageExplorer": Made(metrics.CoverageExplorer, 320_000),
    "metrics-WithheldExplorer": Made(metrics.withheld, 320_000, wide=WIDE),
    "metrics-TransportExplorer": Made(metrics.TransportExplorer, 320_000),
    "metrics-LikelihoodExplorer": Made(metrics.LikelihoodExplorer, 320_000),
    "metrics-LeaderboardExplorer": Made(metrics.ranked, 300_000, wide=WIDE),
    "energy_based-ChainExplorer": Made(energy_based.short, wide=WIDE),
    "energy_based-CompositionExplorer": Made(energy_based.CompositionExplorer, wide=WIDE),
    "energy_based-GibbsExplorer": Made(energy_based.sampled, wide=WIDE),
    "energy_based-IsingExplorer": Made(energy_based.IsingExplorer, wide=WIDE),
    "energy_based-ImportanceExplorer": Made(energy_based.ImportanceExplorer, wide=WIDE),
    "faces-FaceEditor": Made(faces.editor),
    "faces-WordsExplorer": Made(faces.of_words, wide=WIDE),
    "faces-WordsExplorer-guided": Made(faces.guided, wide=WIDE),
    "energy_based-PartitionExplorer": Made(energy_based.partition, wide=WIDE),
    "transformers-MaskExplorer": Made(transformers.MaskExplorer),
    "transformers-PositionExplorer": Made(transformers.PositionExplorer, corners=True),
    "transformers-TextAttentionExplorer": Made(transformers.looking, wide=WIDE, without=("text",)),
    "transformers-PatchAttentionExplorer": Made(transformers.patched, wide=WIDE),
    "transformers-TranslationExplorer": Made(transformers.translating, wide=WIDE, without=("type",)),
    "transformers-MaskedTextExplorer": Made(transformers.writing, wide=WIDE, without=("text",)),
    "transformers-CostExplorer": Made(transformers.CostExplorer, wide=WIDE),
    "words-NextCharacterExplorer-gpt": Made(transformers.characters_of_a_gpt, without=("prompt",)),
}
TOPICS = sorted({name.split("-")[0] for name in EVERY} - {"words"})  # that is shared by two


# --- what holds for every explorer


def check_that_every_control_redraws(explorer, without: tuple[str, ...] = ()) -> None:
    """Each of its values, and the way back to the first, gives another picture: other words about the same one do not count.

    None of them takes random numbers of the lecture's: its seed holds while a reader plays.
    """
    movable = [c for c in explorer.controls if c.has_trait("value") and not isinstance(c, widgets.Play) and c.description not in without]
    moved = [c for c in movable if len(values_of(c)) > 1]
    assert moved
    lectures = torch.get_rng_state()
    for control in moved:
        values, views = values_of(control), []
        for value in [*values, control.value]:
            before, still = explorer.view.value, value == control.value
            control.value = value
            assert still or explorer.view.value != before, f"{control.description} = {value} changes nothing"
            assert 'role="alert"' not in explorer.view.value, (control.description, value, explorer.view.value)
            assert explorer.milliseconds > 0
            views.append(re.sub(r'(alt|aria-label)="[^"]*"', "", explorer.view.value))
        assert len(set(views[:-1])) == len(values), f"{control.description} shows the same at two values"
    assert torch.equal(torch.get_rng_state(), lectures), "random numbers of the lecture are gone"


def check_every_corner(explorer) -> None:
    """All controls are sliders, and can stand at any of their ends together."""
    controls, before = explorer.controls, [control.value for control in explorer.controls]
    assert all(isinstance(control, widgets.FloatSlider | widgets.IntSlider | widgets.SelectionSlider) for control in controls)

    def put(values) -> None:
        with explorer.held():
            for control, value in zip(controls, values, strict=True):
                control.value = value

    ends = [values_of(control) for control in controls]
    for corner in range(2 ** len(ends)):
        put(each[-1] if corner >> i & 1 else each[0] for i, each in enumerate(ends))
        assert 'role="alert"' not in explorer.view.value, explorer.settings()
        assert "nan" not in explorer.view.value and "inf" not in told(explorer)
    put(before)


def check_the_names_of_controls(explorer, longest: int = 12) -> None:
    """Each has one that fits into the 90 pixels beside it; sliders say their value, and move the picture while they are dragged."""

    def within(widget):
        return [c for child in widget.children for c in within(child)] if isinstance(widget, widgets.Box) else [widget]

    for control in (c for outer in explorer.controls for c in within(outer) if not isinstance(c, widgets.HTML | widgets.Play)):
        assert control.description
        assert isinstance(control, widgets.Button) or len(control.description) <= longest, control.description
        assert getattr(control, "readout", True)
        assert getattr(control, "continuous_update", True)


def check_the_words_of_pictures(explorer, numbers: bool = True) -> None:
    """A reader who cannot see a picture is told what it shows, with at least one number unless `numbers` is False."""
    tags = re.findall(r"<(?:img|svg)[^>]*>", explorer.view.value)
    assert tags
    for tag in tags:
        alt = re.search(r'(?:alt|aria-label)="([^"]*)"', tag)
        assert alt and len(alt[1]) > 10, tag[:80]
        assert re.search(r"\d", alt[1]) or not numbers, alt[1]


def check_the_static_figure(explorer, at_most: int) -> None:
    """Without a kernel there is a picture, of at most so many characters."""
    data, metadata = explorer._repr_mimebundle_()
    page = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert 400 < page.width <= 1.25 * 990 and page.height > 200
    assert np.asarray(page.convert("L")).std() > 5, "an empty page"
    assert len(data["image/png"]) < at_most
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert data["text/plain"].startswith(type(explorer).__name__)


def check_the_width(explorer, wide: int | None) -> None:
    """No panel is wider than what is left beside a column of more than three controls, or below a row of them."""
    wide = wide or (470 if len(explorer.controls) > 3 else WIDE)
    shown = [int(width) for width in re.findall(r'<(?:img|svg)[^>]* width="(\d+)"', explorer.view.value)]
    assert max([*shown, *(panel.size[0] for row in explorer.panels() for panel in row)]) <= wide
