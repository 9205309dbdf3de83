"""The proof: every settled timepoint counts once, whatever happens to the process, the disk and the clock.

world.py      what the hostile API finally says, and what it says before that: a pure function
feed.py       the API as a process of its own, never killed
oracle.py     looks at the ledger and at the pages from outside and says what is wrong with them
nursery.py    starts pollers fast, so that thousands can be killed
mutants.py    products that are wrong on purpose: the oracle must find each of them
campaign.py   one kill loop from start to end; also ``python -m tests.proof``
committer.py  one small process that commits a known feed, for the levels below
levels.py     kills at each system call, power cuts, failpoints
"""
