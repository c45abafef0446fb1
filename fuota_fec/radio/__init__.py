"""Radio: limits of the regions (`regions`), and durations of transmissions (`airtime`).

Tables and pure functions without a clock. Times are arguments in seconds; times of class B beacons are GPS seconds
(since 1980-01-06, leap seconds counted).
"""
