"""Planning of a transmission before it is sent: redundancy, rows, fragment size, schedule. Pure functions."""
