"""The training loop: one step at a time, each determined by seed, data and number.

On the CPU, with one build of torch and one number of threads, the weights after a step are the same
to the bit, whether the run was interrupted or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from datapruner.core.types import IntArray
from datapruner.errors import FormatError, InputError
from datapruner.training.batches import epoch_batches, window_keys
from datapruner.training.losses import losses
from datapruner.training.recipe import Recipe
from datapruner.training.windows import NO_LABEL, Window

__all__ = ["Run", "collate"]

_ADAM = ("exp_avg", "exp_avg_sq")


def collate(windows: Sequence[Window], padding: int) -> dict[str, Any]:
    """Tensors of a batch.

    Returns:
        ``ids``, ``mask``, ``types``, shape (b, L), int64; ``labels`` (b, L), float32, -100 where a
        token has none; ``sentence`` (b, L), int64, counted from the first of the window, -1
        outside all of them; ``relevant`` (b,), float32.
    """
    import torch

    shape = (len(windows), max(len(window) for window in windows))
    ids = np.full(shape, padding, dtype=np.int64)
    mask, types = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    labels = np.full(shape, NO_LABEL, dtype=np.float32)
    sentence = np.full(shape, -1, dtype=np.int64)
    for row, window in enumerate(windows):
        n = len(window)
        ids[row, :n], mask[row, :n], types[row, window.passage : n] = window.ids, 1, 1
        labels[row, :n] = window.labels
        inside = window.sentence >= 0
        sentence[row, :n][inside] = window.sentence[inside] - window.sentence[inside].min()
    relevant = np.array([window.relevant for window in windows], dtype=np.float32)
    made = {"ids": ids, "mask": mask, "types": types, "labels": labels}
    made |= {"sentence": sentence, "relevant": relevant}
    return {name: torch.from_numpy(array) for name, array in made.items()}


class Run:
    """A network under training, at some step.

    Args:
        network: as ``network.build`` makes it, weights set; trained in place.
        windows: what it is trained on.
        ids: of the pairs that the windows name by number.
        recipe: the parameters.
        padding: id of the padding token.

    Attributes:
        step: steps done.
        total: steps of the whole run.

    Raises:
        InputError: no window, or more frozen layers than there are.
    """

    def __init__(
        self, network: Any, windows: Sequence[Window], ids: Sequence[str], recipe: Recipe,
        padding: int,
    ) -> None:  # fmt: skip
        import torch

        if not windows:
            raise InputError("no pair has a token in a sentence; there is nothing to train on.")
        self.network, self.windows, self.recipe, self.padding = network, windows, recipe, padding
        lengths = np.array([len(window) for window in windows], dtype=np.int64)
        keys = window_keys(windows, ids)
        self._plan: list[IntArray] = []
        for epoch in range(recipe.epochs):
            self._plan += epoch_batches(
                lengths, keys, batch_tokens=recipe.batch_tokens, seed=recipe.seed, epoch=epoch
            )
        self.total = min(len(self._plan), recipe.steps or len(self._plan))
        self.step = 0
        _freeze(network, recipe.frozen_layers)
        self._optimiser = torch.optim.AdamW(_parameter_groups(network, recipe), fused=True)
        self._names = {id(p): name for name, p in network.named_parameters()}

    @property
    def is_done(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.total

    def advance(self) -> dict[str, float]:
        """One step.

        Returns:
            ``loss``, its parts as ``losses`` names them, ``norm`` of the gradient before
            clipping, ``rate`` of the encoder, ``tokens`` without padding.

        Raises:
            InputError: the loss is no number any more.
        """
        import torch

        recipe, network = self.recipe, self.network
        factor = recipe.rate_at(self.step, self.total)
        for group in self._optimiser.param_groups:
            group["lr"] = group["highest"] * factor
        network.train()
        batch = collate([self.windows[i] for i in self._plan[self.step].tolist()], self.padding)
        parts = losses(network, batch)
        loss = parts["token_loss"] + recipe.rank_weight * parts["rank_loss"]
        if recipe.order_weight:
            loss = loss + recipe.order_weight * parts["order_loss"]
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss is {loss.item()} at step {self.step}; lower rate={recipe.rate} or "
                f"head_rate={recipe.head_rate} and start again."
            )
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return {
            "loss": loss.item(),
            **{name: part.item() for name, part in parts.items()},
            "norm": float(norm),
            "rate": recipe.rate * factor,
            "tokens": float(batch["mask"].sum()),
        }

    def tensors(self) -> dict[str, Any]:
        """Weights as ``model/NAME`` and the optimiser's means as ``adam/NAME/KEY``."""
        made = {f"model/{n}": v.contiguous() for n, v in self.network.state_dict().items()}
        for parameter, state in self._optimiser.state.items():
            for key in _ADAM:
                made[f"adam/{self._names[id(parameter)]}/{key}"] = state[key]
        return made

    def restore(self, tensors: dict[str, Any], step: int) -> None:
        """Go on from what ``tensors`` gave after ``step`` steps, one at least.

        Raises:
            FormatError: tensors are missing or of another shape.
        """
        import torch

        parts = [(name.partition("/"), value) for name, value in tensors.items()]
        weights = {name: value for (kind, _, name), value in parts if kind == "model"}
        try:
            self.network.load_state_dict(weights, strict=True)
        except RuntimeError as error:
            raise FormatError(f"the checkpoint does not fit the model: {error}") from error
        for group in self._optimiser.param_groups:
            for parameter in group["params"]:
                name = self._names[id(parameter)]
                means = {key: tensors.get(f"adam/{name}/{key}") for key in _ADAM}
                if any(mean is None or mean.shape != parameter.shape for mean in means.values()):
                    raise FormatError(f"the checkpoint holds no optimiser state of {name}.")
                self._optimiser.state[parameter] = {"step": torch.tensor(float(step)), **means}
        self.step = step


def _freeze(network: Any, layers: int) -> None:
    """Take the embeddings and the lowest layers out of the training; 0 layers: nothing."""
    if not layers:
        return
    stack = getattr(getattr(network.encoder, "encoder", None), "layer", None)
    if stack is None:
        raise InputError(
            f"frozen_layers={layers} needs an encoder built like BERT, and this one is a "
            f"{type(network.encoder).__name__}; use 0."
        )
    if layers > len(stack):
        raise InputError(f"frozen_layers={layers}, but the encoder has {len(stack)} layers.")
    for part in (network.encoder.embeddings, *stack[:layers]):
        part.requires_grad_(False)


def _parameter_groups(network: Any, recipe: Recipe) -> list[dict[str, Any]]:
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            rate = recipe.rate if name.startswith("encoder.") else recipe.head_rate
            is_matrix = parameter.ndim > 1 and "embeddings" not in name
            groups.setdefault((rate, recipe.weight_decay if is_matrix else 0.0), []).append(
                parameter
            )
    return [
        {"params": params, "lr": rate, "highest": rate, "weight_decay": decay}
        for (rate, decay), params in groups.items()
    ]
