"""The rules of the pre-flight check, in three tables: about the campaign, about a group, about a device in its group.

A rule is a function of plain data that yields what it finds. Its name in the table is stable, for filters and
documents; beside it stand the kinds of campaign that it concerns.
"""
