"""Profiles that are a base and changes: other builds, earlier versions, and products on top of a stack.

Each row is (base, changes). A profile of one's own is made the same way, by a table of a campaign file or by
`DeviceProfile.replace`. Comments have the source of a field, as in `profiles.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

BUILDS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "lbm-1100": (  # An example of raised limits.
            "lbm",
            {
                "source": "Lora-net/SWL2001, LoRa Basics Modem 4.8.0, built for 1100 fragments: run",
                "max_frags": 1100,  # run
                "max_frag_size": 250,  # run
                "max_losses": 1100,  # run
            },
        ),
        "st-2021": (
            "st",
            {
                "source": "actility/nucleo-stm32wl55jc-fuotav1 and STM32CubeWL 1.1 and 1.2, 1.0.0 build: decoder run",
                "commit": "44157b0",
                "hangs_from": 2040,  # run: its index over the bytes of a row has 8 bits
                "session_errors": "with_start",  # read: the MAC layer of 2021 returns OK although it sets error bits
            },
        ),
        "mbed": (
            "generic",
            {
                "source": "ARMmbed/mbed-lorawan-update-client: decoder run, packages read",
                "commit": "da8bf49",
                "dialects": ("1.0.0",),  # run
                "max_losses": 40,  # run; build option, 80 run as well
                "any_row": "run",
                "second_session_fails": True,  # run: a counter of solved rows is never reset
                "n_sessions": 1,  # read; build option
                "answers_status": False,  # read: not usable. NbFragReceived is sent with its bytes swapped, MissingFrag
                # is the losses so far, and a device with a complete block is silent
                "session_errors": "unchecked",  # read
                "mc_group_ids": (0,),  # read; build option
                "mc_versions": ("1.0.0",),  # read
                "class_b": False,  # read: the request is not handled
                "ts006": False,  # read
                "reboot_verb": "none",  # read
                "reboots_alone": None,  # read: the application gets an event
            },
        ),
        "pamoja": (
            "generic",
            {
                "source": "molexxxx/pamoja, Defragmenter of pamoja-lorawan: retyped and run; the rest is not known",
                "commit": "606d7ef",
                "dialects": ("2.0.0",),  # run
                "late_uncoded": "corrupts",  # run: 1139 of 1466 blocks incomplete, or with wrong bytes
                "any_row": "run",
            },
        ),
        "xdot": (
            "generic",
            {
                "source": "MultiTech xDot: developer guide, library headers; closed, not run",
                "dialects": ("1.0.0",),  # survey
                "max_losses": 150,  # survey: the guide; 300 for the mDot
                "min_coded_spacing": 3.0,  # survey: the guide; fragments 1.5 s apart, coded ones 3 s
                "mc_group_ids": (0, 1, 2),  # survey: three multicast sessions
                "mc_versions": ("1.0.0",),  # survey
                "class_b": False,  # survey: class C only
                "ts006": False,  # survey: a CRC of the image is checked with MultiTech's own server instead
                "reboot_verb": "none",  # survey
                "reboots_alone": True,  # survey: after that check
            },
        ),
    }
)
