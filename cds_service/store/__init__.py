"""Persistence: served cards, feedback, used tokens. The only room that knows SQL; keeps no clinical value and no name."""

from cds_service.keyed import Keys
from cds_service.store.opening import open_store, upgrade_store
from cds_service.store.retention import prune_store
from cds_service.store.store import Store

__all__ = ["Keys", "Store", "open_store", "prune_store", "upgrade_store"]
