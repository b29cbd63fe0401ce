"""Draws from a `random.Random`, quicker than its own choice and randrange."""

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def of(rng, items):
    return items[int(rng.random() * len(items))]


def below(rng, n):
    return int(rng.random() * n)


def digits(rng, n):
    return "".join(of(rng, "0123456789") for _ in range(n))


def letters(rng, n):
    return "".join(of(rng, LETTERS) for _ in range(n))
