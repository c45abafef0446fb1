"""What the device stacks in the field can do (`profiles`), and whether a planned campaign suits them (`preflight`).

Facts and pure functions of them. No stack is named outside the table of `profiles`: what differs between two stacks
is a field of DeviceProfile, and a rule of the pre-flight check looks at the field.
"""
