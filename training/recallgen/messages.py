"""What is said about a fact: statement, acknowledgement, question and answer."""

from collections import namedtuple

from templates import Template, cap
from chance import of

Said = namedtuple("Said", "user reply held")
Asked = namedtuple("Asked", "user reply answer held")
NOT_TOLD = "You have not told me that yet."
PLAIN_SHARE = 0.13  # questions that want the value alone
REVERSE_SHARE = 0.06  # questions that give the value and want key or person


def bare(key):
    """A key without its article."""
    return key.split(" ", 1)[1] if key.startswith(("the ", "your ")) else key


class Talk:
    def __init__(self, world):
        self.world = world
        known, held = {}, {}
        for kind, wrappers in world.wrappers.items():
            known[kind] = [w.text for w in wrappers if not w.held]
            held[kind] = [w.text for w in wrappers if w.held]
        self.known, self.held = known, held
        self.cache = {}

    def some(self, family, kind, held):
        """Wordings of one kind that are held, or that are not. Empty when there are none."""
        key = (id(family), kind, held)
        if key not in self.cache:
            self.cache[key] = [w for w in getattr(family, kind) if w.held == held]
        return self.cache[key]

    # --- statements

    def clause(self, rng, fact, held):
        """One bare statement without its full stop, and whether how free it is."""
        family = fact.family
        own, frame = (
            ("changes", "frame_changes") if fact.old and rng.random() < 0.65 else ("statements", "frames")
        )
        kind = (
            frame if getattr(family, frame) and rng.random() < (0.45 if getattr(family, own) else 1) else own
        )
        wordings = (
            self.some(family, kind, held)
            or self.some(family, own, held)
            or self.some(family, "statements", held)
        )
        wording = of(rng, wordings or self.some(family, "statements", False))
        return wording.template.render(fact.slots).rstrip("."), wording.free, kind.endswith("changes")

    def wrap(self, rng, kind, held=False, **slots):
        text = of(rng, (self.held[kind] if held and self.held[kind] else self.known[kind]))
        for name, value in slots.items():
            text = text.replace("{" + name + "}", value)
        return text

    def statement(self, rng, fact, held=False):
        """The user's message that states a fact, or states it anew."""
        if fact.classic and not held:
            text = cap(of(rng, fact.family.classic["statements"]).render(fact.slots))
            if fact.old:
                if text.startswith(("My ", "The ", "Please ")):
                    text = of(rng, ("Actually, ", "That has changed: ", "Now ")) + text[0].lower() + text[1:]
                else:
                    text = of(rng, ("Actually, ", "That has changed: ")) + text
            return text
        text, free, new = self.clause(rng, fact, held)
        for _ in range(6):  # a statement that stands alone does not say that something has changed
            if not fact.old or new or free == 2:
                break
            text, free, new = self.clause(rng, fact, held)
        if fact.old and not new:
            kind = "correction" if fact.family.fixed or rng.random() < 0.5 else "update"
            kind += "_suffixes" if free and rng.random() < 0.3 else "_prefixes"
            return cap(self.wrap(rng, kind, s=text, S=cap(text), old=fact.old))
        return self.dress(rng, text, free)

    def dress(self, rng, text, free):
        r = rng.random()
        if r < 0.45:
            out = cap(text) + "."
        elif r < 0.63 and free:
            out = cap(self.wrap(rng, "statement_prefixes", s=text))
        elif r < 0.77 and free == 2:
            out = cap(self.wrap(rng, "statement_clauses", s=text))
        elif r < 0.88 and free:
            out = self.wrap(rng, "statement_suffixes", S=cap(text))
        else:
            out = cap(text) + "."
        if rng.random() < 0.1:
            chat = of(rng, self.known["small_talk"])
            out = f"{chat} {out}" if rng.random() < 0.7 else f"{out} {chat}"
        return out

    def acknowledge(self, rng, fact):
        slots, family = fact.slots, fact.family
        if fact.classic:
            return cap(of(rng, family.classic["acks"]).render(slots))
        if fact.old and rng.random() < 0.35:
            return of(rng, self.known["acks_change"])
        r = rng.random()
        if r < 0.5:
            return of(rng, self.known["acks_plain"])
        if r < 0.62 and family.acks:
            return cap(of(rng, family.acks).render(slots))
        if r < 0.75:
            return cap(self.wrap(rng, "acks_value", v=fact.value))
        answers = [q for q in family.questions if q.target == "v" and not q.held]
        answer = of(rng, answers).answer.render(slots).rstrip(".")
        return cap(self.wrap(rng, "acks_answer", a=answer, A=cap(answer)))

    def tell(self, rng, fact, held=False):
        return Said(self.statement(rng, fact, held), self.acknowledge(rng, fact), held)

    def tell_two(self, rng, one, two):
        """Two facts in one message."""
        texts = [self.clause(rng, fact, False) for fact in (one, two)]
        if not all(free for _, free, _ in texts):
            return None
        s1, s2 = texts[0][0], texts[1][0]
        user = cap(self.wrap(rng, "join_facts", s1=s1, s2=s2, S1=cap(s1), S2=cap(s2)))
        r = rng.random()
        if r < 0.5:
            reply = of(rng, self.known["acks_two"])
        elif r < 0.8:
            reply = f"{self.acknowledge(rng, one)} {self.acknowledge(rng, two)}"
        else:
            reply = of(rng, self.known["acks_plain"])
        return Said(user, reply, False)

    # --- questions

    def echo(self, rng, words):
        """A request to repeat the words that it names."""
        return Asked(cap(self.wrap(rng, "echo_requests", x=words)), words, words, False)

    def ask(self, rng, fact, told=True, held=False):
        """A question for a fact and its answer."""
        family, slots = fact.family, fact.slots
        if fact.classic and not held:
            question = of(rng, family.classic["questions"])
            return self._asked(
                cap(question.ask.render(slots)), question.answer.render(slots), fact.value, told, False
            )
        reverse = rng.random() < REVERSE_SHARE
        r = rng.random()
        own = self.some(family, "questions", held)
        frame = self.some(family, "frame_questions", held)
        wrapped = False
        if held and rng.random() < 0.3 or held and not own:  # a known question in a held wrapper
            own, frame, wrapped = (
                self.some(family, "questions", False),
                self.some(family, "frame_questions", False),
                True,
            )
        pool = [q for q in own if (q.target != "v") == reverse] or [q for q in own if q.target == "v"] or own
        if frame and not reverse and r < 0.3:
            pool = frame if r < 0.15 else [q for q in pool + frame if q.kind == "phrase"] or frame
        question = of(rng, pool)
        return self.phrase(rng, question, fact, told, held, wrapped)

    def phrase(self, rng, question, fact, told, held, wrapped):
        slots = fact.slots
        text, answer = question.ask.render(slots), question.answer.render(slots)
        value = {"v": fact.value, "k": bare(slots["k2"]), "n": fact.name}[question.target]
        if question.target == "k" and value not in cap(answer):
            value = cap(value)
        if question.kind == "clause":
            return self._asked(
                cap(self.wrap(rng, "clause_questions", wrapped, c=text)), answer, value, told, held
            )
        if question.kind == "phrase":
            return self._asked(
                cap(self.wrap(rng, "phrase_questions", wrapped, np=text, NP=cap(text))),
                answer,
                value,
                told,
                held,
            )
        r = rng.random()
        if r < PLAIN_SHARE and question.target != "k":
            plain = "name" if question.target == "n" else fact.family.plain
            text = cap(self.wrap(rng, "plain_questions", wrapped, q=text, Q=cap(text), plain=plain))
            return self._asked(text, None, value, told, held)
        if wrapped or r < 0.45:
            kind = "question_prefixes" if rng.random() < 0.65 else "question_suffixes"
            text = self.wrap(rng, kind, wrapped, q=text, Q=cap(text))
        return self._asked(cap(text), answer, value, told, held)

    @staticmethod
    def _asked(text, answer, value, told, held):
        if not told:
            return Asked(text, NOT_TOLD, "not told", held)
        return Asked(text, cap(answer) if answer else value, value, held)
