"""What the containers of a pod share: the network of its sandbox and its volumes; and what each has for itself."""

from __future__ import annotations

from dataclasses import dataclass

from model.listing import Listing
from model.lts.table import Row, Table

# --- the network ----------------------------------------------------------------------------------------------------

SEED_SANDBOX = Table(
    "sandbox",
    ("NoAddress", "Addressed", "Released"),
    "NoAddress",
    (
        Row("NoAddress", "give_address", "Addressed", ("pod.sharing.own-ip", "pod.sharing.network")),
        Row("Addressed", "release", "Released", ("pod.sharing.own-ip",)),
    ),
)
"""The pod's address: one for all its containers, as long as the pod is there."""

CODE_SANDBOX = Table(
    "sandbox",
    ("NoSandbox", "Addressed", "OnHost", "Dead", "Released"),
    "NoSandbox",
    (
        Row("NoSandbox", "create_sandbox", "Addressed", ("pod.sharing.pause-container", "pod.sharing.namespaces",
                                                         "pod.sharing.pause-ip", "pod.sharing.network")),
        Row("NoSandbox", "create_on_host", "OnHost", ("pod.sharing.host-network",)),
        Row("Addressed", "sandbox_died", "Dead", ("pod.restart.sandbox-died", "pod.sharing.pause-essential")),
        Row("OnHost", "sandbox_died", "Dead", ("pod.restart.sandbox-died", "pod.sharing.pause-essential")),
        Row("Dead", "create_sandbox", "Addressed", ("pod.restart.sandbox-died", "pod.restart.sandbox-died.new-ip")),
        Row("Dead", "create_on_host", "OnHost", ("pod.restart.sandbox-died", "pod.sharing.host-network")),
        Row("Addressed", "release", "Released", ("pod.life.containers-stopped", "pod.phase.final.leftovers")),
        Row("OnHost", "release", "Released", ("pod.life.containers-stopped", "pod.phase.final.leftovers")),
        Row("Dead", "release", "Released", ("pod.life.containers-stopped", "pod.phase.final.leftovers")),
    ),
)  # fmt: skip
"""The pause container: it holds the namespaces that the pod's containers join, and so the pod's address."""

UP = ("Addressed", "OnHost")
"""The states in which the pod's network is there."""

# --- a volume -------------------------------------------------------------------------------------------------------

SEED_VOLUME = Table(
    "volume",
    ("NotSetUp", "Empty", "Written"),
    "NotSetUp",
    (
        Row("NotSetUp", "set_up", "Empty", ("pod.sharing.volumes", "pod.sharing.volume-is-directory")),
        Row("Empty", "write", "Written", ("pod.sharing.volumes", "pod.sharing.survives-restart")),
        Row("Written", "write", "Written", ("pod.sharing.volumes", "pod.sharing.survives-restart")),
    ),
)
"""A volume of the pod. Nothing but its pod's end takes away what was written: no row leads back."""

CODE_VOLUME = Table(
    "volume",
    ("NotSetUp", "Empty", "Written", "Destroyed"),
    "NotSetUp",
    (
        Row("NotSetUp", "set_up_failed", "NotSetUp", ("pod.sharing.volume-missing",)),
        Row("NotSetUp", "set_up", "Empty", ("pod.sharing.volumes", "pod.sharing.volume-is-directory")),
        Row("Empty", "set_up", "Empty", ("pod.sharing.survives-sandbox",)),
        Row("Written", "set_up", "Written", ("pod.sharing.survives-sandbox",)),
        Row("Empty", "write", "Written", ("pod.sharing.volumes", "pod.sharing.survives-restart")),
        Row("Written", "write", "Written", ("pod.sharing.volumes", "pod.sharing.survives-restart")),
        Row("Empty", "destroy", "Destroyed", ("pod.sharing.emptied-at-end",)),
        Row("Written", "destroy", "Destroyed", ("pod.sharing.emptied-at-end",)),
    ),
)
"""An emptyDir: setting it up again changes nothing; with the end of the pod it goes."""

# --- a container's own layer ----------------------------------------------------------------------------------------

LAYER = Table(
    "layer",
    ("Clean", "Dirty"),
    "Clean",
    (
        Row("Clean", "write_outside", "Dirty", ("pod.sharing.own-layer-lost",)),
        Row("Dirty", "write_outside", "Dirty", ("pod.sharing.own-layer-lost",)),
        Row("Dirty", "new_container", "Clean", ("pod.sharing.own-layer-lost", "pod.restart.new-container")),
    ),
)
"""What a container wrote outside the volumes: a restart is a new container, with a clean layer (v0.17.0)."""

# --- what is shared -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shared:
    """Something that a container has, and whether all containers of a pod have the same (v0.17.0)."""

    name: str
    shared: bool
    rules: tuple[str, ...]


SHARED = (
    Shared("network", True, ("pod.sharing.namespaces", "pod.sharing.network")),
    Shared("IPC", True, ("pod.sharing.namespaces",)),
    Shared("PID", False, ("pod.sharing.not-pid-uts",)),
    Shared("UTS", False, ("pod.sharing.not-pid-uts", "pod.sharing.hostname")),
    Shared("volumes", True, ("pod.sharing.volumes", "pod.sharing.group")),
    Shared("the container itself", False, ("pod.sharing.group",)),
)

LONGEST_HOSTNAME = 63


def hostname(pod: str) -> str:
    """The host name in each container of a pod: each has its own UTS namespace, and in it the same name."""
    return pod[:LONGEST_HOSTNAME]


LISTING = Listing("shared", "What the containers of a pod share, and what each has for itself", SHARED)
