"""What is the risk of a classifier? The mean cross entropy of its probabilities and the labels."""

from __future__ import annotations

import torch
from torch import nn

from faltung.datasets.dataset import Split
from faltung.learn.arguments import share
from faltung.learn.augmentation import Augmentation
from faltung.learn.risk import logits
from faltung.networks.batches import tensors

__all__ = ["Classification"]


class Classification:
    """The risk of a classifier on the training set of a split, and its risk and accuracy on the validation set.

    Parameters
    ----------
    split : Split
        Its training and validation sets are used.
    label_smoothing : float, optional
        Probability that is taken from the true class and spread over all classes.
    augmentation : Augmentation, optional
        The random changes of training samples.
    device : str, optional
        The torch device of the samples.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `label_smoothing` is no number, or out of its range.

    Examples
    --------
    >>> from faltung.datasets.embedded import load_embedded
    >>> objective = Classification(load_embedded())
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> risk, watched = objective.batch_risk(network, torch.arange(100), torch.Generator())
    >>> bool(risk > 2), list(watched), list(objective.validate(network))
    (True, ['training_accuracy'], ['validation_risk', 'validation_accuracy'])
    """

    def __init__(
        self,
        split: Split,
        *,
        label_smoothing: float = 0.1,
        augmentation: Augmentation | None = None,
        device: str = "cpu",
    ) -> None:
        self._training = [tensor.to(device) for tensor in tensors(split.training)]
        self._validation = [tensor.to(device) for tensor in tensors(split.validation)]
        self._augment = augmentation or Augmentation()
        self.loss = nn.CrossEntropyLoss(label_smoothing=share("label_smoothing", label_smoothing))

    def __len__(self) -> int:
        return len(self._training[1])

    def batch_risk(
        self, network: nn.Module, chosen: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the mean loss of chosen training samples, and the accuracy on them."""
        samples, labels = (tensor[chosen.to(tensor.device)] for tensor in self._training)
        batch = self._augment(samples, generator)
        if batch.ndim == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        scores = network(batch).float()
        return self.loss(scores, labels), {"training_accuracy": (scores.argmax(1) == labels).double().mean()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return risk and accuracy on the validation set."""
        samples, labels = self._validation
        scores = logits(network, samples)
        recognised = (scores.argmax(1) == labels).double().mean().item()
        return {"validation_risk": self.loss(scores, labels).item(), "validation_accuracy": recognised}
