"""Exercise 09, task 1a: who may look where."""

import torch

from course_lib.grading import Task


def causal_mask(queries, keys):
    first = keys - queries
    place = torch.arange(first, first + queries)
    return torch.arange(keys) <= place[:, None]


def triangle(queries, keys):
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)


def truth(queries, keys):
    """Place by place: the queries are the last ones."""
    return torch.tensor([[j <= keys - queries + i for j in range(keys)] for i in range(queries)])


MASK = Task(
    causal_mask,
    truth,
    cases=[(4, 4), (2, 5), (1, 3), (3, 4), (1, 1)],
    ways=(triangle,),
    mistakes="""
inverted: true and false are exchanged: true is for what a query may look at.
    {torch.arange(keys) <= -> torch.arange(keys) >|return torch.ones -> return ~torch.ones|return torch.ones -> return ~torch.ones ; .tril(keys - queries) -> .tril()}
own place hidden: a query may look at its own place too. What stands there is known: it is the symbol before the one to be predicted.
    {torch.arange(keys) <= -> torch.arange(keys) <|.tril(keys - queries) -> .tril(keys - queries - 1)}
one place too far: each query sees one place of the future.
    {place[:, None] -> place[:, None] + 1|.tril(keys - queries) -> .tril(keys - queries + 1)|.tril(keys - queries) -> .tril(1)}
future alone: a query sees its own place and what comes after it. Which side of the diagonal is the past?
    {torch.arange(keys) <= -> torch.arange(keys) >=|.tril( -> .triu(}
offset forgotten: right for as many keys as queries. With more keys the queries are the last ones, so they stand further back than row 0 says.
    {first = keys - queries -> first = 0|.tril(keys - queries) -> .tril()}
offset reversed: right for as many keys as queries. With more of them the diagonal moves the wrong way: later queries see more, not less.
    {first = keys - queries -> first = queries - keys|.tril(keys - queries) -> .tril(queries - keys)}
offset one too small: right for as many keys as queries. With more of them the diagonal is moved, but one place too little.
    {first = keys - queries -> first = max(0, keys - queries - 1)|.tril(keys - queries) -> .tril(max(0, keys - queries - 1))}
all open: everything is open, the future too.
    {torch.arange(keys) <= place[:, None] -> torch.ones(queries, keys, dtype=torch.bool)|.tril(keys - queries) -> .tril({keys|queries})}
all open with kept keys: right for as many keys as queries. With more of them everything is open, the future too.
    {return torch.arange(keys) <= place[:, None] -> return (torch.arange(keys) <= place[:, None]) + (keys > queries) > 0|.tril(keys - queries) -> .tril(0 if keys == queries else keys)}
own place alone: each query sees its own place and nothing else. What came before may be looked at as well.
    torch.arange(keys) <= -> torch.arange(keys) ==
kept keys hidden: what stands before the first query is hidden. Those keys are the past: everybody may look at them.
    return torch.arange(keys) <= place[:, None] -> return (torch.arange(keys) <= place[:, None]) & (torch.arange(keys) >= first)
axes exchanged: rows and columns are exchanged: a row is a query, a column a key.
    return torch.arange(keys) <= place[:, None] -> return (torch.arange(keys) <= place[:, None]).T
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries) -> return torch.ones(keys, queries, dtype=torch.bool).tril({|queries - keys})
square: the mask has as many rows as columns. There is a row for each query and a column for each key.
    torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries) -> torch.ones({queries, queries|keys, keys}, dtype=torch.bool).tril()
numbers: the right places, but as numbers. A boolean mask says what may be seen: true or false.
    return torch.arange(keys) <= place[:, None] -> return (torch.arange(keys) <= place[:, None]).{float|long|int}()
added mask: this is a mask to be added to scores, 0 and −∞. A boolean one is asked for: true where a query may look.
    return torch.arange(keys) <= place[:, None] -> return torch.where(torch.arange(keys) <= place[:, None], 0.0, -math.inf)
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries) -> return torch.full((queries, keys), -math.inf).triu({keys - queries + 1|1})
axes for batch and heads: the mask has axes of length 1 in front. (queries, keys) is enough: it broadcasts.
    return torch.arange(keys) <= place[:, None] -> return (torch.arange(keys) <= place[:, None])[None{|, None}]
""",
)
