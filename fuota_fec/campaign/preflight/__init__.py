"""Pre-flight check: reasons why a campaign cannot or may not work, found before anything is on the air.

`check.find` applies the rules of `rules/` to a configuration and its plan. All of it is pure: functions of their
arguments.
"""
