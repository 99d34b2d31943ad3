"""Slow, plain-loop versions of the training updates, written from the equations, in float64.

Nothing of `bam.training` is used: layers are (weight, bias) pairs, gradients are worked out by
hand, and every parameter and every row of b is moved by its own line of arithmetic.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


def layers_of(state: dict) -> list[list[np.ndarray]]:
    """Return [[weight, bias], ...] in float64 from a state dict of Linear layers."""
    names = sorted({name.rsplit(".", 1)[0] for name in state}, key=int)
    return [[state[f"{n}.weight"].double().numpy().copy(), state[f"{n}.bias"].double().numpy().copy()] for n in names]


def inputs_of(folder: Path, split: str) -> np.ndarray:
    """Return flattened inputs, normalised by the training split's mean and deviation a channel."""
    train = np.load(folder / "train" / "inputs.npy").astype(np.float64) / 255
    pixels = np.load(folder / split / "inputs.npy").astype(np.float64) / 255
    for channel in range(train.shape[1]):
        pixels[:, channel] = (pixels[:, channel] - train[:, channel].mean()) / train[:, channel].std()
    return pixels.reshape(len(pixels), -1)


def forward(layers: list, x: np.ndarray) -> list[np.ndarray]:
    """Return the input of each layer, and the logits last; ReLU between layers."""
    values = [x]
    for k, (weight, bias) in enumerate(layers):
        z = weight @ values[-1] + bias
        values.append(z if k == len(layers) - 1 else np.maximum(z, 0))
    return values


def backward(layers: list, values: list[np.ndarray], d_logits: np.ndarray) -> list[list[np.ndarray]]:
    """Return the gradient of each layer's weight and bias for one example."""
    gradients: list = [None] * len(layers)
    d_out = d_logits
    for k in reversed(range(len(layers))):
        gradients[k] = [np.outer(d_out, values[k]), d_out.copy()]
        d_out = (layers[k][0].T @ d_out) * (values[k] > 0)
    return gradients


def loss_and_slope(name: str, z: np.ndarray, label: int) -> tuple[float, np.ndarray]:
    """Return one example's loss and its derivative by the logits."""
    target = np.array([1.0 if c == label else 0.0 for c in range(len(z))])
    if name == "squared":
        return sum((z[c] - target[c]) ** 2 for c in range(len(z))), 2 * (z - target)
    shares = np.exp(z - z.max())
    shares /= shares.sum()
    return -math.log(shares[label]), shares - target


@dataclass
class PlainSgd:
    """v <- m v + g + wd w;  w <- w - lr v, for each layer's weight and bias."""

    layers: list
    learning_rate: float
    momentum: float
    weight_decay: float
    velocity: list = field(default_factory=list)

    def step(self, gradients: list) -> None:
        """Take one step."""
        if not self.velocity:
            self.velocity = [[np.zeros_like(p) for p in layer] for layer in self.layers]
        for layer, velocity, gradient in zip(self.layers, self.velocity, gradients, strict=True):
            for k in range(2):
                velocity[k] = self.momentum * velocity[k] + gradient[k] + self.weight_decay * layer[k]
                layer[k] = layer[k] - self.learning_rate * velocity[k]


def _zeros(layers: list) -> list:
    return [[np.zeros_like(p) for p in layer] for layer in layers]


def _add(total: list, part: list) -> None:
    for t, p in zip(total, part, strict=True):
        t[0] += p[0]
        t[1] += p[1]


@dataclass
class PlainStage1:
    """Mean over the batch of loss(f(x_i) + coefficient b_i, y_i), b dense and without weight decay."""

    sgd: PlainSgd
    coefficient: float
    loss: str
    b: np.ndarray
    v: np.ndarray

    def epoch(self, x: np.ndarray, labels: np.ndarray, order: list[int], batch_size: int) -> float:
        """Do one epoch over `order`."""
        total = 0.0
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            gradients, b_gradient = _zeros(self.sgd.layers), np.zeros_like(self.b)
            for i in batch:
                values = forward(self.sgd.layers, x[i])
                loss, slope = loss_and_slope(self.loss, values[-1] + self.coefficient * self.b[i], labels[i])
                total += loss
                _add(gradients, backward(self.sgd.layers, values, slope / len(batch)))
                b_gradient[i] += self.coefficient * slope / len(batch)
            self.sgd.step(gradients)
            for i in range(len(self.b)):
                for c in range(self.b.shape[1]):
                    self.v[i, c] = self.sgd.momentum * self.v[i, c] + b_gradient[i, c]
                    self.b[i, c] = self.b[i, c] - self.sgd.learning_rate * self.v[i, c]
        return total / len(order)


def plain_epoch(sgd: PlainSgd, x: np.ndarray, labels: np.ndarray, order: list[int], batch_size: int) -> float:
    """Do an epoch of cross-entropy over `order`; return the mean loss over the visits."""
    total = 0.0
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        gradients = _zeros(sgd.layers)
        for i in batch:
            values = forward(sgd.layers, x[i])
            loss, slope = loss_and_slope("cross_entropy", values[-1], labels[i])
            total += loss
            _add(gradients, backward(sgd.layers, values, slope / len(batch)))
        sgd.step(gradients)
    return total / len(order)


@dataclass
class PlainGroupDro:
    """q_g <- q_g exp(step_size (loss_g + adjustment / sqrt(n_g))), normalised; then sum of q_g loss_g."""

    sgd: PlainSgd
    step_size: float
    adjustment: float
    q: list[float]
    counts: list[int]

    def epoch(self, x: np.ndarray, labels: np.ndarray, groups: np.ndarray, order: list[int], batch_size: int) -> None:
        """Do one epoch over `order`."""
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            means = []
            for g in range(len(self.q)):
                losses = [
                    loss_and_slope("cross_entropy", forward(self.sgd.layers, x[i])[-1], labels[i])[0]
                    for i in batch
                    if groups[i] == g
                ]
                means.append(sum(losses) / len(losses) if losses else 0.0)
            q = [
                self.q[g] * math.exp(self.step_size * (means[g] + self.adjustment / math.sqrt(self.counts[g])))
                for g in range(len(self.q))
            ]
            self.q = [value / sum(q) for value in q]
            gradients = _zeros(self.sgd.layers)
            for i in batch:
                g = groups[i]
                n_in_batch = sum(1 for j in batch if groups[j] == g)
                values = forward(self.sgd.layers, x[i])
                slope = loss_and_slope("cross_entropy", values[-1], labels[i])[1]
                _add(gradients, backward(self.sgd.layers, values, self.q[g] * slope / n_in_batch))
            self.sgd.step(gradients)


def pairwise_class_difference(accuracies: list) -> object:
    """Return the mean over pairs i < j of |acc_i - acc_j|; works for Fractions too."""
    n = len(accuracies)
    pairs = [abs(accuracies[i] - accuracies[j]) for i in range(n) for j in range(i + 1, n)]
    return sum(pairs) / len(pairs)
