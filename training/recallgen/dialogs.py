"""The shapes of dialogs: how facts, questions and filler follow one another."""

import math

from chance import below

CHARS = 3.9  # of a token of the reference model, in running text
DENSE_CHARS = 3.35  # among names and numbers, with some room to spare
TWO_FACTS = 0.08  # messages that state two facts


def dense(dialog, tokens, facts):
    """Two halves of at most about `tokens` tokens each: the first states facts, the second, from turn
    "later" on, asks for them all."""
    rng, limit = dialog.rng, tokens * DENSE_CHARS
    changed, never = dialog.world.rates
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
    events = [(lambda fact=fact: dialog.ask(fact)) if fact else dialog.ask_never for fact in asks]
    if dialog.world.echo:
        events += [dialog.echo for _ in asks if rng.random() < dialog.world.echo]
        rng.shuffle(events)
    half = _Half(dialog, limit, len(events))
    for event in events:
        half.write(event)
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
    """Facts and questions all over; from a question back to its fact it is anything from a few turns to
    the whole dialog."""
    rng, end = dialog.rng, tokens * CHARS
    changed, never = dialog.world.rates
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
            if dialog.world.echo and rng.random() < dialog.world.echo:
                events.append((rng.random() * end, len(events), "echo", None))
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
                also = next((f for _, _, k, f in events[i + 1 :] if k == "tell" and f.told_at is None), None)
            dialog.tell(fact, also)
        elif kind == "change":
            dialog.change(fact)
        elif kind == "ask":
            dialog.ask(fact)
        elif kind == "never":
            dialog.ask_never()
        elif kind == "echo":
            dialog.echo()


def far(dialog, tokens, questions):
    """Facts anywhere, all questions at the end, none asked twice."""
    rng, end = dialog.rng, tokens * CHARS
    changed, never = dialog.world.rates
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
    asks = told[: questions - nevers] + [None] * nevers
    rng.shuffle(asks)
    for fact in asks:
        dialog.ask(fact) if fact else dialog.ask_never()
    return dialog.result()
