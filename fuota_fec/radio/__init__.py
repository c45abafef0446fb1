"""Facts of the radio: what a region allows (`regions`), and how long a transmission takes (`airtime`).

Pure tables and functions. They know no clock: a time is an argument, in seconds, and where a class B beacon
is concerned in GPS seconds (1980-01-06, leap seconds counted).
"""
