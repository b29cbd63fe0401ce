"""Families of relations (data/families/*.toml): keys, kinds of value, wordings, and what of them is held out.

A family is a table: name; keys (text "a, b*" with * for plural, "@list" for words of words.toml, or a table key = kind of value);
value (kind); subject (a made-up person {n} is part of the relation); np (noun phrase for the frames of wrappers.toml); np_answer;
plain (what the value is); topic (families with the same topic never hold the same key in one dialog); held (the whole family).
Wordings, one a line: statements, changes, acks, questions. A statement that begins with "!" stands alone,
one that begins with "-" is a clause but none that "that" could introduce.
Questions are "ask = answer", where ask is a question, "~ indirect clause", "^ noun phrase", or "<k question" / "<n question" that
asks for the key or the person when the value is given.
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

_FLIP = {"my": "your", "i": "you", "me": "you", "mine": "yours", "am": "are", "our": "your", "we": "you", "us": "you", "myself": "yourself",
         "i'm": "you're", "i've": "you've", "i'd": "you'd"}
_FLIP_WORD = re.compile(r"\b(I'm|I've|I'd|I|my|me|mine|am|our|we|us|myself)\b(?!\})")


def flip(text):
    """The user's words as the assistant says them."""
    return _FLIP_WORD.sub(lambda word: _FLIP[word.group(0).lower()], text)


def load_wrappers():
    return {name: [Wrapper(t[0].lower() + t[1:] if name.startswith(("statement", "change", "question", "clause", "phrase", "plain")) and t[0] != "{"
                           and not t.startswith("I ") else t, share("wrapper " + t) < HELD_WORDINGS) for t in lines_of(text)]
            for name, text in tomllib.loads((DATA / "wrappers.toml").read_text(encoding="utf-8")).items()}


class Family:
    def __init__(self, table, frames):
        self.name = table.pop("name")
        self.topic = table.pop("topic", self.name)
        self.plain = table.pop("plain", "answer")
        self.subject = table.pop("subject", False)
        self.held = table.pop("held", False)
        self.weight = table.pop("weight", 1.0)
        self.value = table.pop("value", "name")
        self.np = table.pop("np", None)
        self.np_answer = table.pop("np_answer", flip(self.np) + " is {v}." if self.np else None)
        self.np_template = Template(self.np) if self.np else None
        classic = {kind: lines_of(table.pop("classic_" + kind, "")) for kind in ("statements", "acks", "questions")}
        self.classic = {"keys": [w.strip() for w in table.pop("classic_keys", "").split(",") if w.strip()],
                        "values": table.pop("classic_values", None),
                        "statements": [Template(t) for t in classic["statements"]], "acks": [Template(t) for t in classic["acks"]],
                        "questions": [self._question(t, False) for t in classic["questions"]]}
        self.keys = self._keys(table.pop("keys", "-"))
        self.statements = self._wordings(lines_of(table.pop("statements", "")) + classic["statements"], classic["statements"])
        self.changes = self._wordings(lines_of(table.pop("changes", "")), ())
        self.acks = [Template(t) for t in lines_of(table.pop("acks", "")) + classic["acks"]]
        self.questions = [self._question(t, None) for t in lines_of(table.pop("questions", ""))] + self.classic["questions"]
        self.frames = [w for w in self._frame(frames["frame_statements"])] if self.np else []
        self.frame_changes = [w for w in self._frame(frames["frame_changes"])] if self.np else []
        self.frame_questions = self._frame_questions(frames) if self.np else []
        if table:
            raise ValueError(f"family {self.name}: unknown {', '.join(table)}")

    def _keys(self, keys):
        source = keys[1:] if isinstance(keys, str) and keys.startswith("@") else None
        if source:
            return [Key(None, False, self.value, False, source)]
        if isinstance(keys, str):
            keys = {key.strip(): self.value for key in keys.split(",")}
        out = []
        for key, value in keys.items():
            word = key.rstrip("*")
            held = self.held or (word != "-" and word not in self.classic["keys"] and share("key " + word) < HELD_KEYS)
            out.append(Key(word, key.endswith("*"), value, held, None))
        return out

    def _wordings(self, lines, classic):
        return [Wording(Template(t.lstrip("!- ")), t not in classic and share(f"wording {self.topic} {t}") < HELD_WORDINGS, FREE.get(t[0], 2)) for t in lines]

    def _frame(self, wrappers):
        """Frame lines are held for all families at once."""
        return [Wording(Template(w.text.lstrip("!- ")), w.held, FREE.get(w.text[0], 2)) for w in wrappers]

    def _question(self, line, held):
        ask, answer = (part.strip() for part in line.split("=", 1))
        held = share(f"wording {self.topic} {ask}") < HELD_WORDINGS if held is None else held
        target = "v"
        kind = {"~": "clause", "^": "phrase", "<": "direct"}.get(ask[0], "direct")
        if ask[0] == "<":
            target, ask = ask[1], ask[2:]
        return Question(kind, Template(ask.lstrip("~^ ")), Template(answer), held, target)

    def _frame_questions(self, frames):
        answer = Template(self.np_answer)
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
