"""The proof: every settled timepoint counts once, whatever happens to the process, the disk and the clock.

- ``world`` what the hostile API finally says, and what it says before that: a pure function
- ``feed`` the API as a process of its own, never killed
- ``oracle`` looks at the ledger and at the pages from outside and says what is wrong with them
- ``nursery`` starts pollers fast, so that thousands can be killed
- ``campaign`` one kill loop from start to end
- ``tree`` the same for the whole exporter, scraped over HTTP
- ``faults`` what a campaign meets besides kills: disks, clocks, a process that is stopped
- ``committer`` a process without network and chance that commits and publishes a known feed
- ``tracing`` strace on it: to kill it at its n-th system call, to write down what it did to the disk
- ``powercut`` the states in which a power cut may leave the disk
- ``fasttime`` a machine on which time runs fast
- ``flat`` whether a quantity that was read again and again stayed as it was
- ``soak`` days of polls in minutes, watched for anything that grows
- ``remote`` the same with receivers of remote write
- ``mutants`` products that are wrong on purpose: the oracle must find each of them
- ``__main__`` the same at any length, by command
"""
