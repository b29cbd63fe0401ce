"""Values of facts: names of random syllables, numbers of many shapes, words and short phrases.

Every kind is a function (rng, words) -> str. `make(kind, ...)` also takes "list" names of words.toml, and
"a|b" for one of several kinds.
"""
from templates import cap

ONSETS = "b br c ch cl d dr f fl g gr h j k l m n p pr qu r s sh st t th tr v w y z".split()
NUCLEI = "a e i o u ai ea ee ia io oa ou".split()
CODAS = ["", "", "l", "m", "n", "r", "s", "t", "x", "nd", "rk", "th", "ss", "ll", "ck"]
SOFT = [c + v for c in "b d f g h k l m n p r s t v z".split() for v in "a e i o u".split()]
ENDS = "n r l s th na ra lin den rik mo sa el ix us a o ie y".split()
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def of(rng, items):
    return items[int(rng.random() * len(items))]


def below(rng, n):
    return int(rng.random() * n)


def digits(rng, n):
    return "".join(of(rng, "0123456789") for _ in range(n))


def letters(rng, n):
    return "".join(of(rng, LETTERS) for _ in range(n))


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
    return coined(rng, words) if r < 0.9 else of(rng, ("Captain ", "Little ", "Lady ", "Old ", "Sir ")) + coined(rng, words)


def town(rng, words):
    r = rng.random()
    if r < 0.2:
        return words.pick(rng, "city")
    if r < 0.4:
        return cap(syllables(rng)) + words.pick(rng, "place_tail")
    return of(rng, ("Port ", "New ", "Saint ", "Upper ", "Lake ")) + coined(rng, words) if r < 0.5 else coined(rng, words)


def number(rng, words):
    return str(rng.randrange(*of(rng, ((100, 1000), (1000, 10000), (10000, 100000), (100000, 1000000)))))


def pin(rng, words):
    return digits(rng, of(rng, (4, 4, 5, 6))) if rng.random() < 0.5 else str(rng.randrange(1000, 99999))


def code(rng, words):
    r = rng.random()
    if r < 0.55:
        return pin(rng, words)
    if r < 0.65:
        return letters(rng, 1) + digits(rng, of(rng, (2, 3, 4)))
    if r < 0.75:
        return digits(rng, 2) + "-" + digits(rng, of(rng, (2, 3)))
    if r < 0.85:
        return letters(rng, 2) + "-" + digits(rng, 3)
    return digits(rng, of(rng, (2, 3))) + letters(rng, 1) + digits(rng, of(rng, (0, 1, 2)))


def small(rng, words):
    return words.pick(rng, "number_word") if rng.random() < 0.5 else str(rng.randrange(2, 100))


def age(rng, words):
    return str(rng.randrange(2, 99))


def count(rng, words):
    return small(rng, words) if rng.random() < 0.8 else str(rng.randrange(100, 1000))


def time(rng, words):
    r = rng.random()
    if r < 0.2:
        return words.pick(rng, "clock_word")
    if r < 0.45:
        return f"{rng.randrange(1, 13)}:{of(rng, ('00', '15', '30', '45', '10', '20', '05', '50', '25'))} {of(rng, ('am', 'pm'))}"
    if r < 0.6:
        return f"{rng.randrange(1, 13)} {of(rng, ('am', 'pm'))}"
    return f"{rng.randrange(0, 24)}:{rng.randrange(0, 60):02d}"


def ordinal(n):
    return f"{n}{'th' if 10 < n < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def date(rng, words):
    day, month = rng.randrange(1, 29), words.pick(rng, "month")
    return of(rng, (f"the {ordinal(day)} of {month}", f"{month} {day}", f"{day} {month}", f"{month} {ordinal(day)}"))


def year(rng, words):
    return str(rng.randrange(1890, 2031))


def price(rng, words):
    r = rng.random()
    amount = rng.randrange(2, of(rng, (20, 100, 1000)))
    if r < 0.35:
        return f"${amount}.{digits(rng, 2)}" if rng.random() < 0.5 else f"${amount}"
    return f"{amount} {words.pick(rng, 'currency')}"


def distance(rng, words):
    return f"{rng.randrange(2, of(rng, (20, 100, 900)))} {words.pick(rng, 'unit_distance')}"


def weight(rng, words):
    return f"{rng.randrange(2, of(rng, (20, 100, 900)))} {words.pick(rng, 'unit_weight')}"


def duration(rng, words):
    return f"{small(rng, words)} {words.pick(rng, 'unit_time')}"


def size(rng, words):
    r = rng.random()
    return words.pick(rng, "size_letter") if r < 0.2 else str(rng.randrange(28, 56)) if r < 0.8 else f"{rng.randrange(3, 16)} and a half"


def phone(rng, words):
    return of(rng, (f"555-{digits(rng, 4)}", f"0{digits(rng, 3)} {digits(rng, 4)}", digits(rng, 6), f"{digits(rng, 3)}-{digits(rng, 3)}"))


def plate(rng, words):
    return of(rng, (f"{letters(rng, 2)} {digits(rng, 4)}", f"{letters(rng, 3)}-{digits(rng, 3)}", f"{letters(rng, 1)}{digits(rng, 2)} {letters(rng, 3)}"))


def room(rng, words):
    return str(rng.randrange(1, 900)) if rng.random() < 0.7 else of(rng, (letters(rng, 1) + str(rng.randrange(1, 60)), f"{rng.randrange(1, 9)}.{digits(rng, 2)}"))


def seat(rng, words):
    return f"{rng.randrange(1, 48)}{of(rng, 'ABCDEFGH')}"


def flight(rng, words):
    return f"{letters(rng, 2)} {rng.randrange(100, 9999)}" if rng.random() < 0.7 else f"{letters(rng, 2)}{rng.randrange(10, 999)}"


def line(rng, words):
    return str(rng.randrange(1, 200)) if rng.random() < 0.7 else of(rng, "ABCMNSTUX") + str(rng.randrange(1, 40))


def password(rng, words):
    r = rng.random()
    one, two = (words.pick(rng, of(rng, ("animal", "fruit", "abstract", "colour"))).replace(" ", "") for _ in range(2))
    if r < 0.4:
        return f"{one}-{two}-{rng.randrange(10, 99)}"
    return f"{one}{rng.randrange(10, 999)}" if r < 0.7 else f"{syllables(rng)}{rng.randrange(10, 999)}"


def handle(rng, words):
    base = of(rng, (syllables(rng), f"{words.pick(rng, 'abstract')}_{words.pick(rng, 'animal').replace(' ', '')}", f"{syllables(rng)}{rng.randrange(2, 99)}"))
    return base


def email(rng, words):
    return f"{handle(rng, words)}@{of(rng, (syllables(rng), words.pick(rng, 'mail_host')))}.{of(rng, ('com', 'org', 'net'))}"


def address(rng, words):
    street = words.pick(rng, "street_name") if rng.random() < 0.6 else coined(rng, words)
    return f"{rng.randrange(1, 200)} {street} {words.pick(rng, 'street_tail')}"


def company(rng, words):
    return f"{coined(rng, words)} {words.pick(rng, 'company_tail')}" if rng.random() < 0.6 else coined(rng, words)


def school(rng, words):
    return f"{coined(rng, words)} {words.pick(rng, 'school_tail')}"


def shop(rng, words):
    tail = words.pick(rng, "shop_tail")
    return coined(rng, words) + (tail if tail[0] == "'" else " " + tail)


def car(rng, words):
    r = rng.random()
    model = coined(rng, words) if rng.random() < 0.5 else of(rng, (letters(rng, 1) + str(rng.randrange(1, 9)), str(rng.randrange(100, 999))))
    return f"{words.pick(rng, 'brand') if r < 0.6 else coined(rng, words)} {model}"


def title(rng, words):
    """Of a book, film or song."""
    adjective, one, two = (cap(words.pick(rng, kind)) for kind in ("adjective", "abstract", "abstract"))
    return of(rng, (f"The {adjective} {one}", f"{one} of {coined(rng, words)}", f"{adjective} {one}", f"The {one} and the {two}", f"The {one} of the {two}",
                    f"{coined(rng, words)}'s {one}", f"A {one} for {coined(rng, words)}"))


def inn(rng, words):
    return coined(rng, words) if rng.random() < 0.5 else f"{cap(words.pick(rng, 'adjective'))} {cap(words.pick(rng, of(rng, ('animal', 'abstract'))))}"


def band(rng, words):
    return of(rng, (f"The {cap(words.pick(rng, 'adjective'))} {cap(words.pick(rng, 'animal'))}s", coined(rng, words), title(rng, words)))


def noun(rng, words):
    return words.pick(rng, "noun").rstrip("*")


def article_noun(rng, words):
    """A thing, without its article."""
    return f"{words.pick(rng, 'adjective')} {noun(rng, words)}" if rng.random() < 0.6 else noun(rng, words)


def shade(rng, words):
    """A colour, sometimes with more about it."""
    colour = words.pick(rng, "colour")
    r = rng.random()
    return colour if r < 0.7 else f"{words.pick(rng, 'hue')} {colour}" if r < 0.9 else f"{colour} and {words.pick(rng, 'colour')}"


def where(rng, words):
    if rng.random() < 0.6:
        return words.pick(rng, "place")
    return f"{of(rng, ('in', 'on', 'under', 'behind', 'beside', 'next to', 'near', 'inside'))} the {article_noun(rng, words)}"


def score(rng, words):
    return f"{rng.randrange(0, 9)} to {rng.randrange(0, 9)}"


def percent(rng, words):
    return f"{rng.randrange(1, 100)} percent"


def dose(rng, words):
    return f"{small(rng, words)} {of(rng, ('drops', 'tablets', 'spoonfuls', 'milligrams', 'capsules'))}"


def goods(rng, words):
    """Several of a thing."""
    many = noun(rng, words)
    many = many if many.endswith("s") else many[:-1] + "ies" if many[-1] == "y" and many[-2] not in "aeiou" else many + ("es" if many[-1] in "xh" else "s")
    many = many.replace("shelfs", "shelves").replace("scissorses", "scissors")
    r = rng.random()
    return many if r < 0.3 else f"{words.pick(rng, 'adjective')} {many}" if r < 0.7 else f"{words.pick(rng, 'number_word')} {many}"


def word(rng, words):
    """A made-up word, small letters."""
    while True:
        text = syllables(rng)
        if len(text) > 2:
            return text


KINDS = {f.__name__: f for f in (coined, name, fullname, person, pet, town, number, pin, code, small, age, count, time, date, year, price, distance, weight,
                                 duration, size, phone, plate, room, seat, flight, line, password, handle, email, address, company, school, shop, car, title, inn, band,
                                 noun, article_noun, shade, where, score, percent, dose, goods, word)}


def make(kind, rng, words):
    if "|" in kind:
        kind = of(rng, kind.split("|"))
    maker = KINDS.get(kind)
    return maker(rng, words) if maker else words.pick(rng, kind)
