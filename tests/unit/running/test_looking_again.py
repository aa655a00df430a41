"""Snakemake's scheduler is woken once for all the looks that it asks for, and again for each that follows."""

import threading
from inspect import signature
from types import SimpleNamespace

from snakemake.scheduling.job_scheduler import JobScheduler

from retort.running.looking_again import look_again_once


def scheduler(monkeypatch) -> tuple[SimpleNamespace, threading.Semaphore]:
    before = signature(JobScheduler._schedule_reevalutation)
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", JobScheduler._schedule_reevalutation)
    look_again_once()
    assert list(signature(JobScheduler._schedule_reevalutation).parameters) == list(before.parameters)
    woken = threading.Semaphore(0)
    return SimpleNamespace(_open_jobs=woken), woken


def test_many_looks_that_are_asked_for_before_one_is_due_are_one(monkeypatch):
    asking, woken = scheduler(monkeypatch)
    for _ in range(100):
        JobScheduler._schedule_reevalutation(asking, 0.2)
    assert woken.acquire(timeout=60)
    assert not woken.acquire(timeout=0.5)


def test_each_look_may_ask_for_the_next_as_soon_as_it_is_woken(monkeypatch):
    asking, woken = scheduler(monkeypatch)
    for _ in range(200):
        JobScheduler._schedule_reevalutation(asking, 0.0)
        assert woken.acquire(timeout=60), "nobody wakes the scheduler any more"


def test_a_look_that_is_due_earlier_is_not_put_off(monkeypatch):
    asking, woken = scheduler(monkeypatch)
    JobScheduler._schedule_reevalutation(asking, 3600)
    JobScheduler._schedule_reevalutation(asking, 0.0)
    assert woken.acquire(timeout=60)
