"""The inception score: are samples recognised, and are all classes among them?"""

import torch

from .arrays import Array, Score, as_tensor


def inception_score(probabilities: Array, splits: int = 10, seed: int = 0) -> Score:
    """exp E KL(p(y | x) ‖ p(y)): 1 when every sample gets the same answer, the number of classes at best. It never sees real data.

    Args:
        probabilities: (n, classes) that a classifier gives each sample; rows sum to 1
        splits: parts that are scored apart; p(y) is that of the part, so small parts score too low
        seed: shuffles first, for samples often come class by class

    Returns:
        the mean over parts; `error` is the standard deviation over them

    Raises:
        ValueError: rows are no distributions, or fewer rows than parts

    Source: Salimans et al. 2016 (arXiv:1606.03498), section 4; shuffling: Barratt & Sharma 2018 (arXiv:1801.01973).
    """
    p = as_tensor(probabilities, "probabilities", finite=False).cpu().double()
    if p.ndim != 2 or not 1 <= splits <= len(p):
        raise ValueError(f"probabilities must be (n, classes) with n of {max(splits, 1)} or more, one part or more; got {tuple(p.shape)}")
    if not (p >= 0).all() or not torch.allclose(p.sum(1), torch.ones(len(p), dtype=torch.float64), atol=1e-4):
        raise ValueError("probabilities: each row must be a distribution, 0 or more with sum 1: apply softmax to logits first")
    # a fixed order of the rows first: shuffling must not depend on the order in which they came
    for column in range(p.shape[1]):
        p = p[p[:, column].argsort(stable=True)]
    p = p[torch.randperm(len(p), generator=torch.Generator().manual_seed(seed))]
    scores = []
    for part in p.tensor_split(splits):
        scores.append((torch.xlogy(part, part) - torch.xlogy(part, part.mean(0))).sum(1).mean().exp())
    scores = torch.stack(scores)
    return Score(scores.mean().item(), len(p), error=scores.std().item() if splits > 1 else None)
