"""Values of facts: the kinds of names.py and figures.py, those below, and the lists of words.toml."""

import figures
import names
from chance import of
from templates import cap


def noun(rng, words):
    return words.pick(rng, "noun").rstrip("*")


def article_noun(rng, words):
    """A thing, without its article."""
    return f"{words.pick(rng, 'adjective')} {noun(rng, words)}" if rng.random() < 0.6 else noun(rng, words)


def shade(rng, words):
    """A colour, sometimes with more about it."""
    colour = words.pick(rng, "colour")
    r = rng.random()
    return (
        colour
        if r < 0.7
        else f"{words.pick(rng, 'hue')} {colour}" if r < 0.9 else f"{colour} and {words.pick(rng, 'colour')}"
    )


def where(rng, words):
    if rng.random() < 0.6:
        return words.pick(rng, "place")
    return f"{of(rng, ('in', 'on', 'under', 'behind', 'beside', 'next to', 'near', 'inside'))} the {article_noun(rng, words)}"


def goods(rng, words):
    """Several of a thing."""
    many = noun(rng, words)
    many = (
        many
        if many.endswith("s")
        else (
            many[:-1] + "ies"
            if many[-1] == "y" and many[-2] not in "aeiou"
            else many + ("es" if many[-1] in "xh" else "s")
        )
    )
    many = many.replace("shelfs", "shelves").replace("scissorses", "scissors")
    r = rng.random()
    return (
        many
        if r < 0.3
        else (
            f"{words.pick(rng, 'adjective')} {many}"
            if r < 0.7
            else f"{words.pick(rng, 'number_word')} {many}"
        )
    )


def strange(rng, words):
    """One to three words of the lexicon that have nothing to do with each other."""
    r = rng.random()
    return " ".join(strange_word(rng, words) for _ in range(1 if r < 0.45 else 2 if r < 0.9 else 3))


def strange_word(rng, words):
    return of(rng, words.lexicon) if words.lexicon else noun(rng, words)


def strange_of(rng, words):
    link = of(rng, ("of my", "of my", "of the", "in my", "at the", "for my", "on the", "under the", "for our"))
    return f"{strange(rng, words)} {link} {strange(rng, words)}"


def strange_has(rng, words):
    return f"{strange(rng, words)}'s {strange(rng, words)}"


def strange_does(rng, words):
    return f"{strange(rng, words)} {strange_word(rng, words)}s"


LINKS = "of to with by from at for in on as than into about under over after before without".split()


def strange_rel(rng, words):
    """What stands between a person and a value: "is lantern to", "salted the grave after"."""
    word, link = (lambda: strange_word(rng, words)), of(rng, LINKS)
    r = rng.random()
    if r < 0.3:
        return f"is {word()} {link}"
    if r < 0.5:
        return f"{of(rng, ('has', 'will', 'can', 'had', 'must', 'may'))} {word()} {link}"
    if r < 0.7:
        return f"{word()}s {link} {of(rng, ('the', 'a', 'his', 'her', 'every', 'no'))} {word()} {of(rng, LINKS)}"
    return f"{of(rng, ('is', 'was', 'has'))} {word()} {word()}" if r < 0.85 else f"{word()}ed {word()} {link}"


def strange_bond(rng, words):
    """A verb and its preposition: "lantern to"."""
    return f"{strange_word(rng, words)} {of(rng, LINKS)}"


def strange_part(rng, words):
    """A noun, a verb and a preposition: "harbour lantern from"."""
    return f"{strange_word(rng, words)} {strange_bond(rng, words)}"


def strange_bare(rng, words):
    """A thing without an article, often a made-up one, a verb and a noun: "himur lantern grave"."""
    thing = names.word(rng, words) if rng.random() < 0.5 else strange_word(rng, words)
    return f"{thing} {strange_word(rng, words)} {strange_word(rng, words)}"


def phrase(rng, words):
    """Four to eight words of the lexicon, some with a small word between them."""
    out = []
    for _ in range(4 + int(rng.random() * 5)):
        out.append(of(rng, LINKS) if out and rng.random() < 0.2 else strange_word(rng, words))
    return " ".join(out)


STRANGE = (
    strange,
    strange_word,
    strange_of,
    strange_has,
    strange_does,
    strange_rel,
    strange_bond,
    strange_part,
    strange_bare,
)
PLAIN = ("noun", "article_noun", "goods", "shade")  # what any word may stand in for, beside the lists
KINDS = {
    kind.__name__: kind
    for kind in (*names.KINDS, *figures.KINDS, *STRANGE, phrase, noun, article_noun, shade, where, goods)
}


def make(kind, rng, words):
    """A value of a kind, of a word list, or of one of several: "city|coined"."""
    if "|" in kind:
        kind = of(rng, kind.split("|"))
    if words.strange and (kind in PLAIN or kind in words.lists) and rng.random() < words.strange:
        return strange(rng, words)
    maker = KINDS.get(kind)
    return maker(rng, words) if maker else words.pick(rng, kind)
