"""The proof of remote write: what a receiver holds is what the API said, whatever dies between them.

- ``proxy`` stands before a receiver, loses and spoils requests and answers, and remembers all that passed
- ``receivers`` the real ones, how they are killed, and what they hold in the end
- ``truth`` which samples must have gone out, a pure function of the API's world
- ``oracle`` looks at ledger, proxy and receiver from outside and says what is wrong with them
- ``campaign`` one kill loop from start to end, the receiver among what is killed
- ``mutants`` senders and ledgers that are wrong on purpose: the oracle must find each of them
- ``measures`` how fast, how much, how long: the figures of the targets
"""
