"""Finding a Ray to run on, with a stand-in for Ray that notes what it is asked."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.engines import ray as engine_module
from datapruner.engines.base import Engine
from datapruner.engines.choose import open_engine
from datapruner.engines.ray import RayEngine
from datapruner.engines.session import (
    RETRIES,
    bounded,
    bounded_actor,
    connect,
    load_ray,
    our_errors,
    quietly,
    unwarned,
)
from datapruner.errors import EngineError, InputError, MissingExtraError


class Context:
    """As much of a DataContext as we touch."""

    current_one: Any = None

    def __init__(self) -> None:
        self.enable_progress_bars = True
        self.print_on_execution_start = True

    def copy(self) -> Context:
        return Context()

    @staticmethod
    def get_current() -> Any:
        return Context.current_one

    @staticmethod
    @contextmanager
    def current(context: Any) -> Any:
        before, Context.current_one = Context.current_one, context
        yield
        Context.current_one = before


class RayError(Exception):
    """Ray's own."""


class FakeRay:
    def __init__(self, running: bool = False) -> None:
        self.running = running
        self.asked: list[dict[str, Any]] = []
        self.reports: str | None = None
        self.shut = 0
        Context.current_one = Context()
        self.data = SimpleNamespace(
            DataContext=Context, exceptions=SimpleNamespace(SystemException=RayError)
        )
        self.exceptions = SimpleNamespace(RayError=RayError)

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **options: Any) -> None:
        self.asked.append(options)
        self.reports = os.environ.get("RAY_USAGE_STATS_ENABLED")
        self.running = True

    def shutdown(self) -> None:
        self.shut += 1
        self.running = False

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 4.0}


def test_a_ray_that_runs_is_taken_as_it_is():
    ray = FakeRay(running=True)
    assert not connect(ray)
    assert not ray.asked


def test_a_local_ray_starts_without_dashboard_reports_or_output(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    ray = FakeRay()
    assert connect(ray)
    assert ray.asked[0]["address"] == "local"
    assert ray.asked[0]["include_dashboard"] is False
    assert ray.asked[0]["log_to_driver"] is False
    assert ray.reports == "0"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")  # who sets it knows what he does
    ray = FakeRay()
    connect(ray)
    assert ray.reports == "1"


def test_the_address_of_a_cluster_is_heeded(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    ray = FakeRay()
    assert connect(ray)
    assert ray.asked[0]["address"] == "head:6379"
    assert "include_dashboard" not in ray.asked[0]


def test_without_ray_the_error_holds_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for ask in (load_ray, RayEngine, lambda: open_engine("ray")):
        with pytest.raises(MissingExtraError, match=r'pip install "datapruner\[ray\]"'):
            ask()
    with pytest.raises(MissingExtraError, match="Ray is not installed"):
        dp.prune(np.eye(4, dtype=np.float32), budget="50%", engine="ray")


def test_settings_of_ray_data_are_as_before_afterwards():
    ray = FakeRay()
    own, log = Context.current_one, logging.getLogger("ray.data")
    level = log.level
    with quietly(ray):
        assert not Context.current_one.enable_progress_bars
        assert not Context.current_one.print_on_execution_start
        assert log.level == logging.CRITICAL
    assert Context.current_one is own
    assert log.level == level
    assert bounded() == {"max_retries": RETRIES}
    assert bounded_actor() == {"max_restarts": RETRIES, "max_task_retries": RETRIES}


def test_only_the_one_warning_is_silenced():
    with unwarned():
        warnings.warn("`ray_remote_args_fn` is deprecated and will go", DeprecationWarning, 1)
        with pytest.raises(DeprecationWarning):
            warnings.warn("something else is deprecated", DeprecationWarning, 1)


def test_what_ray_says_becomes_one_sentence():
    ray = FakeRay()
    told = 'File "a.py"\nValueError: odd rows.\n\nThe above exception was the direct cause of\nmore'
    with (
        pytest.raises(EngineError, match=r"^assign: RayError: ValueError: odd rows\. "),
        our_errors(ray, "assign"),
    ):
        raise RayError(told)
    with (
        pytest.raises(EngineError, match=r"^assign: RayError: RayError\. "),
        our_errors(ray, "assign"),
    ):
        raise RayError("")
    for plain in (InputError("x"), KeyError("x")):
        with pytest.raises(type(plain)), our_errors(ray, "assign"):
            raise plain


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray = FakeRay()
    monkeypatch.setattr(engine_module, "load_ray", lambda: ray)
    return ray


def test_an_engine_shuts_down_what_it_started_and_nothing_else(fake):
    with RayEngine() as engine:
        engine._connect()
        engine._connect()
        assert len(fake.asked) == 1
    engine.close()
    assert fake.shut == 1
    forgotten = RayEngine()
    forgotten._connect()
    del forgotten
    assert fake.shut == 2
    fake.running = True
    with RayEngine() as engine:
        engine._connect()
    assert fake.shut == 2


def test_the_engine_has_all_that_the_protocol_asks_for(fake):
    asked = [name for name in vars(Engine) if not name.startswith("_")]
    assert len(asked) >= 6
    assert not [name for name in asked if not hasattr(RayEngine, name)]
    RayEngine().finish()


def test_the_ceiling_sets_sizes_and_refuses_what_cannot_fit(fake):
    engine = open_engine("ray", memory="512MiB")
    assert isinstance(engine, RayEngine)
    assert engine._block_rows(1024) < RayEngine()._block_rows(1024)
    assert engine.room < RayEngine().room
    assert RayEngine(block_rows=7)._block_rows(1024) == 7
    with pytest.raises(InputError, match=r"the sample .*lower k"):
        engine.reserve("the sample", 2**40, "lower k")
    assert engine.once("train", b"", lambda: {"a": np.ones(1)}, size=4)["a"][0] == 1
    with pytest.raises(InputError, match="block_rows is 0"):
        RayEngine(block_rows=0)
    with pytest.raises(InputError, match="the journal is for one machine"):
        open_engine("ray", journal="x")


@pytest.mark.parametrize(("blocks", "together"), [(1, 1), (16, 1), (64, 4), (10_000, 8)])
def test_every_core_gets_some_blocks(fake, blocks, together):
    assert RayEngine()._together(blocks) == together
