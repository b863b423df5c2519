"""ScheduleSampler: the rounds of a schedule in a torch DataLoader, resumed to the row.

A DataLoader with workers asks its sampler for batches long before the loop trains on them. So what
the sampler has handed out says nothing about what was trained on, and a state made from it would
skip rows. Here the loop confirms: ``sampler.advance(rows)`` after every step. A state holds the
confirmed position, and nothing depends on how far any worker has run ahead::

    sampler = ScheduleSampler(schedule)
    loader = DataLoader(data, batch_size=64, sampler=sampler, num_workers=2)
    for epoch in range(sampler.epoch, len(schedule)):
        sampler.set_epoch(epoch)
        for batch in loader:
            ...                                    # one step
            sampler.advance(len(batch[0]))
            torch.save(sampler.state_dict(), path)  # whenever you like
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from datapruner.core.types import FloatArray, IntArray
from datapruner.dataset.dynamic import LossSchedule
from datapruner.dataset.schedule import Schedule
from datapruner.errors import FormatError, InputError, MissingExtraError
from datapruner.integrations.state import VERSION, read_state

try:
    import torch
    from torch.utils.data import Sampler
except ImportError as error:  # pragma: no cover - the tests have torch
    raise MissingExtraError(
        'the torch sampler needs torch: pip install "datapruner[cpu]".'
    ) from error

__all__ = ["ScheduleSampler"]


class ScheduleSampler(Sampler[int]):  # type: ignore[misc]
    """Row numbers of one round after another, for ``DataLoader(sampler=...)``.

    ``set_epoch`` chooses the round. Without it, a round that is through is followed by the next
    one, never by itself again.

    Args:
        schedule: from ``resample``, or a ``LossSchedule``.
        rank, world: this process and their number; each gets every ``world``-th row, so that no row
            is seen twice in a round and all have equally many. Leave them alone with accelerate,
            which deals out the batches itself.
        multiple_of: make rounds a multiple of this many rows, too. With accelerate give the
            batch size times the number of processes; it would repeat rows of the round otherwise.
        uneven: when a round cannot be dealt out evenly, ``"pad"`` it with the rows that come next
            (weight 0 where rows have weights), or ``"drop"`` its last rows.

    Raises:
        InputError: parameters out of range, or nothing to pad with.
    """

    _number: int  # of the round
    _start: int  # its rows before this iteration, of all processes
    _done: int  # its rows that are confirmed, of all processes
    _handed: int  # rows of this process that this iteration handed out
    _size: int | None  # rows of the round as it was drawn
    _marks: dict[str, str]  # what tells the drawn round from others
    _weight_of: FloatArray | None
    _live: object | None  # the iteration that counts
    _is_exhausted: bool

    def __init__(
        self,
        schedule: Schedule | LossSchedule,
        *,
        rank: int = 0,
        world: int = 1,
        multiple_of: int = 1,
        uneven: Literal["pad", "drop"] = "pad",
    ) -> None:
        if not 0 <= rank < world:
            raise InputError(f"rank is {rank} of {world} processes; it must be 0 to {world - 1}.")
        if multiple_of < 1:
            raise InputError(f"multiple_of is {multiple_of}; give a number of rows, 1 or more.")
        if uneven not in ("pad", "drop"):
            raise InputError(f'uneven is {uneven!r}; it must be "pad" or "drop".')
        self.schedule, self.rank, self.world = schedule, rank, world
        self._unit, self._uneven = math.lcm(world, multiple_of), uneven
        self._confirms = self._is_pending = False
        self._go_to(0)

    @classmethod
    def of_process_group(cls, schedule: Schedule | LossSchedule, **options: Any) -> ScheduleSampler:
        """A sampler with the rank and world of ``torch.distributed``, which must be initialised."""
        group = torch.distributed
        return cls(schedule, rank=group.get_rank(), world=group.get_world_size(), **options)

    @property
    def epoch(self) -> int:
        """The round under way, or the next one if none is."""
        return self._number

    def __len__(self) -> int:
        """Rows that this process gets from here to the end of the round."""
        return (self._target() - self._start) // self.world

    def __iter__(self) -> Iterator[int]:
        """The rows of this process that nobody has confirmed yet.

        Raises:
            InputError: the rounds are over, or rows of the last one were left unconfirmed.
            FormatError: the round is not the one that the loaded state belongs to.
        """
        if self._is_exhausted:
            if self._done > self._start:
                raise InputError(
                    f"round {self._number} is not through: {self._target() - self._done} of its "
                    "rows were handed out and never confirmed. Call advance() after every step; "
                    f"or go on with set_epoch({self._number + 1})."
                )
            self._go_to(self._number + 1)
        self._check_number(self._number)
        rows = self._draw()
        self._is_pending, self._handed, self._start = False, 0, self._done
        self._live = token = object()
        return self._hand_out(rows[self._start + self.rank :: self.world], token)

    def _hand_out(self, rows: IntArray, token: object) -> Iterator[int]:
        for row in rows.tolist():
            if self._live is token:
                self._handed += 1
            yield row
        if self._live is token:
            self._is_exhausted = True

    def set_epoch(self, epoch: int) -> None:
        """Choose the round; the position within it stays if it is the one under way.

        Raises:
            InputError: no such round, or a loaded state is about another one.
        """
        self._check_number(epoch)
        if epoch == self._number and not self._is_exhausted:
            return
        if self._is_pending:
            raise InputError(
                f"the state that was loaded goes on in round {self._number}, after "
                f"{self._done} of its rows, but set_epoch({epoch}) asks for another one. Begin "
                "with range(sampler.epoch, ...); with accelerate call "
                "loader.set_epoch(sampler.epoch) first."
            )
        self._go_to(epoch)

    def advance(self, rows: int) -> None:
        """Confirm that this process has trained on so many more rows of the round.

        Where accelerate deals out the batches, count the rows of all processes.

        Raises:
            InputError: more rows than were handed out.
        """
        open_rows = self._handed - (self._done - self._start) // self.world
        if self._live is None or not 0 < rows <= open_rows:
            raise InputError(
                f"advance({rows}): {open_rows if self._live else 0} rows of round {self._number} "
                "are handed out and not yet confirmed; count each batch once, after its step."
            )
        self._confirms = True
        self._done += rows * self.world
        if self._done >= self._target():
            self._go_to(self._number + 1)

    def weights(self, rows: Any) -> torch.Tensor:
        """What to multiply the losses of these rows by; 0 for rows that fill up the round.

        Args:
            rows: shape (b,), row numbers of a batch of the round under way.

        Returns:
            Shape (b,), float32.

        Raises:
            InputError: no round is under way; ask before ``advance`` confirms its last row.
        """
        if self._live is None:
            raise InputError(
                f"round {self._number} has not begun, so its rows have no weights yet; ask for "
                "weights before advance()."
            )
        at = np.asarray(rows, dtype=np.int64)
        if self._weight_of is None:
            return torch.ones(at.size)
        return torch.from_numpy(self._weight_of[at].astype(np.float32))

    def state_dict(self) -> dict[str, Any]:
        """Where training stands, for a checkpoint; the same on every process.

        Raises:
            InputError: rows were handed out but the loop never confirms any.
        """
        if self._handed and self._done == self._start and not self._confirms:
            raise InputError(
                f"{self._handed} rows of round {self._number} were handed out, and nobody has "
                "said which of them were trained on. Call sampler.advance(rows) after every step, "
                "or save between two rounds, after set_epoch()."
            )
        state: dict[str, Any] = {
            "version": VERSION,
            "schedule": self.schedule.fingerprint,
            "round": int(self._number),
            "consumed": int(self._done),
            **self._marks,
        }
        if isinstance(self.schedule, LossSchedule):
            losses = self.schedule.state_dict()
            state["losses"] = torch.from_numpy(losses["losses"])
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state_dict`` was made, with any number of processes.

        Raises:
            FormatError: a state of another schedule or version, or none at all. Nothing was changed
                by it.
        """
        number, done = read_state(state, isinstance(self.schedule, LossSchedule))
        if state["schedule"] != self.schedule.fingerprint:
            raise FormatError(
                f"the state belongs to the schedule {state['schedule']}, and this one is "
                f"{self.schedule.fingerprint}: other rows, budget, draw or seed. Build the same "
                "schedule again; its rows would not be those that are left."
            )
        rounds = self.schedule.rounds
        if done > self.schedule.n or (rounds is not None and number + bool(done) > rounds):
            raise FormatError(
                f"the state says {done} rows of round {number}, but the schedule has "
                f"{'no end of' if rounds is None else rounds} rounds, from 0, of {self.schedule.n} "
                "rows at most. Build it with as many rounds as before, or more."
            )
        if isinstance(self.schedule, LossSchedule):
            losses = {"schedule": state["schedule"], "losses": state["losses"]}
            self.schedule.load_state_dict(losses)
        self._go_to(number)
        self._done = self._start = done
        self._marks = {"rows": state["rows"]} if "rows" in state else {}
        self._is_pending = True

    def _go_to(self, number: int) -> None:
        self._number, self._start, self._done, self._handed = number, 0, 0, 0
        self._is_exhausted, self._live, self._marks = False, None, {}
        self._size, self._weight_of = None, None

    def _check_number(self, number: int) -> None:
        rounds = self.schedule.rounds
        if number < 0 or (rounds is not None and number >= rounds):
            raise InputError(
                f"there is no round {number}: the schedule has {rounds or 'no end of'} rounds, "
                "from 0. Build it with as many rounds as you train."
            )

    def _target(self) -> int:
        """Rows of all processes in this round, those that fill it up included."""
        size = self._size
        if size is None:
            plan = self.schedule
            size = plan.k if isinstance(plan, Schedule) else len(plan[self._number])
        left = max(size - self._start, 0)
        units = left // self._unit if self._uneven == "drop" else math.ceil(left / self._unit)
        return self._start + units * self._unit

    def _draw(self) -> IntArray:
        """The rows of the round, filled up or cut."""
        this = self.schedule[self._number]
        mark = hashlib.blake2b(this.rows.tobytes(), digest_size=8).hexdigest()
        if self._is_pending and self._done and self._marks.get("rows", mark) != mark:
            raise FormatError(
                f"round {self._number} is not the one that the state was saved in: its rows "
                "differ. The rows of the data stand in another order, or losses were fed in the "
                "middle of the round; feed them between rounds."
            )
        self._marks, self._size, self._start = {"rows": mark}, len(this), self._done
        target = self._target()
        if target == self._start:
            raise InputError(
                f"round {self._number} has {len(this)} rows, and none are left when it is cut to "
                f'a multiple of {self._unit}; use uneven="pad" or larger rounds.'
            )
        if this.weights is not None:
            self._weight_of = np.zeros(self.schedule.n)
            self._weight_of[this.rows] = this.weights
        if target <= len(this):
            return this.rows[:target]
        more = self.schedule.spare(self._number, target - len(this))
        return np.concatenate([this.rows, more])
