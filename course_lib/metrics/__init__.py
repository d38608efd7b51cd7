"""Scores of trained models, of their samples and of their latent spaces.

`likelihood` on one scale; of features: `gaussians` (FID), `kernels` (KID, MMD), `coverage` (precision, recall, memorisation), `transport`
(Wasserstein, Sinkhorn), `two_samples` (a classifier's answer, error bars), `scores` (IS); `digits`, `faces` and `inception` the networks
that give the features, `judges` what the first two share; `factors` of a latent space, `detection` of anomalies; `leaderboard` every
family on the same digits.
"""

from .arrays import Score  # noqa: F401
from .coverage import (  # noqa: F401
    DensityCoverage,
    Memorisation,
    NeighbourScores,
    PrecisionRecall,
    density_coverage,
    exact_copies,
    memorisation,
    nearest_distances,
    neighbour_scores,
    neighbour_scores_fast,
    precision_recall,
)
from .detection import auroc, linear_probe, roc_curve  # noqa: F401
from .digits import (  # noqa: F401
    DigitNetwork,
    class_accuracy,
    class_shares,
    digit_features,
    digit_fid,
    digit_kid,
    digit_network,
    digit_probabilities,
    draw,
    predicted_digits,
)
from .faces import (  # noqa: F401
    FaceNetwork,
    face_features,
    face_fid,
    face_kid,
    face_network,
    face_probabilities,
    factor_accuracy,
    missing_pairs,
    predicted_attributes,
    predicted_factors,
)
from .factors import DCI, dci, disentanglement, factor_vae_score, mig, mutual_information_matrix, sap  # noqa: F401
from .gaussians import Moments, frechet_distance, gaussian_distance, moments  # noqa: F401
from .inception import inception_features  # noqa: F401
from .kernels import cubic_kernel, gaussian_kernel, kid, kid_fast, mmd  # noqa: F401
from .likelihood import GreyLevels, bits_per_dim, importance_sampled, levels_log_prob, nats_to_bits, perplexity  # noqa: F401
from .recipes import RECIPES  # noqa: F401
from .scores import inception_score  # noqa: F401
from .transport import Plan, sinkhorn, sliced_wasserstein, transport_plan_1d, wasserstein_1d  # noqa: F401
from .two_samples import c2st, jackknife_error, kid_error  # noqa: F401
