"""A proposal of λ and T in words: a row for each λ, a paragraph, and a config to go on from."""

from collections import Counter
from collections.abc import Sequence

from bam.proposal import SAME, Candidate, Proposal, guard, upweight_factor

CSV_COLUMNS = ("coefficient", "epoch", "error_set_size", "train_error", "val_error", "overlap", "guard", "in_plateau")
HEADINGS = ("λ", "share of b", "plateau, T", "at T", "error set", "train error", "val error", "remark")
WIDTHS = (8, 10, 10, 4, 9, 11, 9, 0)

NONE = {
    "few errors": "stage 1 misses almost nothing, so there is nothing to upweight: the task is easy for this model, or "
    "has no bias that it prefers",
    "a class is missed": "much of some class is missed: the model has not begun to learn it; give it more epochs or a "
    "larger learning rate",
    "memorises": "training errors fall far below validation errors: the model memorises; give it a smaller learning "
    "rate or fewer weights",
    "changes": "what stage 1 misses changes from epoch to epoch, whatever λ: nothing sets it apart",
}


def table(candidates: Sequence[Candidate]) -> str:
    """Return one line for each λ: its plateau, what it shows at the plateau's second epoch, what ends or hinders it."""
    rows = [HEADINGS, *(_row(candidate) for candidate in candidates)]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, WIDTHS, strict=True)).rstrip() for row in rows)


def csv_text(candidates: Sequence[Candidate]) -> str:
    """Return every statistic of every λ and watched epoch as CSV; shares of classes in columns of their own."""
    n_classes = max((len(w.class_errors) for c in candidates for w in c.watches), default=0)
    lines = [",".join((*CSV_COLUMNS, *(f"class_{k}_error" for k in range(n_classes))))]
    for candidate in candidates:
        plateau = candidate.plateau
        for w in candidate.watches:
            fractions = ["" if x is None else f"{x:.6g}" for x in (w.train_error, w.val_error, w.overlap)]
            reason = "failed" if candidate.failed else guard(w)
            cells = [f"{candidate.coefficient:g}", str(w.epoch), str(w.size), *fractions, reason, str(w in plateau)]
            lines.append(",".join([*cells, *(f"{x:.6g}" for x in w.class_errors)]))
    return "\n".join(lines) + "\n"


def paragraph(proposal: Proposal | None, candidates: Sequence[Candidate]) -> str:
    """Say what is proposed and how sure that is, or that nothing is, and why."""
    if proposal is None:
        return "No proposal: " + _why_none(candidates)
    first, last, at = proposal.plateau[0].epoch, proposal.plateau[-1].epoch, proposal.at
    held = "to the end of the run" if proposal.lasts else "and is lost after that"
    classes = ", ".join(f"{100 * share:.1f}" for share in at.class_errors)
    return (
        f"Proposal: λ = {proposal.coefficient:g}, T = {at.epoch}, {'stable' if proposal.lasts else 'passing'} over "
        f"T {first}..{last}. At this λ the {at.size:,} training examples that the model misses at T = {at.epoch} "
        f"({100 * at.train_error:.1f} % of all; {classes} % of the classes) stay nearly the same (Jaccard overlap "
        f"{SAME:g} or more from one watched epoch to the next) from T = {first} to {last}, {held}. "
        f"{_agreement(proposal)} No group label was read: what stays missed may be groups that the bias works against, "
        "and may as well be wrong labels or hard examples. Look at some of it before you upweight it."
    )


def snippet(proposal: Proposal, study: str, extends: str | None) -> str:
    """Return YAML that lays λ, T and a first µ over a study.

    Parameters
    ----------
    extends : name of the config that the snippet is to be saved beside; None for a study that is no file
    """
    factor = upweight_factor(proposal.at.train_error)
    lines = [
        *([f"extends: {extends}"] if extends else []),
        f"study: {study}_proposed",
        "methods:",
        "  bam:",
        "    stage1:",
        f"      auxiliary_coefficient: {proposal.coefficient:g}",
        f"      epochs: {proposal.epochs}",
        f"      watch_epochs: {list(range(1, proposal.epochs + 1))}",
        "    stage2:",
        f"      upweight_factor: {factor}  # the error set weighs as the rest, at most 50: a start, not tested",
    ]
    return "\n".join(lines)


def _row(candidate: Candidate) -> tuple[str, ...]:
    head = (f"{candidate.coefficient:g}", f"{candidate.share:.3g}")
    plateau = candidate.plateau
    if not plateau:
        return (*head, "none", *("",) * 4, _hindrance(candidate))
    at = plateau[1]
    val_error = "" if at.val_error is None else f"{at.val_error:.4f}"
    seen = (
        f"{plateau[0].epoch}..{plateau[-1].epoch}",
        str(at.epoch),
        f"{at.size:,}",
        f"{at.train_error:.4f}",
        val_error,
    )
    return (*head, *seen, _end(candidate))


def _end(candidate: Candidate) -> str:
    """Say what ends a plateau."""
    after = candidate.watches.index(candidate.plateau[-1]) + 1
    if after == len(candidate.watches):
        return "to the last epoch"
    watch = candidate.watches[after]
    return f"then, T = {watch.epoch}: {guard(watch) or f'overlap {watch.overlap:.2f}'}"


def _hindrance(candidate: Candidate) -> str:
    """Say why a candidate has no plateau: it failed, a guard stops most epochs, or its error set changes."""
    if candidate.failed:
        return candidate.failed
    reasons = Counter(reason for reason in map(guard, candidate.watches) if reason)
    overlaps = [w.overlap for w in candidate.watches if w.overlap is not None and not guard(w)]
    if reasons and 2 * reasons.total() > len(candidate.watches):
        return f"{reasons.most_common(1)[0][0]} at {reasons.total()} of {len(candidate.watches)} watched epochs"
    return f"changes, overlap down to {min(overlaps):.2f}" if overlaps else "too few watched epochs"


def _agreement(proposal: Proposal) -> str:
    if proposal.confirmed_by:
        names = ", ".join(f"{coefficient:g}" for coefficient in proposal.confirmed_by)
        without = "" if proposal.coefficient else " In these epochs the error set lasts without auxiliary variables."
        return f"Confirmed: the plateau of λ = {names} has the same error set.{without}"
    nearest = max(
        proposal.overlaps, key=lambda coefficient: (proposal.overlaps[coefficient], -coefficient), default=None
    )
    seen = (
        "no other has a plateau" if nearest is None else f"λ = {nearest:g} overlaps by {proposal.overlaps[nearest]:.2f}"
    )
    return (
        f"Not confirmed: no other λ keeps the same error set ({seen}), as it should where a bias makes it; the model "
        "may have no bias and only be held back by b."
    )


def _why_none(candidates: Sequence[Candidate]) -> str:
    finished = [candidate for candidate in candidates if not candidate.failed]
    reasons = Counter(guard(watch) or "changes" for candidate in finished for watch in candidate.watches)
    if not reasons:
        return "every training diverged; give a smaller learning rate."
    seen = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    sizes = [watch.size for candidate in finished for watch in candidate.watches]
    return (
        f"{NONE[reasons.most_common(1)[0][0]]}. Error sets of {min(sizes):,} to {max(sizes):,} training examples; "
        f"watched epochs over all λ: {seen}."
    )
