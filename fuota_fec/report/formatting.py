"""Text of durations, times, sizes, probabilities and counts for people."""

from __future__ import annotations

from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """Duration as 2 h 05 min, 5 min 20 s, 20 s or 2.5 s."""
    if round(seconds) < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{round(seconds)} s"
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def when(unix_time: float) -> str:
    """Date and time, UTC, of a Unix time."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment(unix_time: float, beside: float | None = None) -> str:
    """Date and time with their zone, as 2027-01-15 08:00:00Z; the time alone on the day of `beside`."""
    text = f"{when(unix_time)}Z"
    return text[11:] if beside is not None and when(beside)[:10] == text[:10] else text


def size(n_bytes: int) -> str:
    """Number of bytes for people: 850 bytes, 2.0 kB, 231.6 kB, 1.25 MB (1 kB = 1000 bytes)."""
    if n_bytes < 1000:
        return count(n_bytes, "byte")
    return f"{n_bytes / 1e3:.1f} kB" if n_bytes < 999_950 else f"{n_bytes / 1e6:.2f} MB"


def percent(probability: float) -> str:
    """Probability in percent, with as many decimals as distinguish it from 0 and 100 %, at most four."""
    if probability in (0, 1):
        return f"{100 * probability:.0f} %"
    if probability < 5e-5:
        return "< 0.01 %"
    if probability > 1 - 5e-7:
        return "> 99.9999 %"
    digits = next(d for d in range(1, 5) if d == 4 or round(100 * probability, d) < 100)
    return f"{100 * probability:.{digits}f} %"


def count(n: int, noun: str) -> str:
    """Number with its noun: 1 device, 2 devices."""
    return f"{n} {noun}" + ("" if n == 1 else "s")
