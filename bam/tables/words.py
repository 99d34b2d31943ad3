"""Human names for what configs name, and numbers as a reader wants them."""

import math
from collections.abc import Iterable

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
OTHER_METHODS = {  # of published numbers only
    "afr": "AFR",
    "bam_stage1": "BAM's stage 1",
    "cb_last_layer": "class-balanced last layer",
    "ccdb": "CCDB",
    "cim": "CIM",
    "cluster_group_balanced": "clusters, group-balanced",
    "cnc": "CnC",
    "dfa": "DFA",
    "dfr": "DFR",
    "dpe": "DPE",
    "eiil": "EIIL",
    "facts": "FACTS",
    "fg_ccdb": "FG-CCDB",
    "gap": "GAP",
    "gce": "GCE",
    "george": "GEORGE",
    "gerne": "GERNE",
    "gsr": "GSR",
    "human_group_dro": "Human + Group-DRO",
    "lc": "LC",
    "lff": "LfF",
    "linear_probe": "linear probe",
    "pgi": "PGI",
    "prome": "ProME",
    "rwy": "RWY",
    "self": "SELF",
    "self_es_disagreement": "SELF",
    "spare": "SPARE",
    "ssa": "SSA",
    "ula": "uLA",
    "xrm_group_dro": "XRM + Group-DRO",
}
RULES = {
    "class_difference": "ClassDiff",
    "worst_class": "worst class",
    "worst_error_group": "worst error cell",
    "worst_error_group_own": "worst error cell, own",
    "worst_error_group_least": "worst error cell, least",
    "worst_error_group_vote": "worst error cell, vote",
    "average": "average accuracy",
    "last": "last epoch",
    "worst_group": "worst group (oracle)",
    "average_adjusted": "adjusted average (oracle)",
}
SHORT_METHODS = {"bam_no_aux": "BAM without aux. var."}
ORACLE = " (oracle)"
EMPTY = "–"


def method_words(name: str) -> str:
    """Return a method's name for readers; one that is not listed keeps its config name."""
    return METHODS.get(name, OTHER_METHODS.get(name, name))


def rule_words(name: str) -> str:
    """Return a selection rule's name for readers."""
    return RULES.get(name, name)


def short_method_words(name: str) -> str:
    """Return a method's name for the small space of a figure."""
    return SHORT_METHODS.get(name, method_words(name))


def short_rule_words(name: str) -> str:
    """Return a rule's name for a figure, which marks oracles in its own way.

    >>> short_rule_words("worst_group")
    'worst group'
    """
    return rule_words(name).removesuffix(ORACLE)


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


def percent(fraction: float | None, digits: int = 1) -> str:
    """Return a fraction as percent, without the sign.

    >>> percent(0.8125)
    '81.2'
    """
    return EMPTY if fraction is None or math.isnan(fraction) else number(100 * fraction, digits)


def spread(
    mean: float | None, std: float | None, low: float | None = None, high: float | None = None, digits: int = 1
) -> str:
    """Return fractions as percent, ``mean ± std [low, high]``, leaving out what is undefined.

    >>> spread(0.5, 0.01, 0.48, 0.52)
    '50.0 ± 1.0 [48.0, 52.0]'
    """
    text = percent(mean, digits)
    if std is not None and not math.isnan(std):
        text += f" ± {percent(std, digits)}"
    if low is not None and high is not None and not math.isnan(low + high):
        text += f" [{percent(low, digits)}, {percent(high, digits)}]"
    return text


def point_digits(bounds: Iterable[tuple[float | None, float | None]]) -> int:
    """Return how many decimals a table of differences needs: 2 if one would show a bound clear of 0 as 0.0.

    Parameters
    ----------
    bounds
        (low, high) of each interval, in fractions; None where there is none.

    >>> point_digits([(0.0004, 0.1)]), point_digits([(-0.0004, 0.1), (None, None)])
    (2, 1)
    """
    intervals = [(low, high) for low, high in bounds if low is not None and high is not None]
    clear = [low for low, _ in intervals if low > 0] + [high for _, high in intervals if high < 0]
    return 2 if any(float(f"{100 * bound:.1f}") == 0 for bound in clear) else 1
