"""Predicted classes in evaluation mode, in large batches, without auxiliary variables."""

import numpy as np
import torch
from torch import nn

from bam.recipe import PrecisionName
from bam.training.batches import batches, evaluation_batch, in_batches
from bam.training.divergence import DivergedError
from bam.training.inputs import Inputs
from bam.training.precision import autocast


def predict_logits(model: nn.Module, inputs: Inputs, precision: PrecisionName = "float32") -> np.ndarray:
    """Return the logits of every row, float32 of shape (n, C); the model's mode stays as it was.

    Raises
    ------
    DivergedError
        If a logit is not finite: an argmax over NaN is no prediction.
    """
    was_training = model.training
    model.eval()
    parts = in_batches(len(inputs), evaluation_batch(inputs))
    with torch.inference_mode(), autocast(precision, inputs.device):
        # Logits stay on the device until the end, so that no batch waits for them.
        found = [model(batch).float() for batch in batches(inputs, parts)]
        logits = torch.cat(found).cpu().numpy()
    model.train(was_training)
    if not np.isfinite(logits).all():
        raise DivergedError("the logits of the model are not finite")
    return logits


def classes_of(logits: np.ndarray) -> np.ndarray:
    """Return the predicted class of each row, uint8 of shape (n,): the first largest logit."""
    return np.asarray(logits.argmax(axis=1), dtype=np.uint8)
