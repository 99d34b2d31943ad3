"""Python reads this at its start where it is on PYTHONPATH: trainers then die of SIGKILL, at random, a few times each.

Half of them die after a random number of steps, half at a random moment: in a step, a prediction, a
save, or the writing of results. `KILLS` names a folder that gets a line for each.
"""

import os
import random
import signal
import sys
import threading
import time

PER_TRAINING = 8
STEPS = 100
SECONDS = 0.15


def _die(what: str) -> None:
    import pathlib

    run = pathlib.Path(sys.argv[sys.argv.index("--predictions") + 1]).name
    marks = pathlib.Path(os.environ["KILLS"]) / f"{sys.argv[1]}.{run}"
    before = marks.read_text().count("\n") if marks.exists() else 0
    if before < PER_TRAINING:
        with open(marks, "a") as file:
            file.write(f"{what}\n")
            file.flush()
            os.fsync(file.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


def _lie_in_wait() -> None:
    while "--predictions" not in sys.argv and "bam.graph" not in sys.modules:
        time.sleep(0.001)
    if "--predictions" not in sys.argv or sys.argv[1] not in ("stage1", "stage2"):
        return
    while not hasattr(sys.modules.get("bam.steps.stage1") or sys.modules.get("bam.steps.stage2"), sys.argv[1]):
        time.sleep(0.001)
    resume = sys.modules["bam.steps.resume"]
    resume.COST_FACTOR = 2  # a state every few steps, for these trainings take a second
    original, left = resume.Resumption.after_step, [random.randrange(1, STEPS)]
    began = threading.Event()

    def after_step(self: object, *arguments: object) -> None:
        began.set()
        original(self, *arguments)
        left[0] -= 1
        if left[0] == 0:
            _die("at a step")

    resume.Resumption.after_step = after_step
    if random.random() < 0.5:
        left[0] = -1
        began.wait()
        time.sleep(random.uniform(0, SECONDS))
        _die("at a moment")


if "KILLS" in os.environ:
    threading.Thread(target=_lie_in_wait, daemon=True).start()
