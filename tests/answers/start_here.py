"""The warm-up exercise, 00."""

RIGHT = {"kl_between": ["F.kl_div(q.log(), p, reduction='sum')", "torch.xlogy(p, p / q).sum()"]}
