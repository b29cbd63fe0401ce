"""Real dialogs between the facts: files of lines "User: ..." and "System: ...", a blank line between two."""

from chance import below, of

TURN = 15  # characters that a turn costs beyond its text


def load(path):
    dialogs = []
    with open(path, encoding="utf-8") as file:
        for block in file.read().split("\n\n"):
            lines = [line.split(": ", 1) for line in block.strip().split("\n") if ": " in line]
            if len(lines) < 4 or any(len(line) != 2 for line in lines):
                continue
            pairs = [(lines[i][1], lines[i + 1][1]) for i in range(0, len(lines) - 1, 2)]
            dialogs.append([(user, reply, len(user) + len(reply) + 2 * TURN) for user, reply in pairs])
    if not dialogs:
        raise ValueError(f"{path}: no dialogs")
    return dialogs


class Filler:
    def __init__(self, dialogs):
        self.dialogs = dialogs

    def take(self, rng, room):
        """Some exchanges of one dialog of at most `room` characters: [(user, reply, size)...], maybe none."""
        for _ in range(4):
            dialog = of(rng, self.dialogs)
            first = below(rng, len(dialog))
            out, size = [], 0
            for exchange in dialog[first : first + of(rng, (1, 1, 2, 3, 4))]:
                if size + exchange[2] > room:
                    break
                out.append(exchange)
                size += exchange[2]
            if out:
                return out
        return []
