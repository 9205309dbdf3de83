"""The fault catalogue: its rows, the tests that carry their ids, and the page that shows both.

In reading order:

    catalogue   reads the rows, finds the tests of each, writes docs/faults.md
"""
