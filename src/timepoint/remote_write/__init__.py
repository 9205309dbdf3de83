"""Remote write: points that wait become write requests, and go to a receiver. Knows HTTP; knows no ledger, no job.

Read in this order:

    spec        what a receiver is, and what it takes
    outbox      where points wait: the protocol that the ledger follows, and its words
    memory      the outbox in memory, for tests, and as the reference for others
    slices      which points leave next, and which never may (pure)
    messages    the protobuf messages of both versions
    encode      points become the bytes of a request
    reply       what a receiver answered, and what its status means (pure)
    refusals    whether what was refused alone is at fault, or a receiver that refuses everything (pure)
    rules       what follows from an answer: again, later, split, bury, park, hold (pure)
    clock_check     whether the clocks of both sides agree (pure)
    post        one exchange with a receiver
    facts       what can be seen of a sender, and the metrics that show it
    sender      one receiver is served
    letters     dead letters in words, and what a person decides on them
"""
