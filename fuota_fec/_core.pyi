from collections.abc import Iterable
from typing import Self

from fuota_fec.buffers import Buffer, Bytes

def kernels() -> list[str]: ...
def kernel() -> str: ...
def cpu_features() -> list[str]: ...
def panels_len(n_rows: int, n_cols: int) -> int: ...
def parity_panels(n_frags: int, dialect: int, rows: Buffer, panels: Buffer, kernel: str | None = None) -> None: ...
def panels_unpack(panels: Buffer, n_cols: int, start: int, stop: int, bits: Buffer) -> None: ...
def encode_into(
    block: Buffer,
    frag_size: int,
    panels: Buffer,
    n_rows: int,
    out: Buffer,
    offset: int,
    stride: int,
    kernel: str | None = None,
) -> None: ...
def encode_at_once(
    block: Buffer,
    frag_size: int,
    n_coded: int,
    dialect: int,
    rows: Iterable[int] | None,
    matrix_n_frags: int,
    panels: Bytes | None,
    out: Bytes | None,
    kernel: str | None,
) -> Bytes | None: ...
def rows_kept() -> list[tuple[int, int, int, int]]: ...
def forget_rows() -> None: ...
def matrix_columns(panels: Buffer, n_rows: int, n_frags: int, columns: Buffer) -> None: ...
def losses_len(n_bits: int) -> int: ...
def fleet_complete(
    columns: Buffer, n_frags: int, n_rows: int, lost: Buffer, needed: Buffer, kernel: str | None = None
) -> None: ...
def fleet_simulate(
    columns: Buffer,
    n_frags: int,
    n_rows: int,
    seed: int,
    first_device: int,
    thresholds: Buffer,
    needed: Buffer,
    kernel: str | None = None,
) -> None: ...
def select_rows(
    n_frags: int,
    dialect: int,
    n_candidates: int,
    threshold: int,
    seed: int,
    n_patterns: Buffer,
    weights: Buffer,
    gains: Buffer,
    sent: Buffer,
    rows: Buffer,
    kernel: str | None = None,
) -> None: ...

SELECT_DEPTH: int

class Decoder:
    n_frags: int
    frag_size: int
    def __new__(cls, n_frags: int, frag_size: int, dialect: int, kernel: str | None = None) -> Self: ...
    def push(self, frag_nb: int, payload: Buffer, /) -> bool: ...
    def push_many(self, frag_nbs: Buffer, payloads: Buffer) -> bool: ...
    @property
    def complete(self) -> bool: ...
    @property
    def rank(self) -> int: ...
    @property
    def missing(self) -> int: ...
    def block(self) -> bytes: ...
