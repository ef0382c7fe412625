"""Situations: small networks, one for each controller of the document, with what must hold there.

Each is explored completely by `kubephase verify`, beside the network of `cluster.py`. The modules stand in the order
in which a cluster comes to life: the list of nodes, the scheduler, a pod's sharing, replication, the loss of a node.
"""

from __future__ import annotations

from model.profiles import Profile
from model.situations import loss, nodelist, replication, scheduling, sharing
from model.situations.situation import Situation


def situations(profile: Profile) -> list[Situation]:
    """Every situation of a profile."""
    return [module.situation(profile) for module in (nodelist, scheduling, sharing, replication, loss)]
