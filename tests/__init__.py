"""The tests mirror the rooms; each states one claim in one sentence."""
