"""Exercise 03, task 5a: the words for a face as a row of zeros and ones."""

import torch

from course_lib.grading import Task


def one_hot_words(words, kinds):
    blocks = []
    for column, count in zip(words.T, kinds):
        places = torch.arange(count)
        hot = (column[:, None] == places).float()
        blocks.append(hot)
    return torch.cat(blocks, 1)


def truth(words, kinds):
    rows = torch.zeros(len(words), sum(kinds))
    for row, asked in zip(rows, words.tolist()):
        for f, word in enumerate(asked):
            if word != -1:
                row[sum(kinds[:f]) + word] = 1
    return rows


def by_starts(words, kinds):
    rows, start = torch.zeros(len(words), sum(kinds)), 0
    for f, count in enumerate(kinds):
        asked = words[:, f] >= 0
        rows[asked, start + words[asked, f]] = 1
        start += count
    return rows


def by_rows(words, kinds):
    rows = torch.zeros(len(words), sum(kinds))
    for row, own in zip(rows, words.tolist()):
        place = 0
        for word, count in zip(own, kinds):
            if word >= 0:
                row[place + word] = 1
            place += count
    return rows


ONE_HOT_WORDS = Task(
    one_hot_words,
    truth,
    cases=[
        (torch.tensor([[0, 2], [1, -1], [1, 0]]), (2, 4)),
        (torch.tensor([[-1, 0, 3], [2, -1, -1], [0, 0, 1], [1, 1, 0]]), (3, 2, 4)),
        (torch.tensor([[2]]), (5,)),
        (torch.tensor([[-1, 2], [-1, -1]]), (2, 3)),
    ],
    ways=[by_starts, by_rows],
    mistakes="""
the number itself: a factor is one number here. Then background 4 looks like four times background 1: give each word a place of its own.
    hot = (column[:, None] == places).float() -> hot = column[:, None].float(){| / count| / max(count - 1, 1)}
the number in its place: the place of a word holds the word's number, so word 0 leaves no trace. It holds a 1.
    .float() -> .float() * column[:, None]
−1 for the last word: where nothing is asked, the last word gets the 1: −1 as an index counts from the end. What should a block hold that nobody filled?
    (column[:, None] == -> ((column % count)[:, None] ==
−1 for the first word: where nothing is asked, the first word gets the 1. What should a block hold that nobody filled?
    (column[:, None] == -> (column.clamp(min=0)[:, None] ==
−1 for word 1: where nothing is asked, word 1 gets the 1: `abs` makes 1 of −1. What should a block hold that nobody filled?
    (column[:, None] == -> (column.abs()[:, None] ==
the place before: where nothing is asked, the place before the block gets a 1: −1 is no place. Write a 1 only where a word is asked for.
    rows[asked, start + words[asked, f]] = 1 -> rows[torch.arange(len(words)), start + words[:, f]] {|+}= 1
    rows[asked, start + words[asked, f]] = 1 -> rows[torch.arange(len(words)), (start + words[:, f]).clamp(min=0)] {|+}= 1
one −1 empties the row: where one factor is not asked, the whole row is 0. The words of the others are still asked for.
    torch.cat(blocks, 1) -> torch.cat(blocks, 1) * (words >= 0).all(1, keepdim=True)
nothing behind −1: what stands behind a −1 is not read. Each factor is asked by itself: go on with the next.
    zip(own, kinds) -> zip(own[: own.index(-1)] if -1 in own else own, kinds)
blocks move up: where nothing is asked, the next block comes too early. A factor has its places, asked or not: let the start move on.
    place += count -> place += count * (word >= 0)
word 0 left out: word 0 leaves no trace. It is a word like the others: only −1 asks for nothing.
    .float() -> .float() * (column > 0)[:, None]
−1 in every place: where nothing is asked, the whole block holds −1. It holds 0.
    hot = (column[:, None] == places).float() -> hot = torch.where(column[:, None] < 0, -1.0, (column[:, None] == places).float())
spread evenly: where nothing is asked, the block shares a 1 among all its words. It holds 0: no word at all.
    hot = (column[:, None] == places).float() -> hot = torch.where(column[:, None] < 0, 1 / count, (column[:, None] == places).float())
a place for not asked: one place too many for each factor: what is not asked has one of its own. It leaves only zeros.
    torch.arange(count) -> torch.arange(-1, count)
the last word cut off: what is not asked has the first place, and the last word has lost its own. Which place has to go?
    torch.arange(count) -> torch.arange(-1, count - 1)
one place too many: one place too many for each factor. With `count` words they run from 0 to count − 1.
    torch.arange(count) -> torch.arange(count + 1)
counted from 1: the 1 is in the wrong place by one: word 0 has the first place of its block.
    torch.arange(count) -> torch.arange(1, count + 1)
    (column[:, None] == -> (torch.where(column < 0, -1, (column + 1) % count)[:, None] ==
    start + words -> start - 1 + words
on top of each other: all factors use the same places, so skin 1 and hat 1 cannot be told apart. Each has a block of its own, one behind the other.
    torch.cat(blocks, 1) -> sum(F.pad(block, (0, {max|sum}(kinds) - block.shape[1])) for block in blocks){|.clamp(max=1)}
    rows[asked, start + words[asked, f]] = 1 -> rows[:, :count] = (words[:, f, None] == torch.arange(count)).float()
block starts wrong: a block starts in the wrong place. Each starts where the one before it ends: as many places from the left as all factors before it have words.
    start + words -> f + words
    start += count -> start = count
    start += count -> start += kinds[f - 1] if f else 0
    start += count -> start += count - 1
equally wide: every factor has as many places as the one with most words. `kinds` says how many each has.
    torch.arange(count) -> torch.arange(max(kinds)) {|; return torch.cat(blocks, 1) -> return torch.cat(blocks, 1)[:, : sum(kinds)]}
as many places as were asked for: the width depends on the largest word of the batch. `kinds` says how many words there are.
    torch.arange(count) -> torch.arange(int(column.max()) + 1)
blocks in reverse: the blocks stand in reverse. The first factor comes first.
    torch.cat(blocks, 1) -> torch.cat(blocks[::-1], 1)
one factor alone: the block of one factor alone. There is one for each.
    torch.cat(blocks, 1) -> blocks[{0|-1}]
turned about: 0 and 1 have changed places: the word that is asked for has the 1.
    == -> !=
−1 for 0: the other places hold −1. They hold 0.
    .float() -> .float() * 2 - 1
every word in every row: each row has a 1 for every word of the batch. Each face has its own: give the rows' numbers, too, `torch.arange(len(words))`.
    .float() -> .float().amax(0).expand(len(words), -1)
""",
)
