"""Whether a model can train on what is left over for an epoch's last batch."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bam.errors import ConfigError
from bam.training.inputs import Inputs

TOO_FEW = "more than 1 value per channel"  # how torch words it


def check_last_batch(model: nn.Module, inputs: Inputs, order_n: Tensor, batch_size: int) -> None:
    """Refuse a last batch of one example where batch normalisation is left with one value a channel.

    That has no variance, so torch raises amid the first epoch. Most networks for large images still have several
    positions a channel there and train on one image; which is which, a copy of the model shows by trying.

    Parameters
    ----------
    order_n
        Rows that an epoch visits; every epoch visits as many.

    Raises
    ------
    ConfigError
        Saying what to change.
    """
    n_last = (len(order_n) - 1) % batch_size + 1
    if n_last != 1 or not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return
    batch = inputs.batch(order_n[-1:])
    with torch.random.fork_rng(), torch.no_grad():
        try:
            copy.deepcopy(model).train().forward(batch)
        except ValueError as error:
            if TOO_FEW not in str(error):
                raise
            shape = " x ".join(map(str, batch.shape[1:]))
            raise ConfigError(
                f"batch_size {batch_size:,}: leaves a last batch of one of the {len(order_n):,} examples that an epoch "
                f"visits, and this model's batch normalisation cannot train on one input of {shape}; "
                "take another batch_size"
            ) from error
