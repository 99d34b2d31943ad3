"""Checks of a study's own keys, beyond their types."""

from collections.abc import Mapping, Sequence
from typing import Any

from bam import catalogue
from bam.catalogue import suggestion
from bam.errors import ConfigError
from bam.selection import RULES
from bam.study_file import StudyFile

N_IMAGE_DIMENSIONS = 3


def check_lists(file: StudyFile, source: str) -> None:
    """Refuse names that are not known, and what stands twice; ConfigError."""
    for key, names, known in (
        ("selection", file.selection, list(RULES)),
        ("keep_weights", file.keep_weights, catalogue.names("rule")),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"{source}: {key}: there is no {name!r}{suggestion(name, known)}; there is {', '.join(known)}"
                )
    lists: dict[str, Sequence[Any]] = {
        "seeds": file.seeds,
        "selection": file.selection,
        "keep_weights": file.keep_weights,
    }
    for key, values in lists.items():
        check_once(values, f"{source}: {key}")
    for name, analysis in file.analyses.items():
        check_once(analysis.values, f"{source}: analyses.{name}.values")
        for key in analysis.fixed:
            if key in (analysis.axis, analysis.across.axis if analysis.across else ""):
                raise ConfigError(f"{source}: analyses.{name}.fixed.{key}: is an axis of this analysis")
        if analysis.across is not None:
            check_once(analysis.across.values, f"{source}: analyses.{name}.across.values")
            if analysis.across.axis == analysis.axis:
                raise ConfigError(f"{source}: analyses.{name}.across.axis: is the first axis too")


def check_once(values: Sequence[Any], where: str) -> None:
    """Refuse a value that stands twice; ConfigError."""
    for k, value in enumerate(values):
        if value in values[:k]:
            raise ConfigError(f"{where}: {value!r} stands twice")


def check_validation_size(file: StudyFile, dataset: str, n_val: int, source: str) -> None:
    """Refuse a part of validation that is larger than validation, or that kept weights would not follow."""
    if file.validation_size is None:
        return
    if file.validation_size > n_val:
        raise ConfigError(f"{source}: validation_size: {file.validation_size:,} is more than {dataset}'s {n_val:,}")
    if file.keep_weights:
        raise ConfigError(
            f"{source}: validation_size: does not go with keep_weights, whose epochs are chosen on all of validation"
        )


def held(input_shape: tuple[int, ...]) -> str:
    """Return "image" for (channels, height, width), "text" for (L,)."""
    return "image" if len(input_shape) == N_IMAGE_DIMENSIONS else "text"


def check_inputs(model: str, takes: str, shapes: Mapping[str, tuple[int, ...]], source: str) -> None:
    """Refuse a model for images with a data set of texts, and the other way round; ConfigError.

    Parameters
    ----------
    takes
        The model's KIND, "image" or "text".
    shapes
        Data set -> shape of one input.
    """
    for name, shape in shapes.items():
        if (holds := held(shape)) != takes:
            fitting = [other for other in catalogue.names("model") if _takes(other) == holds]
            raise ConfigError(
                f"{source}: model.name: {model} takes {takes}s, datasets.{name} holds {holds}s; "
                f"for {holds}s there is {', '.join(fitting)}"
            )


def _takes(model: str) -> str:
    return str(catalogue.load("model", model, "model.name").KIND)
