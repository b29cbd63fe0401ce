"""Wordings with slots: "my {k} is called {v}", kept with a small first letter; `cap` makes a sentence."""

import hashlib
import re

_SLOT = re.compile(r"\{([^}]+)\}")
_KEEP = re.compile(r"(I|I'\w+|[A-Z]{2,}|[A-Z][a-z]*day)\b")  # I, I'm, TV, Monday
_AN = re.compile(
    r"(?!uni|use|usu|uk|eu|one\b|once|u[bt]i|ewe)[aeiou]|hour|honest|heir|8|11\b|18\b|11[ :]|18[ :]", re.I
)


def cap(text):
    return text[:1].upper() + text[1:]


def lower_first(text):
    return text if _KEEP.match(text) else text[:1].lower() + text[1:]


def with_article(words):
    return ("an " if _AN.match(words) else "a ") + words


def share(text):
    """A number in 0..1 that depends on nothing but the text: decides what is held out."""
    return int.from_bytes(hashlib.sha1(text.encode()).digest()[:4], "big") / 2**32


class Template:
    __slots__ = ("text", "pieces", "slots")

    def __init__(self, text):
        self.text = lower_first(text.strip())
        self.pieces = _SLOT.split(self.text)
        self.slots = tuple(self.pieces[1::2])

    def render(self, slots):
        pieces = self.pieces.copy()
        for i in range(1, len(pieces), 2):
            pieces[i] = slots[pieces[i]]
        return "".join(pieces)


PLURAL = {
    "is": "are",
    "was": "were",
    "has": "have",
    "does": "do",
    "it": "they",
    "they": "they",
    "them": "them",
    "s": "",
    "this": "these",
    "doesn't": "don't",
    "its": "their",
    "one": "ones",
    "isn't": "aren't",
}
SINGULAR = {word: word for word in PLURAL} | {"s": "s", "they": "it", "them": "it"}


def slots_of(key, name, value, plural=False, old=None):
    """Everything that a wording may name about one fact."""
    slots = dict(PLURAL if plural else SINGULAR)
    slots |= {"k": key, "n": name or "", "v": value, "a k": with_article(key), "a v": with_article(value)}
    slots |= {f"k.{i}": word for i, word in enumerate(key.split())}
    if old is not None:
        slots |= {"old": old, "a old": with_article(old)}
    return slots


def lines_of(text):
    return [line.strip() for line in text.strip().splitlines() if line.strip() and not line.startswith("#")]
