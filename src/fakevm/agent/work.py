"""What the verbs of the agent of one host share: its guests, as they are made, put to sleep and seen."""

from __future__ import annotations

import logging

from fakevm import errors
from fakevm.link.impairment import Impairments
from fakevm.link.panel import Panel
from fakevm.vif.base import VifDriver

from .attachments import Attachments
from .checkpoints import Checkpoints
from .daemons import Daemons
from .kinds import Kinds
from .making import Making
from .seeing import Seeing
from .sleeping import Sleeping
from .store import GuestRecord, Nic, Store

_log = logging.getLogger(__name__)

# Work on many guests at once is waiting for ``ip`` and Open vSwitch; more at a time than this is no faster.
PARALLEL = 8


class Work:
    """Work on the guests of one host. Calls for one guest wait for one another, those for others do not.

    :param host: this host's name in Neutron
    :param driver_name: how VIFs say which driver made them
    """

    def __init__(self, host: str, driver_name: str, driver: VifDriver, kinds: Kinds, store: Store) -> None:
        self._host = host
        self._driver = driver
        self._store = store
        panel = Panel(host)
        attachments = Attachments(driver, panel, Impairments(host, panel.patch))
        self._making = Making(host, attachments, kinds, store, Daemons(store.logs))
        self._sleeping = Sleeping(self._making)
        self._checkpoints = Checkpoints(self._making, self._sleeping)
        self._seeing = Seeing(self._making, driver_name)

    def _remade(self, record: GuestRecord) -> GuestRecord:
        """Make a guest whose record is to stay, whatever happens."""
        try:
            return self._making.make(record)
        except Exception as exc:
            self._store.put(record.unmade(exc.what if isinstance(exc, errors.FakevmError) else repr(exc)))
            raise

    def _remove(self, record: GuestRecord) -> None:
        record = record.model_copy(update={"state": "ending", "nics": record.all_nics("unplugging")})
        self._store.put(record)
        self._making.remove_all(record)
        _log.info("removed the guest %s", record.guest.title)

    def _without(self, record: GuestRecord, nic: Nic) -> GuestRecord:
        if record.state == "running":
            return self._making.drop(record, nic)
        record = record.lacking(nic.interface.name)
        self._store.put(record)
        return record
