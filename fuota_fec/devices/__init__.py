"""Device stacks in the field: what they can do (`profiles`), and how their status answers are read (`status_reading`).

Facts and pure functions of them. No stack is named outside the table of `profiles`: a difference between two stacks is
a field of DeviceProfile.
"""
