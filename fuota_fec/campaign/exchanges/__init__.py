"""Exchanges between a campaign and its devices or groups; `base` is the interface that the machine uses."""
