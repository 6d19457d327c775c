# SPDX-License-Identifier: MIT
"""The bare loops of ``benchmarks.floor``, telling what they ran as all contestants do."""

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

import sys
import time

import contest

from benchmarks import floor


class Drain(floor.NewGreenlets):
    def note(self, message):
        contest.ran(int(message[floor.ID_BYTES :]))


class ReusingDrain(floor.ReusedGreenlets):
    def note(self, message):
        contest.ran(int(message[floor.ID_BYTES :]))


class Pickup(floor.Pickup):
    def note(self, message):
        number, made_at = message.split()
        contest.begun(int(number), time.time() - float(made_at))


def main(mode, seconds):
    if mode == "pickup":
        loop = Pickup(contest.URL)
    elif mode == "echo":
        loop = floor.Echo(contest.URL)
    else:
        drain = ReusingDrain if contest.VARIANT == "reused" else Drain
        loop = drain(contest.URL, contest.WORKERS, float(seconds), contest.RESULTS)
    floor.serve(loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
