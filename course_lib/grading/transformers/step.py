"""Exercise 09, task 4: one step with a cache of keys and values."""

import torch

from course_lib.grading import Task, grid
from course_lib.grading.fixtures import looked, turned


def step(q, k, v, old_keys, old_values, turn, attend):
    start = old_keys.shape[2]
    new_keys = turn(k, start)
    keys = torch.cat([old_keys, new_keys], 2)
    values = torch.cat([old_values, v], 2)
    queries = turn(q, start)
    return attend(queries, keys, values), keys, values


def truth(q, k, v, old_keys, old_values, turn, attend):
    """Place by place: each is turned alone, and looks at lists that grow."""
    keys, values, found = list(old_keys.unbind(2)), list(old_values.unbind(2)), []
    for i in range(q.shape[2]):
        keys.append(turn(k[:, :, i : i + 1], len(keys))[:, :, 0])
        values.append(v[:, :, i])
        found.append(attend(turn(q[:, :, i : i + 1], len(keys) - 1), torch.stack(keys, 2), torch.stack(values, 2)))
    return torch.cat(found, 2), torch.stack(keys, 2), torch.stack(values, 2)


def parts(batch, heads, new, old, d, phase):
    """Queries, keys and values of new places, and keys and values of old ones."""
    sizes = [(batch, heads, new, d)] * 3 + [(batch, heads, old, d)] * 2
    return [(grid(*size) * (3 + i) + phase).sin() if size[2] else torch.zeros(size) for i, size in enumerate(sizes)]


STEP = Task(
    step,
    truth,
    cases=[
        (*parts(2, 3, 1, 4, 5, 0.2), turned, looked),
        (*parts(1, 2, 3, 5, 4, 1.1), turned, looked),
        (*parts(2, 1, 4, 0, 3, 0.7), turned, looked),
        (*(each.double() for each in parts(1, 4, 2, 3, 2, 0.5)), turned, looked),
    ],
    results=("out", "keys", "values"),
    gradient=("q", "k", "v"),
    mistakes="""
positions restart: the new places are turned as if the text began with them. How many places does the cache hold already?
    start = old_keys.shape[2] -> start = 0
positions of the queries restart: the keys are right, but the queries are turned as if the text began with them.
    queries = turn(q, start) -> queries = turn(q, 0)
positions of the keys restart: the queries are right, but the new keys are turned as if the text began with them.
    new_keys = turn(k, start) -> new_keys = turn(k, 0)
one too late: the new places begin one position too late: places count from 0, so after n old ones comes number n.
    start = old_keys.shape[2] -> start = old_keys.shape[2] + 1
one too early: the new places begin one position too early, on that of the last old one.
    start = old_keys.shape[2] -> start = {max(0, old_keys.shape[2] - 1)|old_keys.shape[2] - 1}
start after the append: the new places begin where the cache ends with them in it. They begin where it ended before.
    start = old_keys.shape[2] -> start = old_keys.shape[2] + k.shape[2]
start at the last place: right for one new place: with several, the first of them is turned as if it were the last.
    start = old_keys.shape[2] -> start = old_keys.shape[2] + k.shape[2] - 1
queries after the append: the queries are turned by the length that the cache has with the new keys in it. They stand where those keys stand.
    queries = turn(q, start) -> queries = turn(q, keys.shape[2])
queries at the last place: right for one new place: several queries are turned as if the first of them stood last.
    queries = turn(q, start) -> queries = turn(q, keys.shape[2] - 1)
queries one too late: the keys are right, but the queries stand one position behind them. A new place has one position.
    queries = turn(q, start) -> queries = turn(q, start + 1)
queries one too early: the keys are right, but the queries stand one position before them. A new place has one position.
    queries = turn(q, start) -> queries = turn(q, {start - 1|max(0, start - 1)})
new places alike: several new places are turned as if all of them stood at the same position. Each has its own: `turn` counts on by itself.
    new_keys = turn(k, start) -> new_keys = torch.cat([turn(each, start) for each in k.split(1, 2)], 2) ; queries = turn(q, start) -> queries = torch.cat([turn(each, start) for each in q.split(1, 2)], 2)
    new_keys = turn(k, start) -> new_keys = torch.cat([turn(each, start) for each in k.split(1, 2)], 2)
queries before their keys: right for an empty cache or one new place: the queries begin before the new keys.
    queries = turn(q, start) -> queries = turn(q, start + 1 - k.shape[2])
another axis: the start is the length of another axis. Which one counts the places that are kept?
    start = old_keys.shape[2] -> start = {old_keys.shape[1]|old_keys.shape[0]|old_keys.shape[3]|k.shape[2]|len(old_keys)}
nothing turned: neither queries nor keys are turned: where they stand has no effect.
    turn(k, start) -> k ; turn(q, start) -> q
keys not turned: the new keys are kept as they came. Turn them first, as the old ones were.
    turn(k, start) -> k
queries not turned: the queries are not turned. With turned keys, the two then fit only at position 0.
    turn(q, start) -> q
queries turned twice: the keys are right, but the queries are turned twice.
    queries = turn(q, start) -> queries = turn(turn(q, start), start)
turned twice: the old keys are turned once more. They were turned when they came.
    keys = torch.cat([old_keys, new_keys], 2) -> keys = turn(torch.cat([old_keys, k], 2), 0)
    keys = torch.cat([old_keys, new_keys], 2) -> keys = torch.cat([turn(old_keys, 0), new_keys], 2)
    attend(queries, keys, values), -> attend(queries, torch.cat([turn(old_keys, 0), new_keys], 2), values),
turned at each step: the cache is kept as it came and turned whenever it is looked at. Here what is kept is turned already.
    new_keys = turn(k, start) -> new_keys = k ; return attend(queries, keys, values) -> return attend(queries, turn(keys, 0), values)
kept as they came: the output is right, but the keys that go into the cache are not turned. The next step will not do it for you.
    queries, keys, values), keys, values -> queries, keys, values), torch.cat([old_keys, k], 2), values
not turned at the start: right for a cache that holds something. With an empty one the new places are at 0, 1, …, and turned like all others.
    return attend( -> keys = keys if start else k; queries = queries if start else q; return attend(
values turned: the values are turned too. Positions say where to look, and change nothing of what is found there.
    torch.cat([old_values, v], 2) -> torch.cat([old_values, turn(v, start)], 2)
cache forgotten: the cache is not used at all: the new places look at themselves alone, and they alone are kept.
    [old_keys, new_keys], 2) -> [new_keys], 2) ; [old_values, v], 2) -> [v], 2){| ; start = old_keys.shape[2] -> start = 0}
    return attend(queries, keys, values), keys, values -> return attend(q, k, v), k, v
cache as it was: the output is right, but the cache comes back as it was: the next step would not know these places.
    queries, keys, values), keys, values -> queries, keys, values), old_keys, old_values
new places not seen: the queries look at the old keys alone. Each sees its own place too.
    attend(queries, keys, values), -> attend(queries, old_keys, old_values),
old places not seen: the queries look at the new keys alone. What was the cache kept for?
    attend(queries, keys, values), -> attend(queries, new_keys, v),
new ones in front: the new keys stand before the old ones. Places come in the order of the text.
    [old_keys, new_keys] -> [new_keys, old_keys] ; [old_values, v] -> [v, old_values]
values in front: the keys are right, but new values stand before the old ones.
    [old_values, v] -> [v, old_values]
keys in front: the values are right, but new keys stand before the old ones.
    [old_keys, new_keys] -> [new_keys, old_keys]
old places overwritten: the newest of the old places are overwritten: the cache grows by as many places as there are new ones.
    [old_keys, new_keys], 2) -> [old_keys[:, :, : -k.shape[2]], new_keys], 2) ; [old_values, v], 2) -> [old_values[:, :, : -k.shape[2]], v], 2)
oldest places dropped: the oldest places go as new ones come. Later queries look at them, so the cache grows.
    [old_keys, new_keys], 2) -> [old_keys[:, :, k.shape[2] :], new_keys], 2) ; [old_values, v], 2) -> [old_values[:, :, k.shape[2] :], v], 2)
new places alone kept: the output is right, but only the new places are kept. The next step needs the old ones too.
    queries, keys, values), keys, values -> queries, keys, values), new_keys, v
keys for values: the keys are kept among the values.
    torch.cat([old_values, v], 2) -> torch.cat([old_values, {k|new_keys}], 2)
values for keys: the output averages the keys. They say where to look; what is found there are the values.
    attend(queries, keys, values), -> attend(queries, keys, keys),
own attention: `attend` is handed to you, and may be another attention than you think. It also hides the future.
    attend(queries, keys, values), -> F.scaled_dot_product_attention(queries, keys, values{|, is_causal=True|, torch.ones(q.shape[2], keys.shape[2]).tril(start).bool()}),
order: the three results are right, but in another order: the output, the keys, the values.
    return attend(queries, keys, values), keys, values -> return {keys, values, attend(queries, keys, values)|attend(queries, keys, values), values, keys}
""",
)
