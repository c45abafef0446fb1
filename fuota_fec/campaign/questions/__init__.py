"""Questions to devices: the request, the verdict on an answer, and the changes of the device's state by both.

The questions of stages, of verification and of the clean-up have the same form. A command that a question does not read
is foreign to it: counted, and without effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fuota_fec.campaign.questions.firmware import (
    CANCEL_REBOOT,
    DEV_DELETE_IMAGE,
    DEV_REBOOT_TIME,
    DEV_VERSION,
    INSTALLED_VERSION,
    LAST_VERSION,
    UPGRADE_IMAGE,
    is_target,
)
from fuota_fec.campaign.questions.fragmentation import (
    CLOSE_FRAG_SESSION,
    DATA_FRAGMENT,
    FRAG_SESSION_DELETE,
    FRAG_SESSION_SETUP,
    FRAG_SESSION_STATUS,
    REPAIR_STATUS,
    status_request,
)
from fuota_fec.campaign.questions.multicast import (
    FORCE_DEVICE_RESYNC,
    MC_GROUP_DELETE,
    MC_GROUP_SETUP,
    REPEATED_GROUP_SETUP,
    SESSION,
    is_member,
)
from fuota_fec.campaign.questions.question import OK, Question, Verdict, refusal
from fuota_fec.campaign.questions.versions import (
    BASE_VERSION,
    PACKAGE_VERSIONS,
    RUNNING_VERSION,
    RUNNING_VERSION_ONCE,
)

__all__ = [
    "BASE_VERSION",
    "CANCEL_REBOOT",
    "CLOSE_FRAG_SESSION",
    "DATA_FRAGMENT",
    "DEV_DELETE_IMAGE",
    "DEV_REBOOT_TIME",
    "DEV_VERSION",
    "FORCE_DEVICE_RESYNC",
    "FRAG_SESSION_DELETE",
    "FRAG_SESSION_SETUP",
    "FRAG_SESSION_STATUS",
    "INSTALLED_VERSION",
    "LAST_VERSION",
    "MC_GROUP_DELETE",
    "MC_GROUP_SETUP",
    "OK",
    "PACKAGE_VERSIONS",
    "PREPARATORY",
    "REPAIR_STATUS",
    "REPEATED_GROUP_SETUP",
    "RUNNING_VERSION",
    "RUNNING_VERSION_ONCE",
    "SESSION",
    "UPGRADE_IMAGE",
    "Question",
    "Verdict",
    "is_member",
    "is_target",
    "refusal",
    "status_request",
]

_PREPARATORY = (FRAG_SESSION_DELETE, FORCE_DEVICE_RESYNC, REPEATED_GROUP_SETUP, INSTALLED_VERSION, DATA_FRAGMENT)

PREPARATORY: Mapping[str, Question] = MappingProxyType({question.name: question for question in _PREPARATORY})
"""Questions that may come before a repeated question, or in its place, by name."""
