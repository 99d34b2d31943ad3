"""Whose group labels a result has used."""

from typing import Literal

NeedsGroups = Literal["none", "val", "train", "train+val"]


def needs_groups(trains_on_groups: bool, rule_needs: str) -> NeedsGroups:
    """Combine what a method's training sees with what a rule sees.

    >>> needs_groups(True, "val")
    'train+val'
    """
    needs = set(rule_needs.split("+")) - {"none"} | ({"train"} if trains_on_groups else set())
    if needs == {"train", "val"}:
        return "train+val"
    return "train" if "train" in needs else "val" if "val" in needs else "none"
