"""The experiment of ``docs/experiment.md``: a Prometheus beside the truth, and a script of sixty lines beside both.

- ``feed`` the energy API: pods that stay, go, come, live briefly and return; an outage, an odd row
- ``extrapolation`` what PromQL's ``increase()`` does with the samples that it has
- ``story`` the processes and what Prometheus saw of them
- ``table`` the figures side by side
- ``__main__`` prints them, by command
"""
