"""Facts: a relation (family, key, sometimes a person), its value, and the sentences about it."""

from dataclasses import dataclass, field

from families import flip, load_families, load_wrappers
from templates import cap, slots_of
from chance import of
from names import coined, person
from values import STRANGE, make, phrase, strange
from words import Words, read_lexicon

NEVER = 0.07  # questions for what was never said
CHANGED = 0.12  # facts that are stated anew with another value
SPLITS = ("train", "held-relations", "held-wordings", "changed", "never")
CLASSIC_SHARE = 0.2  # facts in the very words of the older generator
OPEN = {kind.__name__ for kind in STRANGE}  # keys that need a lexicon
ADJECTIVES = ("noun", "container")  # lists of keys that may be told apart by an adjective: "the rusty box"


@dataclass
class Fact:
    family: object
    key: object
    word: str  # the key as it is said
    name: str  # the person, or ""
    value: str
    classic: bool
    held: str  # "", "relation", "family"
    old: str = None
    topic: str = ""
    slots: dict = field(default_factory=dict)

    def __post_init__(self):
        topic = f"{self.family.topic}:{self.word}" + (f":{self.name}" if self.name else "")
        self.topic = topic
        self.fill()

    def fill(self):
        self.slots = {"k2": flip(self.word)} | slots_of(
            self.word, self.name, self.value, self.key.plural, self.old
        )
        if self.family.np:
            self.slots["np"] = self.family.np_template.render(self.slots)

    def change(self, value):
        self.old, self.value = self.value, value
        self.fill()


class World:
    """Draws facts for one split. Not for several threads; everything random comes from the rng given."""

    def __init__(self, split, changed=None, never=None, lexicon=(), share=0.0, echo=0.0, alike=0.0):
        """`changed`, `never`: shares of facts told anew and of questions for what was never said; None: the split's own.
        `lexicon`: files whose words stand in for that `share` of keys and plain values, and make families of
        relations that mean nothing. `echo`: requests to repeat words, for each question. `alike`: share of facts
        of the family of another fact of the dialog."""
        if split not in SPLITS:
            raise ValueError(f"no split {split}: {', '.join(SPLITS)}")
        self.split = split
        own = {"changed": (0.85, 0.0), "never": (0.05, 0.7)}.get(split, (CHANGED, NEVER))
        self.rates = (own[0] if changed is None else changed, own[1] if never is None else never)
        self.echo, self.alike = echo, alike
        self.words = Words(split == "train")
        self.wrappers = load_wrappers()
        self.families = load_families(self.wrappers)
        if lexicon:
            held = [key.text for family in self.families for key in family.keys if key.held and key.text]
            without = self.words.held | {part for text in held for part in text.split()}
            self.words.lexicon, self.words.strange = read_lexicon(lexicon, without), share
        relations = split == "held-relations"
        self.pool = []
        for family in self.families:
            if family.keys[0].source in OPEN and not lexicon:
                continue
            keys = [key for key in family.keys if (key.held or family.held) == relations]
            if keys:
                weight = family.weight * (
                    len(keys) / len(family.keys) if relations and not family.held else 1
                )
                self.pool.append((family, keys, weight))
        total = sum(entry[2] for entry in self.pool)
        edge = 0.0
        self.edges = []
        for entry in self.pool:
            edge += entry[2] / total
            self.edges.append(edge)
        self.classic = [
            family
            for family in self.families
            if family.classic["keys"] or family.classic["statements"] and family.subject
        ]

    def unheard(self, rng):
        """Words, names or figures in no order that means anything."""
        if rng.random() < 0.6:
            return phrase(rng, self.words)
        kinds = ("strange", "person", "coined", "code", "price", "time", "strange_rel", "number")
        return " ".join(str(make(of(rng, kinds), rng, self.words)) for _ in range(2 + int(rng.random() * 3)))

    def draw(self, rng, family=None, name=None):
        """A new fact; of a family, about a person, where given."""
        if family is None and self.split != "held-relations" and rng.random() < CLASSIC_SHARE:
            return self._draw_classic(rng, of(rng, self.classic))
        if family is None:
            x = rng.random()
            family, keys, _ = next(
                entry for entry, edge in zip(self.pool, self.edges) if x < edge or edge == self.edges[-1]
            )
        else:
            keys = next(entry[1] for entry in self.pool if entry[0] is family)
        key = of(rng, keys)
        word = key.text
        if word and word != "-" and self.words.strange and rng.random() < self.words.strange:
            word = ("the " if word.startswith("the ") else "") + strange(rng, self.words)
            key = key._replace(text=word, plural=False)
        if key.source:
            word = make(key.source, rng, self.words)
            if key.source in ADJECTIVES and rng.random() < 0.4:
                word = self.words.pick(rng, "adjective") + " " + word
        held = "family" if family.held else "relation" if key.held else ""
        who = ""
        if family.subject:
            who = coined(rng) if family.subject == "coined" else name or person(rng, self.words)
        return Fact(family, key, word, who, make(key.value, rng, self.words), False, held)

    def draw_like(self, rng, fact):
        """Another fact of its family, in the older generator's words where it has them."""
        return self._draw_classic(rng, fact.family) if fact.classic else self.draw(rng, fact.family)

    def _draw_classic(self, rng, family):
        word = of(rng, family.classic["keys"]) if family.classic["keys"] else ""
        key = next(key for key in family.keys if key.text == (word or "-"))
        value = make(family.classic["values"] or key.value, rng, self.words)
        return Fact(
            family, key, key.text, coined(rng, self.words) if family.subject else "", value, True, ""
        )

    def new_value(self, rng, fact, taken):
        """Another value for a fact that is told: none of `taken`."""
        kind = (
            fact.family.classic["values"]
            if fact.classic and fact.family.classic["values"]
            else fact.key.value
        )
        for _ in range(50):
            value = make(kind, rng, self.words)
            if value not in taken:
                return value
        return None


def near_number(rng, text):
    """The same number but for a digit."""
    places = [i for i, c in enumerate(text) if c.isdigit()]
    i = of(rng, places)
    return text[:i] + of(rng, [d for d in "123456789" if d != text[i]]) + text[i + 1 :]
