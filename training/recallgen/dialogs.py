"""Dialogs: facts, questions and filler put in order. One `Dialog` at a time; `dense`, `mixed` and `far` are the shapes."""
import math

from facts import near_number
from filler import TURN
from values import below, of

CHARS = 3.9  # of a token of the reference model, in running text
DENSE_CHARS = 3.35  # among names and numbers, with some room to spare
NEVER = 0.07  # questions for what was never said
NEAR_MISS = 0.7  # of those: something like it was said
CHANGED = 0.12  # facts that are stated anew with another value
TWO_FACTS = 0.08  # messages that state two facts
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
        for _ in range(30):
            fact = self.world.draw(self.rng, family, name)
            self._near_number(fact)
            if self._known(fact) or fact.value in self.values or (fact.name in self.values and name is None):
                continue
            self.topics[fact.topic] = fact
            self.values |= {fact.value, fact.name} - {""}
            fact.told_at, fact.held_statement = None, False
            return fact
        return None

    def _known(self, fact):
        """Whether its topic is in the dialog, or one that could be meant as well: "the box" beside "the red box"."""
        if fact.topic in self.topics:
            return True
        mine = fact.word.split()
        for other in self.topics.values():
            if other.family.topic == fact.family.topic and other.name == fact.name and fact.word and other.word:
                theirs = other.word.split()
                n = min(len(mine), len(theirs))
                if mine[-n:] == theirs[-n:]:
                    return True
        return False

    def _near_number(self, fact):
        kind = fact.key.value
        if fact.classic or kind not in NUMBERS or self.rng.random() > 0.15:
            return
        like = [other.value for other in self.facts if other.key.value == kind and any(c.isdigit() for c in other.value)]
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
        asked = self.talk.ask(self.rng, fact, True, self._held(0.7) or (not fact.held_statement and self._held(1)))
        self._probe(fact, asked, "changed" if fact.old else "told")

    def ask_never(self):
        """Asks for something that was not and will not be said."""
        fact = None
        if self.facts and self.rng.random() < NEAR_MISS:
            like = of(self.rng, self.facts)
            family, name = like.family, None
            if like.family.subject is True and self.rng.random() < 0.5:
                family, name = of(self.rng, [entry[0] for entry in self.world.pool if entry[0].subject is True]), like.name
            if any(entry[0] is family for entry in self.world.pool):
                fact = self.new_fact(family, name)
        fact = fact or self.new_fact()
        if fact:
            self._probe(fact, self.talk.ask(self.rng, fact, False, self._held(1)), "never")

    def _probe(self, fact, asked, kind):
        self.say(asked.user, asked.reply)
        held = fact.held or " and ".join(part for part, yes in (("statement", fact.held_statement), ("question", asked.held)) if yes)
        probe = {"turn": len(self.turns) - 1, "answer": asked.answer, "fact_turn": fact.told_at if kind != "never" else None,
                 "family": fact.family.name, "topic": fact.topic, "kind": kind, "held": held}
        if kind == "changed":
            probe["old"] = fact.old
        self.probes.append(probe)

    def result(self, **more):
        return {"turns": self.turns, "probes": self.probes, "topics": list(self.topics)} | more


def rates(split):
    """Shares of changed facts and of questions for what was never said."""
    return {"changed": (0.85, 0.0), "never": (0.05, 0.7)}.get(split, (CHANGED, NEVER))


def dense(dialog, tokens, facts):
    """Two halves of at most about `tokens` tokens each: the first states facts, the second, from turn "later" on, asks for them all."""
    rng, limit = dialog.rng, tokens * DENSE_CHARS
    changed, never = rates(dialog.world.split)
    todo = [fact for fact in (dialog.new_fact() for _ in range(facts)) if fact]
    events = [(rng.random(), i) for i in range(len(todo))]
    events += [(at + (1 - at) * rng.random(), i) for at, i in events if rng.random() < changed * 0.7]
    half = _Half(dialog, limit, len(events))
    for _, i in sorted(events):
        fact = todo[i]
        if fact.told_at is None:
            also = next((f for f in todo if f.told_at is None and f is not fact), None)
            half.write(lambda: dialog.tell(fact, also if rng.random() < TWO_FACTS else None))
        else:
            half.write(lambda: dialog.change(fact))
    half.close()
    later = len(dialog.turns)
    asks = [fact for fact in todo if fact.told_at is not None]
    rng.shuffle(asks)
    asks = [fact if rng.random() > never else None for fact in asks]
    half = _Half(dialog, limit, len(asks))
    for fact in asks:
        half.write((lambda: dialog.ask(fact)) if fact else dialog.ask_never)
    half.close()
    return dialog.result(later=later)


class _Half:
    """Spreads events and filler over a stretch of limited size."""

    EVENT = 105  # characters that an event is expected to need

    def __init__(self, dialog, limit, events):
        self.dialog, self.end, self.left = dialog, dialog.size + limit, events

    def write(self, event):
        dialog = self.dialog
        room = self.end - dialog.size - self.left * self.EVENT
        if dialog.size + 80 > self.end:
            return  # what no longer fits is not said
        if room > 0 and dialog.rng.random() < 0.7:
            share = room * dialog.rng.random() * 2 / (self.left + 1)
            dialog.fill(dialog.size + share, min(room, share + 200) - share)
        event()
        self.left -= 1

    def close(self):
        self.dialog.fill(self.end, 0)


def mixed(dialog, tokens, facts_per_1k, asks_per_fact=1.2):
    """Facts and questions all over; from a question back to its fact it is anything from a few turns to the whole dialog."""
    rng, end = dialog.rng, tokens * CHARS
    changed, never = rates(dialog.world.split)
    events = []
    for _ in range(max(2, round(tokens / 1000 * facts_per_1k))):
        fact = dialog.new_fact()
        if not fact:
            continue
        at = rng.random() * end * 0.96
        events.append((at, len(events), "tell", fact))
        if rng.random() < changed:
            again = at + (end - at) * rng.random() * 0.9
            events.append((again, len(events), "change", fact))
            at = again if rng.random() < 0.8 else at
        asks = int(asks_per_fact + rng.random() * 0.999) if rng.random() < 0.9 else 0
        for _ in range(asks):
            events.append((_later(rng, at, end), len(events), "ask", fact))
            if rng.random() < never / (1 - never):
                events.append((rng.random() * end, len(events), "never", None))
    _play(dialog, sorted(events, key=lambda event: event[:2]))
    dialog.fill(end)
    return dialog.result()


def _later(rng, at, end):
    """Where a question for a fact stands."""
    r = rng.random()
    room = end - at
    near = 150 + rng.random() * 1300
    if r < 0.2 and near < room:
        return at + near
    if r < 0.6 and room > 1500:
        return at + math.exp(math.log(1000) + rng.random() * (math.log(room) - math.log(1000)))
    return at + room * rng.random()


def _play(dialog, events):
    rng = dialog.rng
    for i, (at, _, kind, fact) in enumerate(events):
        dialog.fill(at)
        if kind == "tell" and fact.told_at is None:
            also = None
            if rng.random() < TWO_FACTS:
                also = next((f for _, _, k, f in events[i + 1:] if k == "tell" and f.told_at is None), None)
            dialog.tell(fact, also)
        elif kind == "change":
            dialog.change(fact)
        elif kind == "ask":
            dialog.ask(fact)
        elif kind == "never":
            dialog.ask_never()


def far(dialog, tokens, questions):
    """Facts anywhere, all questions at the end, none asked twice."""
    rng, end = dialog.rng, tokens * CHARS
    changed, never = rates(dialog.world.split)
    budget = end - questions * 110
    events = []
    nevers = sum(rng.random() < never for _ in range(questions))
    for _ in range(max(questions - nevers + below(rng, questions // 2 + 1), questions // 4)):
        fact = dialog.new_fact()
        if not fact:
            continue
        at = rng.random() * budget
        events.append((at, len(events), "tell", fact))
        if rng.random() < changed:
            events.append((at + (budget - at) * rng.random(), len(events), "change", fact))
    _play(dialog, sorted(events, key=lambda event: event[:2]))
    dialog.fill(budget)
    told = list(dialog.facts)
    rng.shuffle(told)
    told.sort(key=lambda fact: not fact.old if dialog.world.split == "changed" else 0)
    asks = told[:questions - nevers] + [None] * nevers
    rng.shuffle(asks)
    for fact in asks:
        dialog.ask(fact) if fact else dialog.ask_never()
    return dialog.result()
