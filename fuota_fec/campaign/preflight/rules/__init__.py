"""Rules of the pre-flight check, by what they are about: campaign, group, device. A rule is a row of a table."""
