"""Fan-out: one request for each of several values.

Read in this order:

    spec        what a config says: the values of a fan-out and where they come from
    lanes       values become lanes: product, pairs, names (pure)
    lists       a file or the answer of a discovery becomes values
"""
