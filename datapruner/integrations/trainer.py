"""ScheduleCallback: a fresh subset for every epoch of a transformers Trainer, or one of TRL.

An epoch of the Trainer is a round. It sees a dataset of k rows, so it plans its steps, and builds
its learning-rate schedule, for the rounds and not for the whole data::

    callback = ScheduleCallback(schedule)
    trainer = Trainer(
        model,
        TrainingArguments(num_train_epochs=len(schedule), ...),
        train_dataset=callback.view(data),
        callbacks=[callback],
    )

Trainers that prepare the data themselves, as those of TRL do, get the view once they have done so:
``trainer.train_dataset = callback.view(trainer.train_dataset)``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from datapruner.core.types import FloatArray
from datapruner.dataset.schedule import Schedule
from datapruner.errors import InputError, MissingExtraError
from datapruner.integrations.rows import marked

try:
    import torch
    from torch.utils.data import Dataset
    from transformers import TrainerCallback
except ImportError as error:  # pragma: no cover - the tests have both
    raise MissingExtraError(
        'the callback needs torch and transformers: pip install "datapruner[cpu]" accelerate.'
    ) from error

__all__ = ["RoundView", "ScheduleCallback", "row_losses"]

_IGNORED = -100  # the label that transformers leaves out of the loss


class RoundView(Dataset[Any]):  # type: ignore[misc]
    """The rows of one round of a schedule, as a map-style dataset of length k.

    Which round it is lies in memory that worker processes share, so that those that outlive an
    epoch change over with the others.

    Args:
        data: all rows.
        schedule: its rounds.
        marks: whether items say their row (see ``marked``).

    Raises:
        InputError: the data has another number of rows than the schedule.
    """

    def __init__(self, data: Any, schedule: Schedule, marks: bool = False) -> None:
        if len(data) != schedule.n:
            raise InputError(
                f"the data has {len(data)} rows, but the schedule is for {schedule.n}; pass the "
                "rows that it was made for."
            )
        self.data, self.schedule, self._marks = data, schedule, marks
        self._number = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._known = schedule[0]

    @property
    def round(self) -> int:
        """The round that the view shows."""
        return int(self._number)

    @round.setter
    def round(self, number: int) -> None:
        self._number.fill_(number)

    def __len__(self) -> int:
        """Rows a round."""
        return self.schedule.k

    def __getitem__(self, place: int) -> Any:
        """The item at that place of the round."""
        number = self.round
        if self._known.number != number:
            self._known = self.schedule[number]
        row = int(self._known.rows[place])
        item = self.data[row]
        return marked(item, row) if self._marks else item


class ScheduleCallback(TrainerCallback):  # type: ignore[misc]
    """Shows the Trainer the next round at every epoch, and checks that it plans the right steps.

    With ``Trainer(compute_loss_func=callback.loss)`` and ``remove_unused_columns=False`` it also
    keeps every row's last loss, and weights the losses of rounds that have weights.

    Args:
        schedule: with a number of rounds.
        logs_rows: keep the losses of rows; items are then marked with their row, which the model
            never sees.

    Attributes:
        losses: shape (n,), float64, the last loss of every row; NaN where this process never
            trained on it.

    Raises:
        InputError: the schedule has no end.
    """

    def __init__(self, schedule: Schedule, *, logs_rows: bool = False) -> None:
        if not isinstance(schedule, Schedule):
            raise InputError(
                f"a Trainer plans epochs of one length, which a {type(schedule).__name__} has not; "
                "use ScheduleSampler in a loop of your own."
            )
        len(schedule)  # says so if there is no end
        self.schedule, self.logs_rows = schedule, logs_rows
        self.losses: FloatArray = np.full(schedule.n, np.nan)
        self._views: list[RoundView] = []
        self._rows: Any = None
        self._weight_of: FloatArray | None = None
        self._hook: Any = None
        self._is_training = True

    def view(self, data: Any) -> RoundView:
        """The dataset to train on, of as many rows as a round has.

        Raises:
            InputError: the data has another number of rows than the schedule.
        """
        self._views.append(RoundView(data, self.schedule, self.logs_rows))
        return self._views[-1]

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Check the plan of the Trainer against the schedule.

        Raises:
            InputError: no view is in use, or another number of steps is planned than the rounds
                have: the learning rate would not reach its end, or reach it early.
        """
        loader = more.get("train_dataloader")
        used: Any = getattr(loader, "dataset", None)
        # Another length, or it is a wrapper of the view's: of its rows nothing can be said here.
        is_other = hasattr(used, "__len__") and len(used) != self.schedule.k
        if not self._views or is_other:
            rows = f"{len(used)} rows a round" if is_other else "all rows"
            raise InputError(
                f"the Trainer trains on {rows}: give it train_dataset=callback.view(data), which "
                f"has {self.schedule.k}."
            )
        if loader is not None:
            planned = math.ceil(len(loader) / args.gradient_accumulation_steps) * len(self.schedule)
            if state.max_steps != planned:
                raise InputError(
                    f"the Trainer plans {state.max_steps} steps, and its learning rate with them, "
                    f"but {len(self.schedule)} rounds make {planned}; give TrainingArguments("
                    f"num_train_epochs={len(self.schedule)}), or max_steps={planned}."
                )
        self.on_train_end(args, state, control)  # a run that broke off has left its hook
        if self.logs_rows:
            self._hook = more["model"].register_forward_pre_hook(self._take_rows, with_kwargs=True)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Show the round of this epoch; after a resumed checkpoint, of the one it was saved in."""
        number = min(int(state.epoch or 0), len(self.schedule) - 1)
        for view in self._views:
            view.round = number
        if self.logs_rows and self.schedule.draw == "weighted":
            this = self.schedule[number]
            self._weight_of = np.zeros(self.schedule.n)
            self._weight_of[this.rows] = this.weights

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Take the hook off the model."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **more: Any
    ) -> None:
        """Add the round to what is logged, and to the history that is saved."""
        for entry in (logs, state.log_history[-1] if state.log_history else None):
            if entry is not None:
                entry["round"] = self._views[-1].round

    def loss(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """Cross-entropy of the batch, noted row by row; for ``Trainer(compute_loss_func=...)``.

        Labels count the same, and by their row's weight where the round has weights. What is noted
        of a row is the mean over its own labels. Batches of an evaluation are not noted.

        Args:
            outputs: with ``logits`` of shape (b, C), or (b, t, C) of a causal language model.
            labels: shape (b,) or (b, t); -100 is left out.
            num_items_in_batch: labels of all batches of this step; None: of this batch.

        Raises:
            InputError: the items did not say their rows.
        """
        sums, counts = row_losses(outputs["logits"], labels)
        items = counts.sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        rows, self._rows = self._rows, None
        if rows is None and not self._is_training:
            return sums.sum() / items
        if rows is None:
            raise InputError(
                "the batch does not say which rows it holds. Use ScheduleCallback(schedule, "
                "logs_rows=True) and TrainingArguments(remove_unused_columns=False), and a "
                'collator that keeps the key "row".'
            )
        at = rows.cpu().numpy()
        self.losses[at] = (sums / counts.clamp(min=1)).detach().double().cpu().numpy()
        if self._weight_of is not None:
            sums = sums * torch.from_numpy(self._weight_of[at]).to(sums)
        return sums.sum() / items

    def _take_rows(self, module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Before the model runs: take the rows out of its inputs."""
        self._rows, self._is_training = kwargs.pop("row", None), module.training
        return args, kwargs


def row_losses(logits: Any, labels: Any) -> tuple[Any, Any]:
    """Cross-entropy of every row, summed over its labels, and their number: shapes (b,) and (b,).

    Args:
        logits: shape (b, C), or (b, t, C), where token i predicts label i + 1.
        labels: shape (b,) or (b, t); -100 is left out.
    """
    if logits.ndim == 3:
        logits, labels = logits[:, :-1].transpose(1, 2), labels[:, 1:]
    each = torch.nn.functional.cross_entropy(
        logits.float(), labels, reduction="none", ignore_index=_IGNORED
    )
    counted = labels != _IGNORED
    return each.reshape(len(each), -1).sum(1), counted.reshape(len(each), -1).sum(1)
