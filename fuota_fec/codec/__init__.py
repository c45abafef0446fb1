"""TS004 fragmentation: parity rows, coded fragments, decoding, and images made ready for the air."""
