"""Exercise 01, task 4b: a table of ratings whose holes are filled."""

from torch import Tensor

from course_lib.grading import Goal, Region, is_whole


def measure(guess: Tensor, ratings: Tensor, seen: Tensor, held_out: Tensor) -> dict[str, float]:
    """What a filled table is worth: by how many per cent its squared error is below that of each film's mean.

    guess, ratings: (people, films)
    seen, held_out: boolean, the same shape; the means come from the seen ratings
    """
    mean = (ratings * seen).sum(0) / seen.sum(0)

    def gain(where):
        return float(100 - 100 * (guess - ratings)[where].square().sum() / (mean - ratings)[where].square().sum())

    return {"gain": gain(held_out), "gain on seen": gain(seen)}


EXPERIMENT = Goal(
    "experiment",
    {"gain": 54.0},
    slack={"gain": 4.0},
    close={"gain": 8.0},
    settings={"rank": 10, "refills": 100},
    rules={
        "rank": (lambda value: is_whole(value, range(25)), "a whole number from 0 to 24, the number of films"),
        "refills": (lambda value: is_whole(value, range(1001)), "a whole number from 0 to 1,000"),
    },
    known=[
        Region(
            "film means alone",
            lambda m: m["rank"] == 0 or m["refills"] == 0,
            "The guess is each film's mean for everybody: nothing has been learned about people.",
        ),
        Region(
            "the table copied",
            lambda m: m["gain on seen"] > 99 and abs(m["gain"]) < 10,
            "The seen ratings come out as they went in, and the others have hardly moved: a rank this high can hold any table.",
        ),
        Region(
            "rank too small",
            lambda m: m["rank"] < 3,
            "Even the seen ratings are fitted badly: people differ in more ways than this rank can hold.",
        ),
        Region(
            "too few refills",
            lambda m: m["gain on seen"] < 80 and m["rank"] < 8,
            "The holes were filled with the films' means at first, and the guess is still close to them: it has not had time to move.",
        ),
        Region(
            "rank too large",
            lambda m: m["rank"] > 3,
            "The seen ratings are fitted better than the held-out ones by far: the extra terms learn noise.",
        ),
        Region(
            "too many refills",
            lambda m: m["refills"] > 12,
            "The rank is well chosen, but the guess fits the seen ratings ever closer and forgets how uncertain it is: stop earlier.",
        ),
    ],
)
