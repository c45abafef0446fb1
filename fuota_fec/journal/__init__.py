"""The journal: where a campaign's events are kept. `base` is the port."""
