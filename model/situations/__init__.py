"""Situations: small networks, one for each controller of the document and each task of a kubelet, with what must hold.

Each is explored completely by `kubephase verify`, beside the network of `cluster.py`. The modules stand in the order
in which a cluster comes to life: the list of nodes, the scheduler, a pod's sharing, replication, the loss of a node;
and then, for v0.17.0, what a kubelet does: admission, restarting, ending, mirroring, recording.
"""

from __future__ import annotations

from model.profiles import Profile
from model.situations import (
    admission,
    ending,
    loss,
    mirroring,
    nodelist,
    recording,
    replication,
    restarting,
    scheduling,
    sharing,
)
from model.situations.situation import Situation


def situations(profile: Profile) -> list[Situation]:
    """Every situation of a profile."""
    modules = [nodelist, scheduling, sharing, replication, loss]
    if profile.name == "v0.17.0":  # the document says nothing of how a kubelet works
        modules += [admission, restarting, ending, mirroring, recording]
    return [module.situation(profile) for module in modules]
