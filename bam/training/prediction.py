"""Predicted classes in evaluation mode, in large batches, without auxiliary variables."""

import numpy as np
import torch
from torch import nn

from bam.training.inputs import ImageInputs

EVALUATION_BATCH = 2048


def predict_logits(model: nn.Module, inputs: ImageInputs) -> np.ndarray:
    """Return the logits of every row, float32 of shape (n, C); leaves the model in train mode or not as it was."""
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        parts = [
            model(inputs.batch(rows)).float().cpu() for rows in torch.split(torch.arange(len(inputs)), EVALUATION_BATCH)
        ]
    model.train(was_training)
    return torch.cat(parts).numpy()


def classes_of(logits: np.ndarray) -> np.ndarray:
    """Return the predicted class of each row, uint8 of shape (n,): the first largest logit."""
    return np.asarray(logits.argmax(axis=1), dtype=np.uint8)
