"""A model that has left its study: one folder, from which it is built again with nothing else at hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import nn

from bam.backbone import on_meta
from bam.config_errors import validated
from bam.data import tokenise
from bam.data.pictures import PictureRows
from bam.data.rows import Rows
from bam.data.texts import Texts
from bam.data.transforms import TRANSFORMS
from bam.errors import ConfigError, DataError
from bam.files import read_json, sha256_file
from bam.recipe import PrecisionName
from bam.training.inputs import ImageInputs, Inputs, TextInputs
from bam.training.network import Form, network, trims_padding
from bam.training.prediction import predict_logits
from bam.training.state import load_tensors

SCHEMA = "bam.model/2"
DESCRIPTION, WEIGHTS, TOKENIZER = "model.json", "model.safetensors", "tokenizer"
TOKENS = "tokens"
UNBUILDABLE = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError)


class Transform(BaseModel):
    """How files or texts become inputs."""

    name: str
    columns: list[str] = Field(min_length=1)
    side: int | None = Field(default=None, ge=1, le=2048)
    max_length: int | None = Field(default=None, ge=1)


class Description(BaseModel):
    """What prediction needs of `model.json`; the rest is for people."""

    model_config = ConfigDict(strict=True)

    weights_sha256: str
    model: dict[str, Any]
    kind: Literal["image", "text"]
    input_shape: list[PositiveInt] = Field(min_length=1)
    class_names: list[str] = Field(min_length=2)
    precision: PrecisionName
    mean: list[float]
    std: list[float]
    pad_id: int | None
    has_segments: bool
    transform: Transform | None


@dataclass(frozen=True)
class ExportedModel:
    """A network and what turns files or texts into its inputs.

    Attributes
    ----------
    folder : where it was exported to
    network : in evaluation mode, on its device
    description : `model.json`
    """

    folder: Path
    network: nn.Module
    device: torch.device
    description: Mapping[str, Any]

    @property
    def class_names(self) -> list[str]:
        """Name of each class, in the order of the logits."""
        return list(self.description["class_names"])

    @property
    def is_text(self) -> bool:
        """Whether inputs are token ids."""
        return bool(self.description["kind"] == "text")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width), or (tokens,)."""
        return tuple(self.description["input_shape"])

    @property
    def columns(self) -> list[str]:
        """Columns of a table that inputs are made from; empty if only arrays will do."""
        transform = self.description["transform"]
        return list(transform["columns"]) if transform else []

    def inputs(self, arrays: Mapping[str, np.ndarray]) -> Inputs:
        """Return arrays as the network's inputs: `inputs`, and for pairs of texts `segments`."""
        about = self.description
        if self.is_text:
            trim = trims_padding(about["model"])
            return TextInputs(arrays["inputs"], arrays.get("segments"), about["pad_id"], self.device, trim=trim)
        return ImageInputs(arrays["inputs"], tuple(about["mean"]), tuple(about["std"]), self.device)

    def logits(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return logits, float32 of shape (n, C): those of the study, bit for bit on the same machine.

        Raises
        ------
        DivergedError
            If a logit is not finite.
        """
        precision: PrecisionName = self.description["precision"]
        return predict_logits(self.network, self.inputs(arrays), precision)

    def image_rows(self, files: list[Path]) -> Rows:
        """Return image files as rows of inputs.

        Raises
        ------
        DataError
            If the model is not one of image files.
        """
        transform = self.description["transform"]
        if self.is_text or not transform or transform["name"] not in TRANSFORMS:
            takes = f"a table with {' and '.join(self.columns)}" if self.is_text else "a .npy file of uint8 images"
            raise DataError(f"{self.folder}: this model does not take image files; give it {takes}")
        return PictureRows(files, transform["side"], transform["name"])

    def text_rows(self, columns: list[list[str]]) -> Rows:
        """Return texts, or pairs of them, as rows of inputs; DataError if the tokeniser cannot be read."""
        folder = self.folder / TOKENIZER
        packed = []
        for column in columns:
            texts = Texts()
            for text in column:
                texts.add(text)
            packed.append(texts)
        second = packed[1] if len(packed) > 1 else None
        rows = np.arange(len(packed[0]))
        tokenizer = tokenise.read_tokenizer(folder)
        return tokenise.TokenRows(tokenizer, self.input_shape[0], self.description["pad_id"], packed[0], rows, second)


def read_description(folder: Path) -> Mapping[str, Any]:
    """Read `model.json`.

    Raises
    ------
    DataError
        If it is missing or is not what `bam export` writes.
    """
    path = folder / DESCRIPTION
    content = read_json(path)
    if not isinstance(content, dict) or not str(content.get("schema", "")).startswith("bam.model/"):
        raise DataError(f"{path}: does not describe a model that `bam export` wrote")
    lacking = [key for key in Description.model_fields if key not in content]
    if content["schema"] != SCHEMA or lacking:
        raise DataError(f"{path}: lacks {', '.join(lacking) or SCHEMA}; export the model again")
    try:
        validated(Description, content, str(path))
    except ConfigError as error:
        raise DataError(f"{error}; export the model again") from error
    return content


def load(folder: Path, device: torch.device) -> ExportedModel:
    """Build an exported model.

    Raises
    ------
    DataError
        If the folder is not what `bam export` wrote, or its weights are those of another network.
    """
    about = read_description(folder)
    shape, names = tuple(about["input_shape"]), about["class_names"]
    weights = folder / WEIGHTS
    if weights.exists() and sha256_file(weights) != about["weights_sha256"]:
        raise DataError(f"{weights}: is not the file that {DESCRIPTION} describes; export the model again")
    tensors, form = load_tensors(weights), Form(about["kind"], shape, len(names), about["pad_id"])

    def build() -> nn.Module:
        return network(about["model"], form)

    # No memory is taken for a network of whatever size that the weights do not fit.
    _fitted(lambda: on_meta(build), tensors, folder)
    built = _fitted(build, tensors, folder)
    return ExportedModel(folder, built.to(device).eval(), device, about)


def _fitted(build: Callable[[], nn.Module], tensors: Mapping[str, torch.Tensor], folder: Path) -> nn.Module:
    """Build the network and give it the weights, or only their shapes on torch's device without memory."""
    try:
        built = build()
    except UNBUILDABLE as error:
        raise DataError(f"{folder / DESCRIPTION}: describes no network ({_first_line(error)})") from error
    is_shape = any(parameter.is_meta for parameter in built.parameters())
    try:
        built.load_state_dict(tensors, assign=is_shape)
    except RuntimeError as error:
        raise DataError(f"{folder / WEIGHTS}: holds the weights of another network ({_first_line(error)})") from error
    return built


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
