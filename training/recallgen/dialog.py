"""The dialog that is being written: what is said, what is known, what is asked."""

from chance import of
from facts import near_number
from filler import TURN

NEAR_MISS = 0.7  # of the questions for what was never said: something like it was said
CHATTY = 0.05  # statements in the same message as filler
NUMBERS = {"pin", "code", "number", "phone", "plate", "time", "price", "room"}


class Dialog:
    """The dialog that is being written, and what is known in it."""

    def __init__(self, world, talk, filler, rng):
        self.world, self.talk, self.filler, self.rng = world, talk, filler, rng
        self.turns, self.probes, self.size = [], [], 0
        self.topics, self.values, self.facts = {}, set(), []

    def say(self, user, reply):
        self.turns += [{"role": "user", "content": user}, {"role": "assistant", "content": reply}]
        self.size += len(user) + len(reply) + 2 * TURN

    def fill(self, until, room=None):
        """Filler up to a size; at most `room` characters beyond it are used by its last exchange."""
        while self.size < until:
            exchanges = self.filler.take(self.rng, until - self.size + (800 if room is None else room))
            if not exchanges:
                return
            for user, reply, _ in exchanges:
                if self.size < until:
                    self.say(user, reply)

    # --- facts

    def new_fact(self, family=None, name=None):
        """A fact whose topic and value are not in the dialog yet; None when chance gives none."""
        alike = family is None and self.topics and self.world.alike and self.rng.random() < self.world.alike
        for attempt in range(30):
            like = of(self.rng, list(self.topics.values())) if alike and attempt < 10 else None
            fact = self.world.draw_like(self.rng, like) if like else self.world.draw(self.rng, family, name)
            self._near_number(fact)
            if self._known(fact) or fact.value in self.values or (fact.name in self.values and name is None):
                continue
            self.topics[fact.topic] = fact
            self.values |= {fact.value, fact.name} - {""}
            fact.told_at, fact.held_statement = None, False
            return fact
        return None

    def _known(self, fact):
        """Whether its topic is in the dialog, or one like it: "the box" beside "the red box"."""
        if fact.topic in self.topics:
            return True
        mine = fact.word.split()
        for other in self.topics.values():
            if (
                other.family.topic == fact.family.topic
                and other.name == fact.name
                and fact.word
                and other.word
            ):
                theirs = other.word.split()
                n = min(len(mine), len(theirs))
                if mine[-n:] == theirs[-n:]:
                    return True
        return False

    def _near_number(self, fact):
        kind = fact.key.value
        if fact.classic or kind not in NUMBERS or self.rng.random() > 0.15:
            return
        like = [
            other.value
            for other in self.facts
            if other.key.value == kind and any(c.isdigit() for c in other.value)
        ]
        if like:
            fact.value = near_number(self.rng, of(self.rng, like))
            fact.fill()

    def _held(self, share):
        return self.world.split == "held-wordings" and self.rng.random() < share

    def tell(self, fact, also=None):
        rng = self.rng
        fact.held_statement = self._held(0.65)
        said = None
        if also and not fact.classic and not also.classic and not fact.held_statement:
            said = self.talk.tell_two(rng, fact, also)
            if said:
                also.told_at = len(self.turns)
                self.facts.append(also)
        said = said or self.talk.tell(rng, fact, fact.held_statement)
        fact.told_at = len(self.turns)
        self.facts.append(fact)
        self._say_told(said, fact)

    def change(self, fact):
        value = self.world.new_value(self.rng, fact, self.values)
        if value is None:
            return
        self.values.add(value)
        fact.change(value)
        fact.held_statement = self._held(0.65)
        said = self.talk.tell(self.rng, fact, fact.held_statement)
        fact.told_at = len(self.turns)
        self._say_told(said, fact)

    def _say_told(self, said, fact):
        user, reply = said.user, said.reply
        if self.rng.random() < CHATTY and not fact.classic:
            for other, answer, _ in self.filler.take(self.rng, 160):
                user = f"{other} {user}" if self.rng.random() < 0.5 else f"{user} {other}"
                reply = f"{answer} {reply}" if self.rng.random() < 0.5 else f"{reply} {answer}"
                break
        self.say(user, reply)

    # --- questions

    def ask(self, fact):
        if fact.told_at is None:
            return
        asked = self.talk.ask(
            self.rng, fact, True, self._held(0.7) or (not fact.held_statement and self._held(1))
        )
        self._probe(fact, asked, "changed" if fact.old else "told")

    def ask_never(self):
        """Asks for something that was not and will not be said."""
        fact = None
        if self.facts and self.rng.random() < NEAR_MISS:
            like = of(self.rng, self.facts)
            family, name = like.family, None
            if like.family.subject is True and self.rng.random() < 0.5:
                family, name = (
                    of(self.rng, [entry[0] for entry in self.world.pool if entry[0].subject is True]),
                    like.name,
                )
            if any(entry[0] is family for entry in self.world.pool):
                fact = self.new_fact(family, name)
        fact = fact or self.new_fact()
        if fact:
            self._probe(fact, self.talk.ask(self.rng, fact, False, self._held(1)), "never")

    def echo(self):
        """Asks for words that nobody has told, and gives them: nothing but copying helps."""
        words = self.world.unheard(self.rng)
        asked = self.talk.echo(self.rng, words)
        self.say(asked.user, asked.reply)
        turn = len(self.turns) - 1
        self.probes.append(
            {"turn": turn, "answer": words, "fact_turn": turn - 1, "family": "echo", "topic": "", "kind": "echo", "held": ""}
        )

    def _probe(self, fact, asked, kind):
        self.say(asked.user, asked.reply)
        held = fact.held or " and ".join(
            part for part, yes in (("statement", fact.held_statement), ("question", asked.held)) if yes
        )
        probe = {
            "turn": len(self.turns) - 1,
            "answer": asked.answer,
            "fact_turn": fact.told_at if kind != "never" else None,
            "family": fact.family.name,
            "topic": fact.topic,
            "kind": kind,
            "held": held,
        }
        if kind == "changed":
            probe["old"] = fact.old
        self.probes.append(probe)

    def result(self, **more):
        return {"turns": self.turns, "probes": self.probes, "topics": list(self.topics)} | more
