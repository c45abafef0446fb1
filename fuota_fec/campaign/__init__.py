"""The campaign: a state machine without I/O. Inputs and time go in, events come out and are applied.

`config` says what is wanted, `messages` what comes in and what has happened, `stages` what each stage asks,
`exchange` and `transmission` how unicast and multicast requests are carried through, `machine` ties them together.
"""
