# SPDX-License-Identifier: Apache-2.0
"""One of our benchmarks that stays: it prepares once and measures when asked, in turn with a peer in this process."""
import statistics
import subprocess


class Ours:
    """words: the program, which prints a line "ours NAME NUMBER" when it begins and one for each line it is sent.
    Calling this asks for the next number. `before`: the lines that came before the first."""

    def __init__(self, words):
        self.words = words
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
        self.before = []
        self.read()  # warms up

    def read(self):
        for line in self.process.stdout:
            if line.startswith("ours "):
                return float(line.split()[2])
            self.before.append(line.rstrip())
        raise SystemExit(f"ended with {self.process.wait()}: {' '.join(self.words)}")

    def __call__(self):
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def spread(values):
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def in_turn(peer, ours, repeats, seconds_left):
    """Speeds of both, one after the other, `repeats` times or until there is no time for another: the text of a line."""
    a, b, longest = [], [], 0
    while len(a) < repeats and (not a or seconds_left() > longest):
        before = seconds_left()
        a.append(peer())
        b.append(ours())
        longest = max(longest, before - seconds_left())
    ratio = spread([y / x for x, y in zip(a, b)])
    fewer = "" if len(a) == repeats else f", {len(a)} repeats only"
    return f"peer {spread(a)} images/s, ours {spread(b)}, ours / peer {ratio}{fewer}"
