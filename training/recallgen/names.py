"""Made-up names of people, places and things, and what is built from them. All take (rng, words)."""

from chance import below, digits, letters, of
from templates import cap

ONSETS = "b br c ch cl d dr f fl g gr h j k l m n p pr qu r s sh st t th tr v w y z".split()
NUCLEI = "a e i o u ai ea ee ia io oa ou".split()
CODAS = ["", "", "l", "m", "n", "r", "s", "t", "x", "nd", "rk", "th", "ss", "ll", "ck"]
SOFT = [c + v for c in "b d f g h k l m n p r s t v z".split() for v in "a e i o u".split()]
ENDS = "n r l s th na ra lin den rik mo sa el ix us a o ie y".split()


def syllables(rng):
    """One made-up word, small letters."""
    if rng.random() < 0.6:
        return "".join(of(rng, ONSETS) + of(rng, NUCLEI) + of(rng, CODAS) for _ in range(of(rng, (1, 2, 2))))
    return "".join(of(rng, SOFT) for _ in range(of(rng, (1, 2, 2)))) + of(rng, ENDS)


def coined(rng, words=None):
    while True:
        name = cap(syllables(rng))
        if len(name) > 2:
            return name


def word(rng, words):
    """A made-up word, small letters."""
    while True:
        text = syllables(rng)
        if len(text) > 2:
            return text


def name(rng, words):
    return words.pick(rng, "first_name") if rng.random() < 0.2 else coined(rng, words)


def fullname(rng, words):
    last = words.pick(rng, "last_name") if rng.random() < 0.4 else coined(rng, words)
    return name(rng, words) + " " + last


def person(rng, words):
    return fullname(rng, words) if rng.random() < 0.2 else name(rng, words)


def pet(rng, words):
    r = rng.random()
    if r < 0.2:
        return cap(words.pick(rng, of(rng, ("noun", "abstract", "spice", "gem"))).rstrip("*"))
    return (
        coined(rng, words)
        if r < 0.9
        else of(rng, ("Captain ", "Little ", "Lady ", "Old ", "Sir ")) + coined(rng, words)
    )


def town(rng, words):
    r = rng.random()
    if r < 0.2:
        return words.pick(rng, "city")
    if r < 0.4:
        return cap(syllables(rng)) + words.pick(rng, "place_tail")
    return (
        of(rng, ("Port ", "New ", "Saint ", "Upper ", "Lake ")) + coined(rng, words)
        if r < 0.5
        else coined(rng, words)
    )


def company(rng, words):
    return (
        f"{coined(rng, words)} {words.pick(rng, 'company_tail')}"
        if rng.random() < 0.6
        else coined(rng, words)
    )


def school(rng, words):
    return f"{coined(rng, words)} {words.pick(rng, 'school_tail')}"


def shop(rng, words):
    tail = words.pick(rng, "shop_tail")
    return coined(rng, words) + (tail if tail[0] == "'" else " " + tail)


def car(rng, words):
    r = rng.random()
    model = (
        coined(rng, words)
        if rng.random() < 0.5
        else of(rng, (letters(rng, 1) + str(rng.randrange(1, 9)), str(rng.randrange(100, 999))))
    )
    return f"{words.pick(rng, 'brand') if r < 0.6 else coined(rng, words)} {model}"


def title(rng, words):
    """Of a book, film or song."""
    adjective, one, two = (cap(words.pick(rng, kind)) for kind in ("adjective", "abstract", "abstract"))
    return of(
        rng,
        (
            f"The {adjective} {one}",
            f"{one} of {coined(rng, words)}",
            f"{adjective} {one}",
            f"The {one} and the {two}",
            f"The {one} of the {two}",
            f"{coined(rng, words)}'s {one}",
            f"A {one} for {coined(rng, words)}",
        ),
    )


def inn(rng, words):
    return (
        coined(rng, words)
        if rng.random() < 0.5
        else f"{cap(words.pick(rng, 'adjective'))} {cap(words.pick(rng, of(rng, ('animal', 'abstract'))))}"
    )


def band(rng, words):
    return of(
        rng,
        (
            f"The {cap(words.pick(rng, 'adjective'))} {cap(words.pick(rng, 'animal'))}s",
            coined(rng, words),
            title(rng, words),
        ),
    )


def password(rng, words):
    r = rng.random()
    one, two = (
        words.pick(rng, of(rng, ("animal", "fruit", "abstract", "colour"))).replace(" ", "") for _ in range(2)
    )
    if r < 0.4:
        return f"{one}-{two}-{rng.randrange(10, 99)}"
    return f"{one}{rng.randrange(10, 999)}" if r < 0.7 else f"{syllables(rng)}{rng.randrange(10, 999)}"


def handle(rng, words):
    base = of(
        rng,
        (
            syllables(rng),
            f"{words.pick(rng, 'abstract')}_{words.pick(rng, 'animal').replace(' ', '')}",
            f"{syllables(rng)}{rng.randrange(2, 99)}",
        ),
    )
    return base


def email(rng, words):
    return f"{handle(rng, words)}@{of(rng, (syllables(rng), words.pick(rng, 'mail_host')))}.{of(rng, ('com', 'org', 'net'))}"


def address(rng, words):
    street = words.pick(rng, "street_name") if rng.random() < 0.6 else coined(rng, words)
    return f"{rng.randrange(1, 200)} {street} {words.pick(rng, 'street_tail')}"


KINDS = (
    coined,
    word,
    name,
    fullname,
    person,
    pet,
    town,
    company,
    school,
    shop,
    car,
    title,
    inn,
    band,
    password,
    handle,
    email,
    address,
)
