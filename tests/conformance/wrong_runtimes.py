"""Deliberately wrong adapters: each must get the verdict or the message that says what is wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from adapters.simulator import SimulatedCluster, Simulator
from conformance.runtime import About, Fault, Observation, PodSpec, Unsupported


class NoObserve:
    """Lacks most of the protocol."""

    def describe(self) -> About:
        return About("half", "0", frozenset())


class BadDescription(Simulator):
    """describe() returns something else."""

    def describe(self) -> About:
        return "a fine runtime"  # type: ignore[return-value]


class UnknownCapability(Simulator):
    """Claims something that nobody knows."""

    def describe(self) -> About:
        return About("x", "0", frozenset({"quiescense"}))


class FailsToStart(Simulator):
    """Cannot be constructed."""

    def __init__(self) -> None:
        raise OSError("no engine answers")


class BreaksOnCreate(Simulator):
    """Every pod creation raises an exception of the adapter's own."""

    class Broken(SimulatedCluster):
        def create_pod(self, pod: PodSpec) -> None:
            raise ZeroDivisionError("in the adapter")

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        cluster = super().open(scenario, seed, profile)
        cluster.__class__ = self.Broken
        return cluster


class ClaimsToKill(Simulator):
    """Claims a fault that it then says it cannot do."""

    class Limited(SimulatedCluster):
        def inject(self, fault: Fault) -> None:
            if fault.kind == "kill-container":
                raise Unsupported("needs root")
            super().inject(fault)

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        cluster = super().open(scenario, seed, profile)
        cluster.__class__ = self.Limited
        return cluster


class CannotKill(ClaimsToKill):
    """The same, which is honest about it."""

    def describe(self) -> About:
        about = super().describe()
        can = about.capabilities - {"kill-container", "cut-node"}
        return msgspec.structs.replace(about, capabilities=can, lacks={"kill-container": "needs root"})


class Blind(Simulator):
    """Sees nothing, ever, and cannot tell that nothing more will happen: every goal times out."""

    class Nothing(SimulatedCluster):
        def observe(self, timeout: float) -> Sequence[Observation]:
            return []

        def quiescent(self) -> bool:
            raise AssertionError("not one of its capabilities")

    def describe(self) -> About:
        return About("blind", "1", super().describe().capabilities - {"quiescence"})

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        cluster = super().open(scenario, seed, profile)
        cluster.__class__ = self.Nothing
        return cluster


class Hangs(Simulator):
    """observe() never comes back."""

    class Stuck(SimulatedCluster):
        def observe(self, timeout: float) -> Sequence[Observation]:
            threading.Event().wait()
            return []

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        cluster = super().open(scenario, seed, profile)
        cluster.__class__ = self.Stuck
        return cluster


class WaitsForASignal(Simulator):
    """Works, but its fourth scenario waits until the run is interrupted: for the test of Ctrl-C."""

    opened = 0

    class Slow(SimulatedCluster):
        def observe(self, timeout: float) -> Sequence[Observation]:
            print("waiting", flush=True)
            threading.Event().wait(0.2)
            return []

        def quiescent(self) -> bool:
            return False

    def open(self, scenario: str, seed: int, profile: str) -> SimulatedCluster:
        cluster = super().open(scenario, seed, profile)
        WaitsForASignal.opened += 1
        if WaitsForASignal.opened > 4:
            cluster.__class__ = self.Slow
        return cluster
