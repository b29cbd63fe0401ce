"""Families of relations (data/families/*.toml): keys, values, wordings, and what of them is held out.

A family is a table:
  name      of the family
  keys      text "a, b*" (* for plural), "@list" for the words of a list, or a table key = kind of value
  value     kind of value (values.py)
  subject   a made-up person {n} is part of the relation; "coined": a made-up name that is no person's
  np        noun phrase, "the name of my {k}", for the frames of wrappers.toml; np_answer is its answer
  fact      plain clause, "{n} plays {v}", and `what`, the indirect question "what {n} plays", for the frames
  plain     what the value is: "Just the name, please."
  fixed     it can be told wrong, but never changes: where somebody was born
  topic     families with the same topic never hold the same key in one dialog
  held      the whole family is kept out of training
  weight    how often it is drawn

and wordings, one a line, with {k}, its words {k.0}, {k.1}..., {n}, {v}: statements, changes, acks, questions. A statement that begins with "!" stands
alone, one that begins with "-" is a clause but none that "that" could introduce. Questions are "ask =
answer", or "ask" alone when the answer is the fact or np_answer; ask is a question, "~ indirect clause",
"^ noun phrase", or "<k question" / "<n question" that asks for the key or the person, given the value.
classic_* lines are those of the older generator's sets, never held.
"""

import re
import tomllib
from collections import namedtuple

from templates import Template, lines_of, share
from words import DATA

FREE = {"!": 0, "-": 1}  # 0: stands alone; 1: a clause; 2: a clause that "that" may introduce
HELD_KEYS = 0.10
HELD_WORDINGS = 0.15

Wording = namedtuple("Wording", "template held free")  # free: see FREE
Question = namedtuple("Question", "kind ask answer held target")  # kind: direct, clause, phrase
Key = namedtuple("Key", "text plural value held source")
Wrapper = namedtuple("Wrapper", "text held")

_FLIP = {
    "my": "your",
    "i": "you",
    "me": "you",
    "mine": "yours",
    "am": "are",
    "our": "your",
    "we": "you",
    "us": "you",
    "myself": "yourself",
    "i'm": "you're",
    "i've": "you've",
    "i'd": "you'd",
}
_FLIP_WORD = re.compile(r"\b(I'm|I've|I'd|I|my|me|mine|am|our|we|us|myself)\b(?!\})")


def flip(text):
    """The user's words as the assistant says them."""
    return _FLIP_WORD.sub(lambda word: _FLIP[word.group(0).lower()], text)


def load_wrappers():
    """What stands around facts and questions, by kind."""
    lists = tomllib.loads((DATA / "wrappers.toml").read_text(encoding="utf-8"))
    return {
        kind: [Wrapper(line, share("wrapper " + line) < HELD_WORDINGS) for line in lines_of(text)]
        for kind, text in lists.items()
    }


class Family:
    def __init__(self, table, frames):
        take = table.pop
        self.name = take("name")
        self.topic = take("topic", self.name)
        self.plain = take("plain", "answer")
        self.subject = take("subject", False)
        self.held = take("held", False)
        self.fixed = take("fixed", False)
        self.weight = take("weight", 1.0)
        self.value = take("value", "name")
        self.np = take("np", None)
        self.np_template = Template(self.np) if self.np else None
        self.np_answer = take("np_answer", flip(self.np) + " is {v}." if self.np else None)
        self.fact, self.what = take("fact", None), take("what", None)
        self.default = flip(self.fact) + "." if self.fact else self.np_answer
        old = {kind: lines_of(take("classic_" + kind, "")) for kind in ("statements", "acks", "questions")}
        self.classic = {
            "keys": [word.strip() for word in take("classic_keys", "").split(",") if word.strip()],
            "values": take("classic_values", None),
            "statements": [Template(line) for line in old["statements"]],
            "acks": [Template(line) for line in old["acks"]],
            "questions": [self._question(line, False) for line in old["questions"]],
        }
        self.keys = self._keys(take("keys", "-"))
        lines = {kind: lines_of(take(kind, "")) for kind in ("statements", "changes", "acks", "questions")}
        self.statements = self._wordings(lines["statements"] + old["statements"], old["statements"])
        self.changes = self._wordings(lines["changes"], ())
        self.acks = [Template(line) for line in lines["acks"] + old["acks"]]
        self.questions = [self._question(line, None) for line in lines["questions"]]
        self.questions += self.classic["questions"]
        if self.what and self.what not in [q.ask.text for q in self.questions]:
            self.questions.append(self._question("~ " + self.what, False))
        self.frames = self._frame(frames, "statements")
        self.frame_changes = self._frame(frames, "changes")
        self.frame_questions = self._frame_questions(frames) if self.np else []
        if not self.held:
            self.statements, self.questions = self._hold_one(self.statements), self._hold_one(self.questions)
        if table:
            raise ValueError(f"family {self.name}: unknown {', '.join(table)}")

    def _keys(self, keys):
        source = keys[1:] if isinstance(keys, str) and keys.startswith("@") else None
        if source:
            return [Key(None, False, self.value, False, source)]  # words are held by the list
        if isinstance(keys, str):
            keys = {key.strip(): self.value for key in keys.split(",")}
        out = []
        for key, value in keys.items():
            word = key.rstrip("*")
            held = self.held or (
                word != "-" and word not in self.classic["keys"] and share("key " + word) < HELD_KEYS
            )
            out.append(Key(word, key.endswith("*"), value, held, None))
        return out

    def _wordings(self, lines, classic):
        return [
            Wording(
                Template(t.lstrip("!- ")),
                t not in classic and share(f"wording {self.topic} {t}") < HELD_WORDINGS,
                0 if t.startswith(("By the way", "Please")) else FREE.get(t[0], 2),
            )
            for t in lines
        ]

    def _hold_one(self, wordings):
        """Where chance holds none, one is held all the same."""
        if any(w.held for w in wordings):
            return wordings
        text = {w: (w.ask if isinstance(w, Question) else w.template).text for w in wordings}
        classic = {q.ask.text for q in self.classic["questions"]} | {
            t.text for t in self.classic["statements"]
        }
        free = [w for w in wordings if text[w] not in classic and getattr(w, "target", "v") == "v"]
        first = min(free, key=lambda w: share(f"{self.topic} {text[w]}"))
        return [w._replace(held=w is first) for w in wordings]

    def _frame(self, frames, kind):
        """Frame lines are held for all families at once."""
        if self.fixed and kind == "changes":
            return []
        lines = frames["frame_" + kind] if self.np else []
        facts = frames["fact_" + kind] if self.fact else []
        if facts and kind == "statements" and not re.search(r"\bI\b", self.fact):
            facts = facts + frames["fact_statements_others"]
        lines = lines + [
            Wrapper(w.text.replace("{fact}", self.fact).replace("{what}", self.what), w.held) for w in facts
        ]
        return [Wording(Template(w.text.lstrip("!- ")), w.held, FREE.get(w.text[0], 2)) for w in lines]

    def _question(self, line, held):
        ask, _, answer = (part.strip() for part in line.partition("="))
        answer = (answer or self.default).replace("{k}", "{k2}")
        held = share(f"wording {self.topic} {ask}") < HELD_WORDINGS if held is None else held
        target = "v"
        kind = {"~": "clause", "^": "phrase", "<": "direct"}.get(ask[0], "direct")
        if ask[0] == "<":
            target, ask = ask[1], ask[2:]
        return Question(kind, Template(ask.lstrip("~^ ")), Template(answer), held, target)

    def _frame_questions(self, frames):
        answer = Template(self.np_answer.replace("{k}", "{k2}"))
        own = {q.ask.text for q in self.questions}
        out = [Question("phrase", Template(self.np), answer, False, "v")]
        for w in frames["frame_questions"]:
            ask = Template(w.text.replace("{np}", self.np))
            if ask.text not in own:
                out.append(Question("direct", ask, answer, w.held, "v"))
        return out


def load_families(frames):
    out = []
    for path in sorted((DATA / "families").glob("*.toml")):
        for table in tomllib.loads(path.read_text(encoding="utf-8"))["family"]:
            out.append(Family(table, frames))
    return out
