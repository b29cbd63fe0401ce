"""Tests of training/recallgen: python3 tests/training/recallgen_test.py"""

import collections
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "training" / "recallgen"))
import dialogs  # noqa: E402
from dialog import Dialog  # noqa: E402
from facts import SPLITS, Fact, World  # noqa: E402
from families import flip  # noqa: E402
from filler import Filler  # noqa: E402
from messages import NOT_TOLD, Talk  # noqa: E402
from templates import Template, with_article  # noqa: E402

CHAT = [
    ("Is there a table for two?", "Yes, at seven. Shall I book it?"),
    ("Please do.", "It is booked."),
    ("What about a taxi?", "I have found one for 12 dollars."),
    ("Thanks, that is all.", "Have a nice day."),
]
FILLER = Filler([[(user, reply, len(user) + len(reply) + 30) for user, reply in CHAT]])
WORLDS = {split: World(split) for split in SPLITS}
TALKS = {split: Talk(world) for split, world in WORLDS.items()}


def write(shape, split, seed, *options):
    dialog = Dialog(WORLDS[split], TALKS[split], FILLER, random.Random(seed))
    return getattr(dialogs, shape)(dialog, *options), dialog


def sample(split, n=12):
    """Dialogs of every shape."""
    for seed in range(n):
        yield write("dense", split, seed, 256, 6)[0]
        yield write("mixed", split, seed, 1500, 6)[0]
        yield write("far", split, seed, 1500, 10)[0]


class Wording(unittest.TestCase):
    def test_render_and_articles(self):
        self.assertEqual(Template("My {k} is {v}.").render({"k": "cat", "v": "Bo"}), "my cat is Bo.")
        self.assertEqual(Template("I like {v}.").text, "I like {v}.")
        self.assertEqual(
            [with_article(w) for w in ("owl", "uniform", "hour", "cat", "one-way road")],
            ["an owl", "a uniform", "an hour", "a cat", "a one-way road"],
        )

    def test_flip(self):
        self.assertEqual(flip("what I told my aunt about me"), "what you told your aunt about you")
        self.assertEqual(flip("{n} owes me {v}, and I am glad"), "{n} owes you {v}, and you are glad")


class Families(unittest.TestCase):
    def setUp(self):
        self.world = WORLDS["train"]

    def facts(self):
        for family in self.world.families:
            parts = any("{k.1}" in wording.template.text for wording in family.statements)
            for key in family.keys:
                yield Fact(
                    family,
                    key,
                    key.text or ("lamp moth by" if parts else "lamp"),
                    "Trella" if family.subject else "",
                    "VALUE",
                    False,
                    "",
                    "OLD",
                )

    def test_there_are_hundreds_of_relations_and_dozens_of_wordings(self):
        self.assertGreaterEqual(sum(len(f.keys) for f in self.world.families), 1000)
        self.assertGreaterEqual(len(self.world.families), 70)
        for f in self.world.families:
            if not f.held:
                self.assertGreaterEqual(len(f.statements + f.frames), 20, f.name)
                self.assertGreaterEqual(
                    len({q.ask.text for q in f.questions + f.frame_questions}), 11, f.name
                )

    def test_every_wording_renders_with_its_value(self):
        for fact in self.facts():
            f = fact.family
            for wording in f.statements + f.frames + f.changes + f.frame_changes:
                text = wording.template.render(fact.slots)
                for part in ("VALUE", fact.key.text or "lamp", fact.name):
                    if part != "-":
                        self.assertIn(part, text, f"{f.name}: {wording.template.text}")
                self.assertNotIn("{", text)
            for q in f.questions + f.frame_questions:
                text, answer = q.ask.render(fact.slots), q.answer.render(fact.slots)
                self.assertIn("VALUE", answer, f"{f.name}: {q.answer.text}")
                self.assertEqual("VALUE" in text, q.target != "v", f"{f.name}: {q.ask.text}")
                self.assertIsNone(re.search(r"\b(my|I|am)\b", answer), f"{f.name}: {q.answer.text}")

    def test_a_question_has_one_form_of_answer(self):
        answers = collections.defaultdict(set)
        for fact in self.facts():
            for q in fact.family.questions + fact.family.frame_questions:
                if q.target == "v":
                    answers[q.kind, q.ask.render(fact.slots)].add(q.answer.render(fact.slots).rstrip("."))
        for question, forms in answers.items():
            self.assertEqual(len(forms), 1, f"{question}: {forms}")

    def test_answers_hold_what_is_asked_for(self):
        rng, talk = random.Random(1), TALKS["train"]
        for fact in self.facts():
            for q in fact.family.questions + fact.family.frame_questions:
                asked = talk.phrase(rng, q, fact, True, False, False)
                self.assertIn(asked.answer, asked.reply, q.ask.text)

    def test_every_family_keeps_something_out_of_training(self):
        held = 0
        for f in self.world.families:
            held += sum(key.held for key in f.keys)
            if not f.held:
                self.assertTrue(any(w.held for w in f.statements), f.name)
                self.assertTrue(any(q.held for q in f.questions), f.name)
            classic = {t.text for t in f.classic["statements"]} | {q.ask.text for q in f.classic["questions"]}
            self.assertFalse([w for w in f.statements if w.held and w.template.text in classic], f.name)
            self.assertFalse([q for q in f.questions if q.held and q.ask.text in classic], f.name)
        share = held / sum(len(f.keys) for f in self.world.families)
        self.assertTrue(0.08 < share < 0.14, share)
        self.assertGreaterEqual(sum(f.held for f in self.world.families), 3)

    def test_what_is_held_is_not_worded_the_same_elsewhere(self):
        for fact in self.facts():
            f, held = fact.family, collections.defaultdict(set)
            for w in f.statements + f.frames + f.changes + f.frame_changes:
                held[w.template.render(fact.slots).rstrip(".")].add(w.held)
            for q in f.questions + f.frame_questions:
                held[q.kind, q.ask.render(fact.slots)].add(q.held)
            self.assertFalse([text for text, both in held.items() if len(both) > 1], f.name)

    def test_words_that_are_held(self):
        train, held = WORLDS["train"].words, WORLDS["never"].words
        self.assertLess(set(train.of("animal")), set(held.of("animal")))
        self.assertEqual(set(train.of("season")), set(held.of("season")))


class Splits(unittest.TestCase):
    def test_training_uses_nothing_that_is_held(self):
        rng, world, talk = random.Random(1), WORLDS["train"], TALKS["train"]
        for _ in range(3000):
            fact = world.draw(rng)
            self.assertFalse(fact.key.held or fact.family.held)
        for known in talk.known.values():
            self.assertTrue(known)
        held = {w.text for wrappers in world.wrappers.values() for w in wrappers if w.held}
        self.assertFalse(held & {text for known in talk.known.values() for text in known})

    def test_held_relations(self):
        kinds = {p["held"] for d in sample("held-relations") for p in d["probes"]}
        self.assertEqual(kinds, {"relation", "family"})

    def test_held_wordings(self):
        kinds = collections.Counter(p["held"] for d in sample("held-wordings") for p in d["probes"])
        self.assertEqual(set(kinds), {"statement", "question", "statement and question"})

    def test_changed_and_never(self):
        for split, least in (("changed", 0.7), ("never", 0.5)):
            kinds = collections.Counter(
                p["kind"] for seed in range(10) for p in write("far", split, seed, 2000, 12)[0]["probes"]
            )
            self.assertGreater(kinds[split] / kinds.total(), least)


class Dialogs(unittest.TestCase):
    def test_probes_point_at_what_they_say(self):
        for split in SPLITS:
            for d in sample(split, 6):
                roles = [t["role"] for t in d["turns"]]
                self.assertEqual(roles, ["user", "assistant"] * (len(roles) // 2))
                self.assertEqual(len(d["topics"]), len(set(d["topics"])))
                for p in d["probes"]:
                    answer = d["turns"][p["turn"]]["content"]
                    self.assertEqual(p["turn"] % 2, 1)
                    self.assertIn(p["answer"], answer)
                    self.assertEqual(p["kind"] == "never", p["fact_turn"] is None)
                    self.assertEqual(answer == NOT_TOLD, p["kind"] == "never")
                    if p["fact_turn"] is not None:
                        self.assertLess(p["fact_turn"], p["turn"])
                        self.assertIn(p["answer"].lower(), d["turns"][p["fact_turn"]]["content"].lower())

    def test_the_newest_value_is_asked_for(self):
        seen = 0
        for seed in range(20):
            d, dialog = write("mixed", "changed", seed, 1500, 6)
            for p in d["probes"]:
                if p["kind"] == "changed":
                    seen += 1
                    self.assertNotEqual(p["answer"], p["old"])
        self.assertGreater(seen, 50)

    def test_never_said_is_never_said(self):
        for seed in range(30):
            d, dialog = write("mixed", "train", seed, 1500, 6)
            told = {fact.topic for fact in dialog.facts}
            for p in d["probes"]:
                self.assertEqual(p["topic"] in told, p["kind"] != "never", p)
                self.assertIn(p["topic"], d["topics"])

    def test_values_of_a_dialog_differ(self):
        for seed in range(20):
            _, dialog = write("far", "train", seed, 3000, 20)
            values = [fact.value for fact in dialog.facts]
            self.assertEqual(len(values), len(set(values)))

    def test_dense_halves_stay_short(self):
        over = 0
        for seed in range(200):
            d, _ = write("dense", "train", seed, 128, 3)
            for part in (d["turns"][: d["later"]], d["turns"][d["later"] :]):
                over += sum(len(t["content"]) + 15 for t in part) > 128 * 3.9
            self.assertTrue(all(p["turn"] >= d["later"] for p in d["probes"]))
            self.assertTrue(all(p["fact_turn"] is None or p["fact_turn"] < d["later"] for p in d["probes"]))
        self.assertLess(over / 400, 0.15)

    def test_shares_of_kinds(self):
        kinds = collections.Counter(
            p["kind"] for seed in range(150) for p in write("dense", "train", seed, 256, 7)[0]["probes"]
        )
        self.assertTrue(0.04 < kinds["never"] / kinds.total() < 0.10, kinds)
        self.assertTrue(0.04 < kinds["changed"] / kinds.total() < 0.14, kinds)


class Echo(unittest.TestCase):
    def test_words_of_the_question_are_repeated_and_stand_nowhere_else(self):
        world = World("train", echo=0.5)
        talk, echoes, others = Talk(world), 0, 0
        for seed in range(60):
            dialog = Dialog(world, talk, FILLER, random.Random(seed))
            out = dialogs.dense(dialog, 256, 6)
            said = [turn["content"] for turn in out["turns"]]
            for probe in out["probes"]:
                others += probe["kind"] != "echo"
                if probe["kind"] != "echo":
                    continue
                echoes += 1
                self.assertGreater(probe["turn"], out["later"])
                self.assertEqual(probe["fact_turn"], probe["turn"] - 1)
                self.assertEqual(said[probe["turn"]], probe["answer"])
                self.assertIn(probe["answer"].lower(), said[probe["turn"] - 1].lower())
                self.assertEqual(sum(probe["answer"].lower() in text.lower() for text in said), 2)
        self.assertTrue(0.35 < echoes / others < 0.65, (echoes, others))

    def test_nothing_is_repeated_unless_asked_for(self):
        for seed in range(30):
            self.assertFalse(any(p["kind"] == "echo" for p in write("dense", "train", seed, 256, 7)[0]["probes"]))


class Alike(unittest.TestCase):
    def shares(self, alike):
        """Of the facts: with another of their family beside them; in the older generator's words."""
        world = World("train", alike=alike)
        talk, beside, classic, total = Talk(world), 0, 0, 0
        for seed in range(60):
            dialog = Dialog(world, talk, FILLER, random.Random(seed))
            for _ in range(8):
                dialog.new_fact()
            facts = list(dialog.topics.values())
            families = collections.Counter(fact.family.topic for fact in facts)
            beside += sum(families[fact.family.topic] > 1 for fact in facts)
            classic += sum(fact.classic for fact in facts)
            total += len(facts)
            self.assertEqual(len({fact.value for fact in facts}), len(facts))
        return beside / total, classic / total

    def test_facts_stand_beside_others_of_their_family(self):
        few, classic = self.shares(0.0)
        many, still = self.shares(0.6)
        self.assertTrue(few < 0.45 < 0.75 < many, (few, many))
        self.assertAlmostEqual(still, classic, delta=0.08)


class Lexicon(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.text = Path(self.folder.name, "text")
        self.words = ["".join(w) for w in itertools.product("bdfglmnprst", "aeiou", "bdfglmnprst", "aeiou")]
        self.text.write_text(" ".join(self.words * 5 + ["Stranger", "once", "stick insect"]), encoding="utf-8")

    def test_its_words_stand_in_for_keys_and_values(self):
        world = World("train", lexicon=[self.text], share=0.5)
        rng, known = random.Random(1), set(world.words.lexicon)
        self.assertLess(known, set(self.words), "neither rare words nor names")
        facts = [world.draw(rng) for _ in range(3000)]
        open_ = [f for f in facts if f.family.name.startswith("strange-")]
        self.assertTrue(0.2 < len(open_) / len(facts) < 0.4, len(open_))
        others = [f for f in facts if not f.family.name.startswith("strange-") and not f.classic]
        stood_in = [f for f in others if set(f.word.split()) - {"the"} and set(f.word.split()) - {"the"} <= known]
        self.assertTrue(0.2 < len(stood_in) / len(others) < 0.5, len(stood_in))
        self.assertTrue(any(set(f.value.split()) <= known for f in others))
        talk = Talk(world)
        for seed in range(20):
            dialogs.dense(Dialog(world, talk, FILLER, random.Random(seed)), 256, 6)

    def test_nothing_that_is_held_is_in_it(self):
        self.text.write_text(" ".join(self.words * 5 + ["stick", "insect", "dances", "scissors"] * 9), encoding="utf-8")
        known = World("train", lexicon=[self.text], share=0.5).words.lexicon
        self.assertFalse({"stick", "insect", "dances", "scissors"} & set(known))

    def test_without_one_nothing_is_strange(self):
        rng = random.Random(1)
        for _ in range(3000):
            self.assertFalse(WORLDS["train"].draw(rng).family.name.startswith("strange-"))

    def test_a_text_of_few_words_is_refused(self):
        self.text.write_text("a few words " * 100, encoding="utf-8")
        with self.assertRaises(ValueError):
            World("train", lexicon=[self.text], share=0.5)


class Program(unittest.TestCase):
    def test_same_seed_same_file(self):
        with tempfile.TemporaryDirectory() as folder:
            filler = Path(folder, "chat.txt")
            filler.write_text(
                "".join(f"User: {user}\nSystem: {reply}\n" for user, reply in CHAT), encoding="utf-8"
            )
            files = []
            for name, seed in (("a", 3), ("b", 3), ("c", 4)):
                out = Path(folder, name)
                subprocess.run(
                    [
                        sys.executable,
                        "-B",
                        ROOT / "training" / "recallgen",
                        "--mode",
                        "mixed",
                        "--tokens",
                        "500-1000",
                        "--count",
                        "3",
                        "--seed",
                        str(seed),
                        "--filler",
                        filler,
                        "--out",
                        out,
                    ],
                    check=True,
                )
                files.append(out.read_bytes())
            self.assertEqual(files[0], files[1])
            self.assertNotEqual(files[0], files[2])
            self.assertEqual(len([json.loads(line) for line in files[0].splitlines()]), 3)


if __name__ == "__main__":
    unittest.main()
