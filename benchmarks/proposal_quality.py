"""What `bam propose` proposes, against the minority groups, which it has not seen.

    python benchmarks/proposal_quality.py digits cmnist_10 --results results/proposal_quality

One line of Markdown for each case: the proposal, and recall and precision of its error set on the
minority groups of the training split; then those of λ = 0 at the last epoch. Runs are kept and
reused. MNIST is looked for as `bam fetch` does.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bam.data.sources import read_sources
from bam.error_set import quality
from bam.groups import read_scheme, read_split
from bam.layout import Layout
from bam.pipeline import make_data
from bam.plan import make_plan
from bam.proposal import Watch, propose
from bam.propose import look, trial
from bam.study import check_study

DIGITS = {"kind": "colored_digits", "aligned": 0.95, "data_seed": "per_seed"}
CMNIST = {"kind": "colored_mnist", "size": 20_000, "class_ratio": 1.0, "data_seed": "per_seed"}
SPUCO = {"kind": "spuco_mnist", "difficulty": "large", "correlation": 0.995, "data_seed": "per_seed"}
# name -> data set, epochs, loss of stage 1
CASES: dict[str, tuple[dict[str, Any], int, str]] = {
    "digits": (DIGITS, 15, "squared"),
    "digits_ce": (DIGITS, 15, "cross_entropy"),
    "digits_80": ({**DIGITS, "aligned": 0.8}, 15, "squared"),
    "digits_99": ({**DIGITS, "aligned": 0.99}, 15, "squared"),
    "digits_no_bias": ({**DIGITS, "aligned": 0.51}, 15, "squared"),
    "digits_no_bias_long": ({**DIGITS, "aligned": 0.51}, 40, "squared"),
    "cmnist_10": ({**CMNIST, "flip_rate": 0.1}, 15, "squared"),
    "cmnist_05": ({**CMNIST, "flip_rate": 0.05}, 15, "squared"),
    "cmnist_asymmetric": ({**CMNIST, "flip_rate": [0.02, 0.2]}, 15, "squared"),
    "cmnist_noise": ({**CMNIST, "flip_rate": 0.1, "label_noise": 0.1}, 15, "squared"),
    "cmnist_no_bias": ({**CMNIST, "flip_rate": 0.49}, 15, "squared"),
    "cmnist_1000": ({**CMNIST, "flip_rate": 0.1, "size": 1_000}, 15, "squared"),
    "spuco": (SPUCO, 6, "squared"),
    "dominoes": ({"kind": "dominoes", "correlation": 0.95, "data_seed": "per_seed"}, 15, "squared"),
}


def study_of(case: str, seed: int) -> dict[str, Any]:
    """Return the config that the proposal is asked for."""
    settings, _, loss = CASES[case]
    is_digits = settings["kind"] == "colored_digits"
    size = 32 if is_digits else 64
    sgd = {"name": "sgd", "learning_rate": 1e-2 if is_digits else 1e-3, "momentum": 0.9, "weight_decay": 0.0}
    stage1 = {"auxiliary_coefficient": 0.0, "loss": loss, "epochs": 1, "batch_size": size, "optimizer": sgd}
    stage2 = {"upweight_factor": 1, "restart": False, "epochs": 1, "batch_size": size, "optimizer": sgd}
    return {
        "study": "proposal_quality",
        "seeds": [seed],
        "datasets": {case: settings},
        "model": {"name": "mlp", "hidden": [128]} if is_digits else {"name": "lenet", "padding": 0},
        "methods": {"bam": {"stage1": stage1, "stage2": stage2}},
        "selection": ["last"],
    }


def line(case: str, seed: int, layout: Layout, sources: Path) -> str:
    """Propose for one case and compare."""
    raw_sets = read_sources(sources)
    trials, shares = trial(check_study(study_of(case, seed), case), case, seed, CASES[case][1])
    candidates = look(trials, shares, raw_sets, layout, "cpu")
    (data_set,) = make_plan(trials, raw_sets).datasets.values()
    make_data(data_set, raw_sets, layout)
    groups = layout.groups(data_set.groups_id)
    minority = read_split(groups / "train.csv").membership[:, np.array(read_scheme(groups).minority)].any(axis=1)
    found = propose(candidates)
    cells = [case, str(seed), f"{minority.sum():,} of {len(minority):,}"]
    if found is None:
        cells += ["none"] + [""] * 4
    else:
        span = f"{found.plateau[0].epoch}..{found.plateau[-1].epoch}"
        by = ", ".join(f"{coefficient:g}" for coefficient in found.confirmed_by)
        by = by or f"none (nearest {max(found.overlaps.values(), default=0):.2f})"
        cells += [
            f"{found.coefficient:g}, {found.epochs}",
            span,
            by,
            f"{found.at.size:,}",
            _quality(found.at, minority),
        ]
    return "| " + " | ".join([*cells, _quality(candidates[0].watches[-1], minority)]) + " |"


def _quality(watch: Watch, minority: np.ndarray) -> str:
    found = quality(watch.missed, minority)
    return " / ".join("-" if x is None else f"{x:.3f}" for x in (found.minority_recall, found.minority_precision))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--results", type=Path, default=Path("results/proposal_quality"))
    parser.add_argument("--sources", type=Path, default=Path("config/datasets.yaml"))
    chosen = parser.parse_args()
    print("| case | seed | minority | λ, T | plateau | confirmed by | size | recall / precision | λ = 0, last epoch |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in chosen.cases:
        for seed in chosen.seeds:
            print(line(case, seed, Layout(chosen.data, chosen.results), chosen.sources), flush=True)


if __name__ == "__main__":
    main()
