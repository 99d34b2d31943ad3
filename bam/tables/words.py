"""Human names for what configs name, and numbers as a reader wants them."""

import math

METRICS = {
    "worst_group_accuracy": "Worst-group accuracy",
    "accuracy": "Average accuracy",
    "adjusted_accuracy": "Adjusted average",
}
METHODS = {
    "erm": "ERM",
    "jtt": "JTT",
    "bam": "BAM",
    "bam_no_aux": "BAM without auxiliary variables",
    "group_dro": "Group-DRO",
}
RULES = {
    "class_difference": "ClassDiff",
    "worst_class": "worst class",
    "worst_error_group": "worst error cell",
    "average": "average accuracy",
    "last": "last epoch",
    "worst_group": "worst group (oracle)",
    "average_adjusted": "adjusted average (oracle)",
}
EMPTY = "–"


def method_words(name: str) -> str:
    """Return a method's name for readers; one that is not listed keeps its config name."""
    return METHODS.get(name, name)


def rule_words(name: str) -> str:
    """Return a selection rule's name for readers."""
    return RULES.get(name, name)


def number(value: float | None, digits: int = 1) -> str:
    """Return a number with a fixed number of decimals and a true minus sign; a dash if undefined.

    >>> number(-0.04), number(None)
    ('0.0', '–')
    """
    if value is None or math.isnan(value):
        return EMPTY
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def percent(fraction: float | None) -> str:
    """Return a fraction as percent with one decimal, without the sign.

    >>> percent(0.8125)
    '81.2'
    """
    return EMPTY if fraction is None or math.isnan(fraction) else number(100 * fraction)


def spread(mean: float, std: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return fractions as percent, ``mean ± std [low, high]``, leaving out what is undefined.

    >>> spread(0.5, 0.01, 0.48, 0.52)
    '50.0 ± 1.0 [48.0, 52.0]'
    """
    text = percent(mean)
    if std is not None and not math.isnan(std):
        text += f" ± {percent(std)}"
    if low is not None and high is not None and not math.isnan(low + high):
        text += f" [{percent(low)}, {percent(high)}]"
    return text
