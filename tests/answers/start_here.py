"""The warm-up exercise, 00."""

RIGHT = {"kl_between": ["F.kl_div(p.log(), q, reduction='sum')", "torch.xlogy(q, q / p).sum()"]}
