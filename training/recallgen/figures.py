"""Numbers of many shapes: codes, times, dates, prices, sizes. All take (rng, words)."""

from chance import digits, letters, of


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
    return of(
        rng, (f"the {ordinal(day)} of {month}", f"{month} {day}", f"{day} {month}", f"{month} {ordinal(day)}")
    )


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
    return (
        words.pick(rng, "size_letter")
        if r < 0.2
        else str(rng.randrange(28, 56)) if r < 0.8 else f"{rng.randrange(3, 16)} and a half"
    )


def phone(rng, words):
    return of(
        rng,
        (
            f"555-{digits(rng, 4)}",
            f"0{digits(rng, 3)} {digits(rng, 4)}",
            digits(rng, 6),
            f"{digits(rng, 3)}-{digits(rng, 3)}",
        ),
    )


def plate(rng, words):
    return of(
        rng,
        (
            f"{letters(rng, 2)} {digits(rng, 4)}",
            f"{letters(rng, 3)}-{digits(rng, 3)}",
            f"{letters(rng, 1)}{digits(rng, 2)} {letters(rng, 3)}",
        ),
    )


def room(rng, words):
    return (
        str(rng.randrange(1, 900))
        if rng.random() < 0.7
        else of(rng, (letters(rng, 1) + str(rng.randrange(1, 60)), f"{rng.randrange(1, 9)}.{digits(rng, 2)}"))
    )


def seat(rng, words):
    return f"{rng.randrange(1, 48)}{of(rng, 'ABCDEFGH')}"


def flight(rng, words):
    return (
        f"{letters(rng, 2)} {rng.randrange(100, 9999)}"
        if rng.random() < 0.7
        else f"{letters(rng, 2)}{rng.randrange(10, 999)}"
    )


def line(rng, words):
    return (
        str(rng.randrange(1, 200)) if rng.random() < 0.7 else of(rng, "ABCMNSTUX") + str(rng.randrange(1, 40))
    )


def score(rng, words):
    return f"{rng.randrange(0, 9)} to {rng.randrange(0, 9)}"


def percent(rng, words):
    return f"{rng.randrange(1, 100)} percent"


def dose(rng, words):
    return f"{small(rng, words)} {of(rng, ('drops', 'tablets', 'spoonfuls', 'milligrams', 'capsules'))}"


KINDS = (
    number,
    pin,
    code,
    small,
    age,
    count,
    time,
    date,
    year,
    price,
    distance,
    weight,
    duration,
    size,
    phone,
    plate,
    room,
    seat,
    flight,
    line,
    score,
    percent,
    dose,
)
