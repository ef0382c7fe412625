"""All listings, in the order of the modules that hold them."""

from __future__ import annotations

from model import actors, nodecontroller, noderecord, replication, scheduler, settings, sharing

LISTINGS = (
    *noderecord.LISTINGS,
    nodecontroller.LISTING,
    *scheduler.LISTINGS,
    *replication.LISTINGS,
    sharing.LISTING,
    actors.LISTING,
    settings.LISTING,
)
