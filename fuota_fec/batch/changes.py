"""Changes of an image before it is sent: its signature, then a delta of it or its compression; and their check."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from fuota_fec.batch.config import BatchImage
from fuota_fec.campaign.config import firmware_version
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.image.compression import compress_image, decompress_image
from fuota_fec.image.delta import apply_delta, make_delta
from fuota_fec.image.signing import sign_image, verify_image
from fuota_fec.image.signing_key import PublicKey, SigningKey

Facts = Mapping[str, Any]


def changed(data: bytes, image: BatchImage, *, key: SigningKey | None, base: bytes | None) -> tuple[bytes, Facts]:
    """Bytes to be sent of an image, and the facts of its changes. ParameterError if it cannot be signed, or a delta or
    compression does not pay."""
    facts: dict[str, Any] = {}
    if image.sign is not None:
        assert key is not None
        version = None if image.fw_version is None else dotted(firmware_version(image.fw_version))
        signed = sign_image(data, key, image.sign, fw_version=version)
        data = signed.data
        facts["signature"] = {
            "layout": signed.layout,
            "algorithm": signed.algorithm,
            "signature": signed.signature.hex(),
            "public_key": signed.public_key,
            "key_sha256": signed.key_sha256,
        }
    if image.base is not None or image.compress is not None:
        facts["full"] = {"len": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if image.base is not None:
        assert base is not None
        delta = make_delta(base, data, largest_share=image.largest_share)
        required = firmware_version(image.base.fw_version)
        facts |= {
            "kind": "delta",
            "base": {
                "source": image.base.source,
                "len": delta.base_len,
                "sha256": delta.base_sha256,
                "fw_version": required,
            },
            "delta": {"tool": "detools", "patch_type": "sequential", "compression": delta.compression},
            "requires_fw_version": required,
        }
        data = delta.patch
    elif image.compress is not None:
        made = compress_image(data, image.compress, window=image.compress_window, lookahead=image.compress_lookahead)
        facts["compression"] = {"method": made.method, "window": made.window, "lookahead": made.lookahead}
        data = made.data
    return data, facts


def check_boot_loader(image: BatchImage, profile: DeviceProfile) -> None:
    """ParameterError unless the boot loader of a profile unpacks the compression of an image."""
    if image.compress is not None and image.compress not in profile.boot_compression:
        known = ", ".join(profile.boot_compression) or "none"
        raise ParameterError(
            f"compress: {image.compress} is not unpacked by the boot loader of profile {profile.name!r}, which unpacks "
            f"{known}: give a profile of your own boot_compression"
        )


def change_problem(facts: Facts, data: bytes, base: bytes | None, *, trusted: PublicKey | None = None) -> str:
    """Reason why an image that was sent is not what the facts of its entry say; "" if it is. `base`: that of a delta.

    The signature is verified with the public key of the entry, which must be the `trusted` one if that is given.
    """
    try:
        full = _undone(facts, data, base)
        stated = facts.get("full") or {"len": facts["len"], "sha256": facts["sha256"]}
        if len(full) != stated["len"] or hashlib.sha256(full).hexdigest() != stated["sha256"]:
            return "the full image does not have the SHA-256 of its entry"
        signature = facts.get("signature")
        if signature is None:
            return "" if trusted is None else "it is not signed"
        key = PublicKey.from_pem(signature["public_key"].encode(), "public key of the entry")
        if trusted is not None and key.sha256 != trusted.sha256:
            return "it is signed with another key"
        verify_image(full, signature["layout"], key, signature=bytes.fromhex(signature["signature"]))
    except ParameterError as error:
        return "; ".join(error.problems)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"its entry cannot be read: {type(error).__name__} {error}"
    return ""


def _undone(facts: Facts, data: bytes, base: bytes | None) -> bytes:
    """The full image."""
    if facts.get("kind") == "delta":
        if base is None:
            raise ParameterError(
                f"delta: its base {facts['base']['source']} is not known, expected the batch file beside the folder"
            )
        if hashlib.sha256(base).hexdigest() != facts["base"]["sha256"]:
            raise ParameterError(f"delta: {facts['base']['source']} does not have the SHA-256 of the base")
        return apply_delta(base, data)
    if (packed := facts.get("compression")) is not None:
        return decompress_image(
            data,
            packed["method"],
            image_len=facts["full"]["len"],
            window=packed["window"] if packed["method"] != "lz4" else None,
            lookahead=packed["lookahead"],
        )
    return data


def dotted(version: int) -> str:
    """Firmware version as four numbers."""
    return ".".join(map(str, version.to_bytes(4, "big")))
