"""The learning rate over a training."""

from collections.abc import Callable

from bam.recipe import AdamW, Sgd

Rate = Callable[[int], float]


def learning_rate(settings: Sgd | AdamW, n_steps: int) -> Rate:
    """Return a function from the step, counted from 1 over all epochs, to its learning rate.

    A linear schedule multiplies by (n_steps - step) / n_steps, so it is 0 at the last step: the
    authors call `scheduler.step()` before `optimizer.step()`.

    Parameters
    ----------
    n_steps
        Steps of the whole training, error-set examples counted as often as they are visited.

    References
    ----------
    Authors' code, train.py (WarmupLinearSchedule without warm-up).

    >>> settings = Sgd(name="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.0, schedule="linear")
    >>> [round(learning_rate(settings, 4)(step), 3) for step in (1, 2, 3, 4)]
    [0.075, 0.05, 0.025, 0.0]
    """
    start = settings.learning_rate
    if settings.schedule == "constant":
        return lambda _: start
    return lambda step: start * (n_steps - step) / n_steps
