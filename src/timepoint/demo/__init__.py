"""Demo: a realistic energy API and the config that polls it.

Read in this order:

    world       pods that come and go, and the energy of each at any time (pure)
    api         that world behind HTTP
    process     the API in a process of its own
"""
