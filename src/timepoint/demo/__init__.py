"""Demo: a realistic energy API and the config that polls it."""
