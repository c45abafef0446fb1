"""The campaign: a state machine without I/O. Inputs and time go in, events come out and are applied.

`config`, `plan` and `row_plan` hold the configuration and what follows from it; `inputs`, `events` and `facts` the
messages; `state` and `turn` the state. `questions` has the questions to devices, `exchanges` the exchanges that carry
them out, `stages` and `transitions` the tables of stages and of the ways between them. `machine` decides, `campaign`
has the verbs, `status` the views.
"""
