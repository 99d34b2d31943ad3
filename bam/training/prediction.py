"""Predicted classes in evaluation mode, in large batches, without auxiliary variables."""

import numpy as np
import torch
from torch import nn

from bam.training.divergence import DivergedError
from bam.training.inputs import ImageInputs

EVALUATION_BATCH = 2048


def predict_logits(model: nn.Module, inputs: ImageInputs) -> np.ndarray:
    """Return the logits of every row, float32 of shape (n, C); the model's mode stays as it was.

    Raises
    ------
    DivergedError
        If a logit is not finite: an argmax over NaN is no prediction.
    """
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        parts = [
            model(inputs.batch(rows)).float().cpu() for rows in torch.split(torch.arange(len(inputs)), EVALUATION_BATCH)
        ]
    model.train(was_training)
    logits = torch.cat(parts).numpy()
    if not np.isfinite(logits).all():
        raise DivergedError("the logits of the model are not finite")
    return logits


def classes_of(logits: np.ndarray) -> np.ndarray:
    """Return the predicted class of each row, uint8 of shape (n,): the first largest logit."""
    return np.asarray(logits.argmax(axis=1), dtype=np.uint8)
